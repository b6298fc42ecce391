"""The ranks at which the requests of a window were clicked: the search for them, and what ranking metrics need (pure).

Clicks are rare, so only requests with a click are read one by one. Their clicked ranks are all that NDCG, MRR, hit rate
and MAP need. The number of requests is counted with the window: requests of several items whose first-ranked item has a
known label. An item whose label is unknown counts as not clicked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor_agent.contracts.performance import ALL_SEGMENT, OTHER
from monitor_agent.metrics import WindowState, merge
from monitor_agent.metrics.ranking import CLICKED_REQUESTS, REQUESTS, clicked_request_sums
from monitor_agent.pipeline import labels
from monitor_agent.pipeline.countable import COUNTABLE_PREDICTION
from monitor_agent.pipeline.instants import within
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings

_COLUMNS = ("ranking.id", "model.version", "ranking.rank")

ClickedRanks = dict[tuple[str, str], Counter[tuple[int, ...]]]
"""(version, segment) -> ranks -> how many requests were clicked at exactly these ranks."""


def body(model: str, window: Window, settings: AgentSettings, now: datetime) -> dict[str, Any]:
    """Return the search for the clicked items of a model's window; a hit holds only the columns of an item."""
    filters = [
        {"term": {"model.name": model}},
        within(window),
        COUNTABLE_PREDICTION,
        labels.judged(settings, now),
        labels.positive(),
        {"exists": {"field": "ranking.id"}},
        {"exists": {"field": "ranking.rank"}},
    ]
    return {
        "query": {"bool": {"filter": filters}},
        "_source": False,
        "stored_fields": "_none_",
        "docvalue_fields": [*_COLUMNS, *(f"labels.{label}" for label in settings.segments)],
    }


def clicked_ranks(items: Iterable[Mapping[str, Any]], label_values: Mapping[str, Sequence[str]]) -> ClickedRanks:
    """Return the clicked ranks of a window's requests.

    Parameters
    ----------
    items : the ``fields`` of all hits of the search.
    label_values : label -> the values that have a segment of their own.
    """
    requests: dict[tuple[str, str, str], set[int]] = {}
    for item in items:
        request, version, rank = (item[name][0] for name in _COLUMNS)
        for segment in _segments_of(item, label_values):
            requests.setdefault((version, segment, request), set()).add(int(rank))
    clicks: ClickedRanks = {}
    for (version, segment, _), ranks in requests.items():
        clicks.setdefault((version, segment), Counter())[tuple(sorted(ranks))] += 1
    return clicks


def with_ranks(state: WindowState, clicks: Mapping[tuple[int, ...], int]) -> WindowState:
    """Return the state with its clicked requests; it counts at least as many requests as clicked requests."""
    counts, sums = clicked_request_sums(clicks)
    missing = counts[CLICKED_REQUESTS] - state.counts.get(REQUESTS, 0)
    if missing > 0:
        counts[REQUESTS] = missing
    return merge(state, WindowState(counts=counts, sums=sums))


def _segments_of(item: Mapping[str, Any], label_values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield ALL_SEGMENT
    for label, values in label_values.items():
        for value in item.get(f"labels.{label}", ()):
            yield f"labels.{label}={value if value in values else OTHER}"
