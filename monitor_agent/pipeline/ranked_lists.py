"""Ranked lists: which window a list belongs to, which items it has, and whether it can be judged (pure).

The first-ranked item of a list decides to which window, version and segments the list belongs. The other items may
lie in other windows, be scored by other versions and carry other labels. Clicks are rare, so only clicked items and
the first-ranked items of their lists are read one by one; all other lists are counted with the window.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from monitor_agent.contracts.performance import ALL_SEGMENT, OTHER
from monitor_agent.metrics import WindowState, merge
from monitor_agent.metrics.ranking import (
    CLICKED_REQUESTS,
    IMMATURE_CLICK,
    NO_FIRST_ITEM,
    NOT_JUDGED,
    REQUESTS,
    UNKNOWN_LABEL,
    clicked_request_sums,
)
from monitor_agent.pipeline import instants, labels
from monitor_agent.pipeline.countable import COUNTABLE_BINARY
from monitor_agent.pipeline.instants import HOUR, MILLISECOND, Interval, merged, range_filter, within
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings

LONGEST_LIST = timedelta(minutes=30)
"""The longest time between the first-ranked item of a list and another item of it."""

READ_TOGETHER = 2 * HOUR
"""Windows up to this length in all are read by one search."""

IN_A_LIST: dict[str, Any] = {
    "bool": {"filter": [{"exists": {"field": "ranking.id"}}, {"range": {"ranking.rank": {"gte": 1}}}]}
}
"""The filter for the predictions that are items of ranked lists."""

FIRST_ITEM: dict[str, Any] = {
    "bool": {
        "filter": [{"exists": {"field": "ranking.id"}}, {"term": {"ranking.rank": 1}}],
        "must_not": [{"term": {"prediction.shadow": True}}],
    }
}
"""The filter for the first-ranked items of lists; a list that was scored in shadow has none."""

_OLD, _MATURE, _LABELLED = "old", "mature", "labelled"
_COLUMNS = ("ranking.id", "ranking.rank", "model.version")
_REACH = LONGEST_LIST // MILLISECOND


class ListItem(NamedTuple):
    """One item of a ranked list.

    Attributes
    ----------
    id : its `event.id`.
    list_id, rank : its list, and its place in it.
    at : its time, milliseconds since 1970.
    version : the version that scored it.
    segments : the names of its segments, `all` too.
    old : whether it is older than the attribution window, or was not shown.
    mature : whether it is old and was shown.
    labelled : whether it is mature and its label is known.
    """

    id: str
    list_id: str
    rank: int
    at: int
    version: str
    segments: tuple[str, ...]
    old: bool
    mature: bool
    labelled: bool


@dataclass
class ListCounts:
    """What clicks tell about the lists of a version and segment.

    Attributes
    ----------
    clicked : clicked ranks -> number of judged lists that were clicked at exactly these ranks.
    judged : lists to be added to those whose first-ranked item has a known label; below 0 = to be left out.
    not_judged : reason -> lists to be added to those that are not judged; below 0 = to be left out.
    """

    clicked: Counter[tuple[int, ...]] = field(default_factory=Counter)
    judged: int = 0
    not_judged: Counter[str] = field(default_factory=Counter)


Group = tuple[str, str]
"""Version and segment."""


def clicked_items(model: str, interval: Interval, settings: AgentSettings, now: datetime) -> dict[str, Any]:
    """Return the search for the clicked items of lists; a hit holds only the columns of an item."""
    clicked_impressions = [labels.impressions(settings), labels.positive()]
    return _search(model, interval, [IN_A_LIST, *clicked_impressions], settings, now)


def labelled_items(model: str, interval: Interval, settings: AgentSettings, now: datetime) -> dict[str, Any]:
    """Return the search for the items of lists that feedback has given a label; a label may have changed."""
    return _search(model, interval, [IN_A_LIST, {"exists": {"field": "feedback.label"}}], settings, now)


def first_items(
    model: str, interval: Interval, list_ids: Sequence[str], settings: AgentSettings, now: datetime
) -> dict[str, Any]:
    """Return the search for the first-ranked items of lists."""
    return _search(model, interval, [FIRST_ITEM, {"terms": {"ranking.id": list(list_ids)}}], settings, now)


def list_item(hit: Mapping[str, Any], label_values: Mapping[str, Sequence[str]]) -> ListItem:
    """Return the item of a hit.

    Parameters
    ----------
    label_values : label -> the values that have a segment of their own.
    """
    columns, marks = hit["fields"], hit.get("matched_queries", ())
    list_id, rank, version = (columns[name][0] for name in _COLUMNS)
    return ListItem(
        columns.get("event.id", [""])[0],  # documents that did not come through the pipeline may lack it
        list_id,
        int(rank),
        int(columns["@timestamp"][0]),
        version,
        tuple(dict.fromkeys(_segments_of(columns, label_values))),
        _OLD in marks,
        _MATURE in marks,
        _LABELLED in marks,
    )


def reach_of(items: Iterable[ListItem]) -> Interval:
    """Return the interval in which the first-ranked items of these items' lists can lie."""
    times = [item.at for item in items]
    return _widened(Interval(_moment(min(times)), _moment(max(times)) + MILLISECOND))


