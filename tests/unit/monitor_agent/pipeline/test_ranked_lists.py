"""Ranked lists over the edges of windows, compared with a search of all items of all lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.metrics import WindowState, measure
from monitor_agent.metrics.ranking import NOT_JUDGED, REQUESTS
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.ranked_lists import (
    LONGEST_LIST,
    ListItem,
    edges_to_read,
    groups_to_read,
    linked_windows,
    list_counts,
    reach_of,
    with_lists,
)
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 2, 23, tzinfo=timezone.utc)
CALENDAR = Calendar(AgentSettings())


class Logged(NamedTuple):
    """A logged item: its list, and whether its label is 1, 0 or unknown, and whether it was shown and is old."""

    id: int
    list_id: str
    rank: int
    at: datetime
    version: str = "1"
    label: int | None = 0
    was_displayed: bool = True
    old: bool = True

    def item(self) -> ListItem:
        """Return the item as a search returns it."""
        at = instants.milliseconds(self.at)
        mature = self.was_displayed and self.old
        labelled = mature and self.label is not None
        names = ("all",)
        return ListItem(f"{self.id:03}", self.list_id, self.rank, at, self.version, names, self.old, mature, labelled)


def window_of(milliseconds: int) -> Window:
    """Return the minute of a time."""
    return CALENDAR.base_window(instants.parse(milliseconds))


def minute_of(logged: Logged) -> Window:
    """Return the minute of an item."""
    return CALENDAR.base_window(logged.at)


def state_of(world: Sequence[Logged], window: Window, version: str) -> WindowState:
    """Return the state of a minute and version: counted first items, and what clicks tell, as the agent does it."""
    firsts = [row.item() for row in world if row.rank == 1 and minute_of(row) == window and row.version == version]
    labelled = sum(first.labelled for first in firsts)
    unknown = sum(first.mature for first in firsts) - labelled
    state = WindowState(tn=1, counts={REQUESTS: labelled, f"{NOT_JUDGED}unknown_label": unknown})
    ((_, interval),) = groups_to_read([window])
    clicked = [
        row.item() for row in world if row.label == 1 and row.was_displayed and interval.start <= row.at < interval.end
    ]
    if clicked:
        reach, list_ids = reach_of(clicked), {item.list_id for item in clicked}
        near = [row.item() for row in world if row.rank == 1 and reach.start <= row.at < reach.end]
        lists_by_window = list_counts(clicked, [first for first in near if first.list_id in list_ids], window_of)
        lists = lists_by_window.get(window, {}).get((version, "all"))
        state = with_lists(state, lists) if lists else state
    return state


def brute_force(world: Sequence[Logged]) -> dict[tuple[Window, str], Counter[object]]:
    """Return the lists of each minute and version: clicked ranks of judged lists, or why a list is not judged."""
    members: dict[int, list[Logged]] = {row.id: [] for row in world if row.rank == 1}
    loose: list[Logged] = []
    for row in world:
        firsts = [
            first
            for first in world
            if first.rank == 1 and first.list_id == row.list_id and abs(first.at - row.at) <= LONGEST_LIST
        ]
        firsts.sort(
            key=lambda first: (
                abs(first.at - row.at),
                first.id != row.id,
                first.version != row.version,
                first.at,
                first.id,
            )
        )
        (members[firsts[0].id] if firsts else loose).append(row)
    lists: dict[tuple[Window, str], Counter[object]] = {}
    for first in world:
        if first.rank != 1 or not first.old:
            continue
        clicks = [row for row in members[first.id] if row.label == 1 and row.was_displayed]
        kind: object = None
        if clicks:
            kind = tuple(sorted({row.rank for row in clicks})) if all(row.old for row in clicks) else "immature_click"
        elif first.was_displayed:
            kind = () if first.label is not None else "unknown_label"
        if kind is not None:
            lists.setdefault((minute_of(first), first.version), Counter())[kind] += 1
    clicks = sorted(
        (row for row in loose if row.label == 1 and row.was_displayed and row.old), key=lambda row: row[3:4] + row[2:3]
    )
    for number, row in enumerate(clicks):
        if not any(c.list_id == row.list_id and row.at - c.at <= LONGEST_LIST for c in clicks[:number]):
            lists.setdefault((minute_of(row), row.version), Counter())["no_first_item"] += 1
    return lists


def counts_of(lists: Counter[object]) -> dict[str, int]:
    """Return the counts that a state must hold for these lists."""
    judged = {kind: count for kind, count in lists.items() if isinstance(kind, tuple)}
    counts = {
        "ranked_requests": sum(judged.values()),
        "clicked_requests": sum(count for kind, count in judged.items() if kind),
        **{f"{NOT_JUDGED}{kind}": count for kind, count in lists.items() if isinstance(kind, str)},
    }
    return {name: count for name, count in counts.items() if count}


times = st.integers(0, 40).map(lambda number: START + number * 3 * MINUTE)
rows = st.builds(
    Logged,
    id=st.integers(0, 999),
    list_id=st.sampled_from(["a", "a", "b"]),
    rank=st.sampled_from([1, 1, 2, 3, 4]),
    at=times,
    version=st.sampled_from(["1", "2"]),
    label=st.sampled_from([1, 1, 0, None]),
    was_displayed=st.sampled_from([True, True, True, False]),
    old=st.sampled_from([True, True, True, False]),
)
worlds = st.lists(rows, max_size=14, unique_by=lambda row: row.id)


@hypothesis.given(world=worlds)
@hypothesis.settings(max_examples=100, deadline=None)
def test_each_list_is_counted_once(world: list[Logged]) -> None:
    """Every list is judged whole in one window and version, or counted there as not judged."""
    expected = brute_force(world)
    keys = {(minute_of(row), row.version) for row in world}
    assert expected.keys() <= keys

    for window, version in keys:
        lists = expected.get((window, version), Counter())
        state = state_of(world, window, version)
        assert {name: count for name, count in state.counts.items() if count} == counts_of(lists), (window, version)
        ranks = [kind for kind in lists.elements() if isinstance(kind, tuple) and kind]
        if ranks:
            mean = sum(1 / min(kind) for kind in ranks) / len(ranks)
            assert measure(state)["mrr"] == pytest.approx(mean, rel=1e-12)


@hypothesis.given(before=worlds, more=worlds, labels=st.lists(st.sampled_from([1, 0, None]), min_size=14, max_size=14))
@hypothesis.settings(max_examples=100, deadline=None)
def test_windows_that_change_are_linked_with_windows_that_have_changed(
    before: list[Logged], more: list[Logged], labels: list[int | None]
) -> None:
    """New items and new labels may change lists of other windows; no window that becomes different is missed."""
    # A label never becomes unknown again.
    labelled = [row._replace(label=row.label if new is None else new) for row, new in zip(before, labels, strict=False)]
    before_ids = {row.id for row in before}
    after = [*labelled, *(row for row in more if row.id not in before_ids)]
    changed = {minute_of(row) for row in {*before} ^ {*after}}

    with_label = [
        row.item()
        for row in after
        if row.label is not None and any(edge.start <= row.at < edge.end for edge in edges_to_read(changed))
    ]
    reach = reach_of(with_label) if with_label else None
    firsts = [row.item() for row in after if row.rank == 1 and reach and reach.start <= row.at < reach.end]
    linked = linked_windows(with_label, firsts, changed.__contains__, window_of)

    old, new = brute_force(before), brute_force(after)
    different = {
        window
        for window, version in old.keys() | new.keys()
        if old.get((window, version)) != new.get((window, version))
    }
    assert different - changed <= linked
    assert not linked & changed


def test_windows_far_from_each_other_are_read_by_searches_of_their_own() -> None:
    """Neighbours are read together, up to two hours; each search reaches half an hour further on both sides."""
    minutes = [CALENDAR.base_window(START + number * MINUTE) for number in (0, 1, 31, 100, 300)]

    groups = [([window.start for window in group], interval) for group, interval in groups_to_read(minutes)]

    assert [[int((start - START) / MINUTE) for start in starts] for starts, _ in groups] == [[0, 1, 31], [100], [300]]
    assert [interval.seconds / 60 for _, interval in groups] == [32 + 60, 61, 61]


def test_only_the_edges_of_windows_are_read_for_links() -> None:
    """Windows side by side have one edge at each end; edges near each other are read together."""
    day = [CALENDAR.base_window(START + number * MINUTE) for number in range(24 * 60)]

    assert [edge.seconds / 60 for edge in edges_to_read(day)] == [60, 60]
    assert [edge.seconds / 60 for edge in edges_to_read(day[:5])] == [65]
    assert edges_to_read([]) == []
