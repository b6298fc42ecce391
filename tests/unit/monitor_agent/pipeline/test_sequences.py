"""Gaps in the sequence numbers of writers: narrowed to the missing lines, closed when the lines arrive."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import hypothesis
from hypothesis import strategies as st

from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.sequences import (
    MOST_GAPS,
    Gap,
    Writer,
    bounded,
    line_losses,
    lost_lines_in,
    narrowed,
    with_counts,
)

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=timezone.utc)
LATER = NOW + timedelta(minutes=5)


def counts(writer: Writer, newest: int, arrived: set[int]) -> list[int]:
    """Return what Elasticsearch would count."""
    return [sum(first <= line <= last for line in arrived) for first, last in writer.uncounted_ranges(newest)]


def exact_gaps(gap: Gap, arrived: set[int]) -> list[Gap]:
    """Return a gap narrowed to the missing lines, as the check does with Elasticsearch."""
    gaps = [gap]
    while any(not narrow.exact for narrow in gaps):
        rough = next(wide for wide in gaps if not wide.exact)
        buckets: dict[int, int] = {}
        for line in arrived:
            if rough.first <= line <= rough.last:
                first = line - (line - rough.first) % rough.bucket_size
                buckets[first] = buckets.get(first, 0) + 1
        gaps.remove(rough)
        gaps += narrowed(rough, buckets)
    return gaps


@hypothesis.settings(derandomize=True, max_examples=100, deadline=None)
@hypothesis.given(missing=st.sets(st.integers(1, 2000), max_size=20))
def test_exactly_the_missing_lines_are_in_gaps(missing: set[int]) -> None:
    """Of 2000 lines, the gaps contain those that did not arrive, and no others."""
    arrived = set(range(1, 2001)) - missing
    writer = with_counts(Writer(0, NOW), max(arrived), counts(Writer(0, NOW), max(arrived), arrived), NOW)

    gaps = [narrow for gap in writer.gaps for narrow in exact_gaps(gap, arrived)]

    lines = {line for gap in gaps for line in range(gap.first, gap.last + 1)}
    assert lines == {line for line in missing if line < max(arrived)}


def test_a_gap_closes_when_its_lines_arrive() -> None:
    """Late lines are counted in the gap; lines that were counted before are not counted again."""
    arrived = set(range(1, 101)) - {40, 41}
    writer = with_counts(Writer(0, NOW), 100, counts(Writer(0, NOW), 100, arrived), NOW)
    assert [gap.missing for gap in writer.gaps] == [2]

    later = with_counts(writer, 100, counts(writer, 100, arrived | {40, 41}), LATER)

    assert later.gaps == ()
    assert later.upto == 100
    assert later.uncounted_ranges(110) == [(101, 110)]


def test_a_gap_is_lost_only_after_the_grace() -> None:
    """A gap has the time when it was noticed, however often it is counted."""
    arrived = {1, 3}
    writer = with_counts(Writer(0, NOW), 3, counts(Writer(0, NOW), 3, arrived), NOW)
    (gap,) = with_counts(writer, 3, counts(writer, 3, arrived), LATER).gaps

    assert gap.missing == 1
    assert not gap.is_lost(NOW + timedelta(minutes=1), timedelta(minutes=2))
    assert gap.is_lost(LATER, timedelta(minutes=2))


def test_lost_lines_belong_to_the_windows_between_their_neighbours() -> None:
    """Every window that the gap may lie in counts all its lines; a gap without neighbour times counts nowhere."""
    neighbour_times = (NOW + timedelta(seconds=50), NOW + timedelta(seconds=70))
    writer = Writer(9, NOW, (Gap(4, 6, 3, NOW, neighbour_times),))
    without_times = Writer(9, NOW, (Gap(4, 6, 3, NOW),))
    minutes = [NOW + timedelta(minutes=number) for number in range(4)]

    losses = line_losses([writer, without_times], LATER, timedelta(minutes=2))

    assert [lost_lines_in(Interval(start, end), losses) for start, end in pairwise(minutes)] == [3, 3, 0]
    assert line_losses([writer], NOW, timedelta(minutes=2)) == []


def test_the_remembered_gaps_of_a_writer_are_bounded() -> None:
    """Very many gaps become few wider gaps that lack as many lines."""
    gaps = [Gap(line, line, 1, NOW) for line in range(1, 400, 2)]

    few = bounded(gaps)

    assert len(few) == MOST_GAPS
    assert sum(gap.missing for gap in few) == len(gaps)
    with_times = (*few[1:], Gap(1, 2, 2, NOW, (NOW, LATER)))
    assert Writer.from_content(Writer(9, NOW, with_times).content()) == Writer(9, NOW, with_times)
