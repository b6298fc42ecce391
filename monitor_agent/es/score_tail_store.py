"""The second search of windows: the scores near 0 and near 1 in three digits of the score and of 1 - score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline.counting import CountRequest, SegmentState
from monitor_agent.pipeline.tail_counting import TailRequest, tail_decades
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings

SEARCHES_AT_ONCE = 8
# Elasticsearch refuses to make more than 65,536 buckets for one request.
TOO_MANY_BUCKETS = "too_many_buckets_exception"

Counted = dict[Window, list[SegmentState]]


def add_tails(gateway: Gateway, request: CountRequest, settings: AgentSettings, counted: Counted) -> None:
    """Add the cells of the tails to the states of windows that have many distinct scores, some of them in the tails.

    Labels that arrive between the two searches are counted with the next change; until then the window has bins only.
    """
    requests = []
    for window, entries in counted.items():
        decades = tail_decades(entry.state for entry in entries)
        if decades:
            requests.append(TailRequest(request, window, decades))
    for first in range(0, len(requests), SEARCHES_AT_ONCE):
        batch = requests[first : first + SEARCHES_AT_ONCE]
        searches = [(PREDICTIONS.index_for(tail.window.start), tail.body(settings)) for tail in batch]
        for tail, response in zip(batch, gateway.msearch(searches, tolerate=TOO_MANY_BUCKETS), strict=True):
            entries = counted[tail.window]
            if "error" in response:
                counted[tail.window] = _in_pieces(gateway, tail, settings, entries)
            else:
                counted[tail.window] = tail.with_tails(entries, response)


def _in_pieces(
    gateway: Gateway, tail: TailRequest, settings: AgentSettings, entries: Sequence[SegmentState]
) -> list[SegmentState]:
    """Count one version and one segment at a time."""
    completed: list[SegmentState] = []
    for entry in entries:
        decades = tail_decades([entry.state])
        if not decades:
            completed.append(entry)
            continue
        piece = replace(tail, count=replace(tail.count, segments=[entry.segment]), decades=decades)
        response = gateway.search(PREDICTIONS.index_for(tail.window.start), piece.body(settings, entry.version))
        completed += piece.with_tails([entry], response)
    return completed
