"""Which lines of a writer never arrived: its sequence has no gaps, so that a gap is what was lost on the way (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.pipeline import instants

BUCKETS = 256
"""Into how many parts a gap is cut to find where in it the missing lines are."""
MOST_GAPS = 32
"""Gaps that are remembered of a writer; more are taken together."""


@dataclass(frozen=True)
class Gap:
    """A stretch of a sequence, both ends in it, of which `missing` lines have not arrived; noticed at `since`.

    `around` are the times of the lines right before and after it; empty while they have not been looked for.
    """

    first: int
    last: int
    missing: int
    since: datetime
    around: tuple[datetime, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether every line of the stretch is missing."""
        return self.missing == self.last - self.first + 1

    @property
    def step(self) -> int:
        """The length of the parts that it is cut into."""
        return -(-(self.last - self.first + 1) // BUCKETS)


@dataclass(frozen=True)
class Writer:
    """What is known of a writer: up to `upto` every line has arrived but those of the gaps; `seen` when lines came."""

    upto: int
    seen: datetime
    gaps: tuple[Gap, ...] = field(default=())

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Writer:
        """Return a writer as it is remembered."""
        gaps = tuple(
            Gap(first, last, missing, instants.parse(since), tuple(map(instants.parse, around)))
            for first, last, missing, since, around in content["gaps"]
        )
        return cls(content["upto"], instants.parse(content["seen"]), gaps)

    def content(self) -> dict[str, Any]:
        """Return what is remembered of it."""
        gaps = [
            [gap.first, gap.last, gap.missing, instants.text(gap.since), list(map(instants.text, gap.around))]
            for gap in self.gaps
        ]
        return {"upto": self.upto, "seen": instants.text(self.seen), "gaps": gaps}

    def stretches(self, newest: int) -> list[tuple[int, int]]:
        """Return the stretches to be counted: each gap, and what is new up to the line `newest`."""
        new = [(self.upto + 1, newest)] if newest > self.upto else []
        return [(gap.first, gap.last) for gap in self.gaps] + new


def counted(writer: Writer, newest: int, counts: Sequence[int], now: datetime) -> Writer:
    """Return a writer after its stretches were counted; a gap whose lines have all arrived is closed.

    >>> from datetime import timezone
    >>> now = datetime(2026, 11, 23, tzinfo=timezone.utc)
    >>> [(gap.first, gap.last, gap.missing) for gap in counted(Writer(10, now), 20, [9], now).gaps]
    [(11, 20, 1)]
    """
    asked = list(writer.gaps)
    if newest > writer.upto:
        asked.append(Gap(writer.upto + 1, newest, 0, now))
    gaps = [replace(gap, missing=gap.last - gap.first + 1 - count) for gap, count in zip(asked, counts, strict=True)]
    return Writer(max(writer.upto, newest), now, tuple(gap for gap in gaps if gap.missing > 0))


def located(gap: Gap, buckets: Mapping[int, int]) -> list[Gap]:
    """Return the parts of a gap in which lines are missing, neighbours taken together.

    Parameters
    ----------
    buckets : lines that arrived, by the first number of their part; parts are `gap.step` long.
    """
    parts = [
        Gap(first, min(first + gap.step - 1, gap.last), 0, gap.since)
        for first in range(gap.first, gap.last + 1, gap.step)
    ]
    short = [replace(part, missing=part.last - part.first + 1 - buckets.get(part.first, 0)) for part in parts]
    return list(_joined(part for part in short if part.missing > 0))


def bounded(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Return at most `MOST_GAPS` gaps: beyond that the closest to each other are taken together."""
    found = sorted(gaps, key=lambda gap: gap.first)
    while len(found) > MOST_GAPS:
        place = min(range(len(found) - 1), key=lambda at: found[at + 1].first - found[at].last)
        left, right = found[place], found[place + 1]
        both = Gap(left.first, right.last, left.missing + right.missing, min(left.since, right.since))
        found[place : place + 2] = [both]
    return tuple(found)


@dataclass(frozen=True)
class Loss:
    """Lines that are lost, and between which times they were written."""

    start: datetime
    end: datetime
    lines: int


def losses(writers: Iterable[Writer], now: datetime, grace: timedelta) -> list[Loss]:
    """Return the gaps that are lost and whose times are known."""
    return [
        Loss(min(gap.around), max(gap.around), gap.missing)
        for writer in writers
        for gap in lost(writer.gaps, now, grace)
        if gap.around
    ]


def lost_in(start: datetime, end: datetime, found: Iterable[Loss]) -> int:
    """Return how many lost lines may belong to the window [start, end)."""
    return sum(loss.lines for loss in found if loss.start < end and start <= loss.end)


def lost(gaps: Iterable[Gap], now: datetime, grace: timedelta) -> list[Gap]:
    """Return the gaps that have been open for longer than the grace."""
    return [gap for gap in gaps if now - gap.since > grace]


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
