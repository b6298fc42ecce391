"""Which lines of a writer never arrived: a writer numbers its lines, so missing numbers are missing lines (pure)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import Interval

BUCKETS = 256
"""Number of buckets that a gap is divided into to find the missing lines."""
MOST_GAPS = 32
"""Gaps that are remembered of a writer; further gaps are joined."""


@dataclass(frozen=True)
class Gap:
    """Lines of a writer of which some are missing.

    Attributes
    ----------
    first, last : the first and the last line of the gap.
    missing : how many of its lines have not arrived.
    since : when the gap was noticed.
    neighbour_times : times of the lines right before and after the gap; empty if they have not been searched yet.
    """

    first: int
    last: int
    missing: int
    since: datetime
    neighbour_times: tuple[datetime, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether all lines of the gap are missing."""
        return self.missing == self.last - self.first + 1

    @property
    def bucket_size(self) -> int:
        """The number of lines of a bucket that the gap is divided into."""
        return -(-(self.last - self.first + 1) // BUCKETS)

    def is_lost(self, now: datetime, grace: timedelta) -> bool:
        """Return whether the gap has been open for longer than the grace."""
        return now - self.since > grace


@dataclass(frozen=True)
class Writer:
    """Which lines of a writer have arrived.

    Attributes
    ----------
    upto : all lines up to this one have arrived, except those in the gaps.
    active_at : when lines of the writer arrived last.
    gaps : gaps among the lines.
    """

    upto: int
    active_at: datetime
    gaps: tuple[Gap, ...] = field(default=())

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Writer:
        """Return the writer that `content` wrote."""
        gaps = tuple(
            Gap(int(first), int(last), int(missing), instants.parse(since), tuple(map(instants.parse, neighbour_times)))
            for first, last, missing, since, neighbour_times in content["gaps"]
        )
        return cls(int(content["upto"]), instants.parse(content["seen"]), gaps)

    def content(self) -> dict[str, Any]:
        """Return the content of the state document."""
        gaps = [
            [gap.first, gap.last, gap.missing, instants.text(gap.since), list(map(instants.text, gap.neighbour_times))]
            for gap in self.gaps
        ]
        return {"upto": self.upto, "seen": instants.text(self.active_at), "gaps": gaps}

    def uncounted_ranges(self, newest: int) -> list[tuple[int, int]]:
        """Return the ranges of lines to count, first and last line of each: the gaps, and new lines up to `newest`."""
        new = [(self.upto + 1, newest)] if newest > self.upto else []
        return [(gap.first, gap.last) for gap in self.gaps] + new


def remembered_writers(content: Mapping[str, Any]) -> dict[str, Writer]:
    """Return the writers that are remembered; one that cannot be read is left out: its lines are counted anew.

    >>> list(remembered_writers({"a": {"upto": 3, "seen": "2026-11-23T10:00:00Z", "gaps": []}, "b": {"upto": "x"}}))
    ['a']
    """
    writers = {}
    for name, stored in content.items():
        with contextlib.suppress(AttributeError, KeyError, OverflowError, TypeError, ValueError):
            writers[name] = Writer.from_content(stored)
    return writers


def with_counts(writer: Writer, newest: int, counts: Sequence[int], now: datetime) -> Writer:
    """Return a writer after its lines were counted; a gap whose lines have all arrived is closed.

    Parameters
    ----------
    counts : numbers of lines that arrived in each of `uncounted_ranges`.

    >>> from datetime import timezone
    >>> now = datetime(2026, 11, 23, tzinfo=timezone.utc)
    >>> [(gap.first, gap.last, gap.missing) for gap in with_counts(Writer(10, now), 20, [9], now).gaps]
    [(11, 20, 1)]
    """
    ranges = list(writer.gaps)
    if newest > writer.upto:
        ranges.append(Gap(writer.upto + 1, newest, 0, now))
    gaps = [replace(gap, missing=gap.last - gap.first + 1 - count) for gap, count in zip(ranges, counts, strict=True)]
    return Writer(max(writer.upto, newest), now, tuple(gap for gap in gaps if gap.missing > 0))


def narrowed(gap: Gap, buckets: Mapping[int, int]) -> list[Gap]:
    """Return the smaller gaps in which lines of a gap are missing; neighbours are joined.

    Parameters
    ----------
    buckets : number of lines that arrived, by the first line of their bucket; buckets are `gap.bucket_size` long.
    """
    pieces = [
        Gap(first, min(first + gap.bucket_size - 1, gap.last), 0, gap.since)
        for first in range(gap.first, gap.last + 1, gap.bucket_size)
    ]
    counted = [replace(piece, missing=piece.last - piece.first + 1 - buckets.get(piece.first, 0)) for piece in pieces]
    return list(_joined(piece for piece in counted if piece.missing > 0))


def bounded(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Return at most `MOST_GAPS` gaps: if there are more, those closest to each other are joined."""
    remaining = sorted(gaps, key=lambda gap: gap.first)
    while len(remaining) > MOST_GAPS:
        index = min(range(len(remaining) - 1), key=lambda at: remaining[at + 1].first - remaining[at].last)
        left, right = remaining[index], remaining[index + 1]
        joined = Gap(left.first, right.last, left.missing + right.missing, min(left.since, right.since))
        remaining[index : index + 2] = [joined]
    return tuple(remaining)


@dataclass(frozen=True)
class LineLoss:
    """Lost lines, and the times between which they were written.

    Attributes
    ----------
    start, end : times of the lines right before and after them.
    lines : how many are lost.
    """

    start: datetime
    end: datetime
    lines: int


def line_losses(writers: Iterable[Writer], now: datetime, grace: timedelta) -> list[LineLoss]:
    """Return the losses of the writers, as far as the times of their neighbours are known."""
    return [
        LineLoss(min(gap.neighbour_times), max(gap.neighbour_times), gap.missing)
        for writer in writers
        for gap in writer.gaps
        if gap.neighbour_times and gap.is_lost(now, grace)
    ]


def lost_lines_in(interval: Interval, losses: Iterable[LineLoss]) -> int:
    """Return how many lost lines may belong to an interval."""
    return sum(loss.lines for loss in losses if loss.start < interval.end and interval.start <= loss.end)


def _joined(gaps: Iterable[Gap]) -> Iterator[Gap]:
    open_gap: Gap | None = None
    for gap in gaps:
        if open_gap is not None and open_gap.last + 1 == gap.first and open_gap.exact and gap.exact:
            open_gap = replace(open_gap, last=gap.last, missing=open_gap.missing + gap.missing)
            continue
        if open_gap is not None:
            yield open_gap
        open_gap = gap
    if open_gap is not None:
        yield open_gap
