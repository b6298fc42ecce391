"""Gaps in writers' sequences: found where they are, closed when the lines arrive."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor_agent.pipeline.sequences import (
    MOST_GAPS,
    Gap,
    Writer,
    bounded,
    counted,
    located,
    losses,
    lost,
    lost_in,
)

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=timezone.utc)
LATER = NOW + timedelta(minutes=5)


def counts(writer: Writer, newest: int, arrived: set[int]) -> list[int]:
    """Return what Elasticsearch would count."""
    return [sum(first <= line <= last for line in arrived) for first, last in writer.stretches(newest)]


def narrowed(gap: Gap, arrived: set[int]) -> list[Gap]:
    """Return the gap cut to the missing lines, as the check does with Elasticsearch."""
    found = [gap]
    while any(not each.exact for each in found):
        rough = next(each for each in found if not each.exact)
        buckets: dict[int, int] = {}
        for line in arrived:
            if rough.first <= line <= rough.last:
                first = line - (line - rough.first) % rough.step
                buckets[first] = buckets.get(first, 0) + 1
        found.remove(rough)
        found += located(rough, buckets)
    return found


@settings(derandomize=True, max_examples=100, deadline=None)
@given(missing=st.sets(st.integers(1, 2000), max_size=20))
def test_the_missing_lines_are_found_and_no_others(missing: set[int]) -> None:
    """Of 2000 lines exactly those that did not arrive are told, whichever they are."""
    arrived = set(range(1, 2001)) - missing
    writer = counted(Writer(0, NOW), max(arrived), counts(Writer(0, NOW), max(arrived), arrived), NOW)

    gaps = [part for gap in writer.gaps for part in narrowed(gap, arrived)]

    told = {line for gap in gaps for line in range(gap.first, gap.last + 1)}
    assert told == {line for line in missing if line < max(arrived)}


def test_a_gap_closes_when_its_lines_arrive() -> None:
    """Late lines are counted in the gap, never again in what was counted before."""
    arrived = set(range(1, 101)) - {40, 41}
    writer = counted(Writer(0, NOW), 100, counts(Writer(0, NOW), 100, arrived), NOW)
    assert [gap.missing for gap in writer.gaps] == [2]

    later = counted(writer, 100, counts(writer, 100, arrived | {40, 41}), LATER)

    assert later.gaps == ()
    assert later.upto == 100
    assert later.stretches(110) == [(101, 110)]


def test_a_gap_is_lost_only_after_the_grace() -> None:
    """It keeps the time when it was noticed, however often it is counted."""
    arrived = {1, 3}
    writer = counted(Writer(0, NOW), 3, counts(Writer(0, NOW), 3, arrived), NOW)
    again = counted(writer, 3, counts(writer, 3, arrived), LATER)

    assert lost(again.gaps, NOW + timedelta(minutes=1), timedelta(minutes=2)) == []
    assert [gap.missing for gap in lost(again.gaps, LATER, timedelta(minutes=2))] == [1]


def test_lost_lines_belong_to_the_windows_between_their_neighbours() -> None:
    """Every window that the gap may lie in tells of all its lines; others, and gaps without a place, of none."""
    known = Writer(9, NOW, (Gap(4, 6, 3, NOW, (NOW + timedelta(seconds=50), NOW + timedelta(seconds=70))),))
    unplaced = Writer(9, NOW, (Gap(4, 6, 3, NOW),))
    minutes = [NOW + timedelta(minutes=number) for number in range(4)]

    found = losses([known, unplaced], LATER, timedelta(minutes=2))

    told = [lost_in(start, end, found) for start, end in pairwise(minutes)]
    assert told == [3, 3, 0]
    assert losses([known], NOW, timedelta(minutes=2)) == []


def test_what_is_remembered_of_a_writer_is_bounded() -> None:
    """Very many gaps are told as few wider ones that miss as many lines."""
    gaps = [Gap(line, line, 1, NOW) for line in range(1, 400, 2)]

    kept = bounded(gaps)

    assert len(kept) == MOST_GAPS
    assert sum(gap.missing for gap in kept) == len(gaps)
    placed = (*kept[1:], Gap(1, 2, 2, NOW, (NOW, LATER)))
    assert Writer.from_content(Writer(9, NOW, placed).content()) == Writer(9, NOW, placed)