def groups_to_read(windows: Sequence[Window]) -> Iterator[tuple[list[Window], Interval]]:
    """Yield windows that are read together, with the interval in which the items of their lists can lie."""
    group: list[Window] = []
    for window in sorted(windows):
        if group and (window.start - group[-1].end > LONGEST_LIST or window.end - group[0].start > READ_TOGETHER):
            yield group, _widened(Interval(group[0].start, group[-1].end))
            group = []
        group.append(window)
    if group:
        yield group, _widened(Interval(group[0].start, group[-1].end))


def edges_to_read(windows: Iterable[Window]) -> list[Interval]:
    """Return the intervals around the edges of windows in which lists can lie partly in other windows."""
    stretches = merged(windows)
    return merged(_widened(Interval(edge, edge)) for stretch in stretches for edge in (stretch.start, stretch.end))


class FirstItems:
    """Finds the first-ranked item of an item's list.

    Several lists may have the same id. An item belongs to the first-ranked item with its list id that is nearest in
    time, at most `LONGEST_LIST` away. If two are equally near, the one of the item's version is taken, then the earlier
    one, then the one with the smaller id.
    """

    def __init__(self, firsts: Iterable[ListItem]) -> None:
        self._at: dict[str, dict[int, list[ListItem]]] = {}
        for first in firsts:
            self._at.setdefault(first.list_id, {}).setdefault(first.at, []).append(first)
        self._times = {list_id: sorted(times) for list_id, times in self._at.items()}

    def of(self, item: ListItem) -> ListItem | None:
        """Return the first-ranked item of an item's list; None if it was never logged."""
        times = self._times.get(item.list_id, [])
        place = bisect_left(times, item.at)
        near = [time for time in times[max(0, place - 1) : place + 1] if abs(time - item.at) <= _REACH]
        candidates = [first for time in near for first in self._at[item.list_id][time]]
        return min(
            candidates,
            key=lambda first: (
                abs(first.at - item.at),
                first.id != item.id,
                first.version != item.version,
                first.at,
                first.id,
            ),
            default=None,
        )


def list_counts(
    clicked: Iterable[ListItem], firsts: Iterable[ListItem], window_of: Callable[[int], Window]
) -> dict[Window, dict[Group, ListCounts]]:
    """Return what clicks tell about the lists of each window.

    Parameters
    ----------
    clicked : the clicked items that were shown, of the windows and `LONGEST_LIST` around them.
    firsts : the first-ranked items of their lists.
    window_of : returns the base window of a time in milliseconds since 1970.
    """
    owners = FirstItems(firsts)
    lists: dict[ListItem, list[ListItem]] = {}
    loose: list[ListItem] = []
    for item in clicked:
        owner = owners.of(item)
        if owner is not None:
            lists.setdefault(owner, []).append(item)
        elif item.mature:
            loose.append(item)
    counts: dict[Window, dict[Group, ListCounts]] = {}

    def of(item: ListItem) -> Iterator[ListCounts]:
        groups = counts.setdefault(window_of(item.at), {})
        for segment in item.segments:
            yield groups.setdefault((item.version, segment), ListCounts())

    for first, items in lists.items():
        if first.old:
            for group_counts in of(first):
                _add(group_counts, first, items)
    for item in _beginnings(loose):
        for group_counts in of(item):
            group_counts.not_judged[NO_FIRST_ITEM] += 1
    return counts


