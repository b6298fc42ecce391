"""The searches of windows with predictions of other kinds than `binary`: each kind is counted apart, then added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.score_tail_store import SEARCHES_AT_ONCE, TOO_MANY_BUCKETS
from monitor_agent.metrics import WindowState, merge
from monitor_agent.pipeline import counting, kind_counting
from monitor_agent.pipeline.countable import COUNTABLE_OF_KIND
from monitor_agent.pipeline.counting import CountRequest, SegmentState
from monitor_agent.pipeline.instants import within
from monitor_agent.pipeline.segments import disjoint
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings

MOST_VERSIONS = 10_000

States = dict[tuple[str, str], WindowState]


def add_kinds(gateway: Gateway, request: CountRequest, settings: AgentSettings, counts: dict[Window, States]) -> None:
    """Add the predictions of all kinds but `binary` to the states of windows, by version and segment."""
    for kind in request.kinds:
        for window, entries in _counted(gateway, request, settings, kind, list(counts)):
            states = counts[window]
            for name, state in counting.states(entries).items():
                states[name] = merge(states[name], state) if name in states else state


def _counted(
    gateway: Gateway, request: CountRequest, settings: AgentSettings, kind: str, windows: Sequence[Window]
) -> Iterator[tuple[Window, list[SegmentState]]]:
    for first in range(0, len(windows), SEARCHES_AT_ONCE):
        batch = windows[first : first + SEARCHES_AT_ONCE]
        searches = [
            (PREDICTIONS.index_for(window.start), kind_counting.body(request, window, settings, kind))
            for window in batch
        ]
        for window, response in zip(batch, gateway.msearch(searches, tolerate=TOO_MANY_BUCKETS), strict=True):
            if "error" in response or ("aggregations" in response and not counting.is_exact(response, request)):
                yield window, _in_pieces(gateway, request, settings, kind, window)
            elif "aggregations" in response:
                yield window, kind_counting.segment_states(response, request, kind)


def _in_pieces(
    gateway: Gateway, request: CountRequest, settings: AgentSettings, kind: str, window: Window
) -> list[SegmentState]:
    """Count a window of very many versions, values or bins: one version and one segment at a time."""
    index, entries = PREDICTIONS.index_for(window.start), []
    query = {"bool": {"filter": [{"term": {"model.name": request.model}}, within(window), COUNTABLE_OF_KIND[kind]]}}
    versions = {"terms": {"field": "model.version", "size": MOST_VERSIONS}}
    response = gateway.search(index, {"size": 0, "query": query, "aggs": {"versions": versions}})
    for version in response["aggregations"]["versions"]["buckets"]:
        for segment in disjoint(request.segments):
            piece = replace(request, segments=[segment])
            answer = gateway.search(index, kind_counting.body(piece, window, settings, kind, version["key"]))
            entries += kind_counting.segment_states(answer, piece, kind)
    return entries
