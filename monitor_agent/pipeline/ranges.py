"""What a range of time is made of: the largest windows that fit into it, smaller ones at its ends (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor_agent.errors import SettingsError
from monitor_agent.pipeline.windows import Calendar

INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class WindowRun:
    """Windows of one size, one after the other: the first begins at `start`, the last ends at `end`."""

    size: str
    start: datetime
    end: datetime


def widened(calendar: Calendar, start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Return [start, end) widened to whole base windows; SettingsError where the range is empty."""
    if start >= end:
        raise SettingsError("--from is not before --to", "give a range such as --from 2026-11-01 --to 2026-11-08")
    return calendar.base_window(start).start, calendar.base_window(end - INSTANT).end


def cover(calendar: Calendar, start: datetime, end: datetime) -> list[WindowRun]:
    """Return the runs of windows that [start, end) is made of, in order, without a gap or an overlap.

    Parameters
    ----------
    start, end : bounds of base windows, as `widened` returns them.

    The number of windows follows the number of sizes and the count of the largest ones, not the count of base windows.
    """
    return _cover(calendar, calendar.names, start, end)


def _cover(calendar: Calendar, sizes: Sequence[str], start: datetime, end: datetime) -> list[WindowRun]:
    if start >= end:
        return []
    *smaller, size = sizes
    holding = calendar.window(size, start)
    first = start if holding.start == start else holding.end
    last = calendar.window(size, end).start
    if not smaller:
        return [WindowRun(size, start, end)]
    if first >= last:
        return _cover(calendar, smaller, start, end)
    return [
        *_cover(calendar, smaller, start, first),
        WindowRun(size, first, last),
        *_cover(calendar, smaller, last, end),
    ]