def with_lists(state: WindowState, lists: ListCounts) -> WindowState:
    """Return the state with what clicks tell about its lists; it counts no fewer lists than clicked ones."""
    counts, sums = clicked_request_sums(lists.clicked)
    change = {REQUESTS: lists.judged} | {NOT_JUDGED + reason: count for reason, count in lists.not_judged.items()}
    for name, count in change.items():
        least = counts[CLICKED_REQUESTS] if name == REQUESTS else 0
        # A click that came between the two searches must not make a count negative.
        counts[name] = max(count, least - state.counts.get(name, 0))
    return merge(state, WindowState(counts=counts, sums=sums))


def linked_windows(
    labelled: Iterable[ListItem],
    firsts: Sequence[ListItem],
    changed: Callable[[Window], bool],
    window_of: Callable[[int], Window],
) -> set[Window]:
    """Return the windows whose lists may be different because of a change in other windows.

    Parameters
    ----------
    labelled : items around the edges of the changed windows that feedback has given a label.
    firsts : the first-ranked items of their lists.
    changed : returns whether a window has changed: any of its items may be new or have a new label.
    """
    owners = FirstItems(firsts)
    # In the changed windows, any first-ranked item may be new: then its items belonged to others before.
    former = FirstItems(first for first in firsts if not changed(window_of(first.at)))
    linked: set[Window] = set()
    loose: dict[str, set[Window]] = {}
    touched: set[str] = set()
    for item in labelled:
        ends = [owners.of(item), former.of(item)]
        if None in ends:
            loose.setdefault(item.list_id, set()).add(window_of(item.at))
        windows = {window_of(item.at), *(window_of(end.at) for end in ends if end is not None)}
        if any(map(changed, windows)):
            linked |= windows
            touched.add(item.list_id)
    for list_id in touched:
        linked |= loose.get(list_id, set())
    return {window for window in linked if not changed(window)}


def _add(counts: ListCounts, first: ListItem, clicked: Sequence[ListItem]) -> None:
    """Add a list with clicks; the window's count knows only whether the first-ranked item is mature and labelled."""
    judged = all(item.mature for item in clicked)
    counts.judged += judged - first.labelled
    if first.mature and not first.labelled:
        counts.not_judged[UNKNOWN_LABEL] -= 1
    if judged:
        counts.clicked[tuple(sorted({item.rank for item in clicked}))] += 1
    else:
        counts.not_judged[IMMATURE_CLICK] += 1


def _beginnings(loose: Iterable[ListItem]) -> Iterator[ListItem]:
    """Yield the earliest of the items of each list that lacks its first-ranked item."""
    latest: dict[str, int] = {}
    for item in sorted(loose, key=lambda item: (item.at, item.rank, item.id)):
        if item.list_id not in latest or item.at - latest[item.list_id] > _REACH:
            yield item
        latest[item.list_id] = item.at


def _search(
    model: str, interval: Interval, filters: Sequence[Mapping[str, Any]], settings: AgentSettings, now: datetime
) -> dict[str, Any]:
    mature = labels.mature(settings, now)
    old_enough = range_filter("@timestamp", lte=now - settings.attribution_window)
    not_displayed = {"bool": {"must_not": [labels.impressions(settings)]}}
    marks = {
        _OLD: [{"bool": {"should": [old_enough, not_displayed]}}],
        _MATURE: [mature],
        _LABELLED: [mature, labels.labelled(settings)],
    }
    return {
        "query": {
            "bool": {
                "filter": [{"term": {"model.name": model}}, within(interval), COUNTABLE_BINARY, *filters],
                "should": [{"bool": {"filter": queries, "_name": name}} for name, queries in marks.items()],
            }
        },
        "_source": False,
        "stored_fields": "_none_",
        "docvalue_fields": [
            *_COLUMNS,
            "event.id",
            {"field": "@timestamp", "format": "epoch_millis"},
            *(f"labels.{label}" for label in settings.segments),
        ],
    }


def _segments_of(columns: Mapping[str, Any], label_values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield ALL_SEGMENT
    for label, values in label_values.items():
        for value in columns.get(f"labels.{label}", ()):
            yield f"labels.{label}={value if value in values else OTHER}"


def _widened(interval: Interval) -> Interval:
    return Interval(interval.start - LONGEST_LIST, interval.end + LONGEST_LIST)


def _moment(milliseconds: int) -> datetime:
    return instants.parse(milliseconds)
