"""Ranked lists in Elasticsearch: the lists of windows, and the windows that lists over an edge link with others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.counting import CountRequest
from monitor_agent.pipeline.instants import DAY, MICROSECOND, Interval
from monitor_agent.pipeline.ranked_lists import (
    Group,
    ListCounts,
    ListItem,
    clicked_items,
    edges_to_read,
    first_items,
    groups_to_read,
    labelled_items,
    linked_windows,
    list_counts,
    list_item,
    reach_of,
)
from monitor_agent.pipeline.segments import label_values_of
from monitor_agent.pipeline.stale_windows import ModelWindow, day_of
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

ITEMS_PAGE = 5_000
SEARCHES_AT_ONCE = 8
IDS_AT_ONCE = 1_000
"""Number of lists whose first-ranked items one search finds."""

_Search = tuple[str, dict[str, Any]]


class RankedListStore:
    """The items of ranked lists, as far as clicks and edges of windows make it necessary to read them."""

    def __init__(self, gateway: Gateway, settings: AgentSettings, calendar: Calendar) -> None:
        self._gateway = gateway
        self._settings = settings
        self._calendar = calendar

    def counts(self, request: CountRequest, windows: Sequence[Window]) -> dict[Window, dict[Group, ListCounts]]:
        """Return what clicks tell about the ranked lists of base windows, by version and segment."""
        counts: dict[Window, dict[Group, ListCounts]] = {}
        label_values = label_values_of(request.segments)
        groups = list(groups_to_read(windows))
        searches = (
            _search(interval, clicked_items(request.model, interval, self._settings, request.now))
            for _, interval in groups
        )
        for (group, _), clicked in zip(groups, self._items(searches, label_values), strict=True):
            firsts = self._first_items(request.model, clicked, request.now, label_values)
            by_window = list_counts(clicked, firsts, self._window_of)
            counts |= {window: by_window[window] for window in group if window in by_window}
        return counts

    def linked(self, model_windows: Iterable[ModelWindow], now: datetime) -> set[ModelWindow]:
        """Return further windows whose lists may be different because these base windows have changed."""
        changed: dict[str, set[Window]] = {}
        for model, window in model_windows:
            changed.setdefault(model, set()).add(window)
        edges = [(model, edge) for model, windows in changed.items() for edge in edges_to_read(windows)]
        searches = (_search(edge, labelled_items(model, edge, self._settings, now)) for model, edge in edges)
        linked: set[ModelWindow] = set()
        for (model, _), items in zip(edges, self._items(searches, {}), strict=True):
            firsts = self._first_items(model, items, now, {})
            windows = linked_windows(items, firsts, changed[model].__contains__, self._window_of)
            linked |= {ModelWindow(model, window) for window in windows}
        return linked

    def _first_items(
        self, model: str, items: Sequence[ListItem], now: datetime, label_values: Mapping[str, Sequence[str]]
    ) -> list[ListItem]:
        """Return the first-ranked items that the lists of these items can have."""
        if not items:
            return []
        interval = reach_of(items)
        list_ids = sorted({item.list_id for item in items})
        searches = (
            _search(interval, first_items(model, interval, list_ids[start : start + IDS_AT_ONCE], self._settings, now))
            for start in range(0, len(list_ids), IDS_AT_ONCE)
        )
        return [first for firsts in self._items(searches, label_values) for first in firsts]

    def _items(
        self, searches: Iterable[_Search], label_values: Mapping[str, Sequence[str]]
    ) -> Iterator[list[ListItem]]:
        """Yield the items that each search finds, in order."""
        remaining = iter(searches)
        while batch := list(islice(remaining, SEARCHES_AT_ONCE)):
            pages = [(index, {**body, "size": ITEMS_PAGE, "track_total_hits": False}) for index, body in batch]
            for (index, body), response in zip(batch, self._gateway.msearch(pages), strict=True):
                hits: Iterable[Mapping[str, Any]] = response["hits"]["hits"]
                if len(response["hits"]["hits"]) == ITEMS_PAGE:
                    hits = self._gateway.scan(index, body, ITEMS_PAGE)
                yield [list_item(hit, label_values) for hit in hits]

    def _window_of(self, milliseconds: int) -> Window:
        return self._calendar.base_window(instants.parse(milliseconds))


def _search(interval: Interval, body: dict[str, Any]) -> _Search:
    """Return a search of the indices of an interval."""
    first = day_of(interval.start)
    days = (interval.end - MICROSECOND - first) // DAY
    return ",".join(PREDICTIONS.index_for(first + number * DAY) for number in range(days + 1)), body
