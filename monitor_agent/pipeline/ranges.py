"""The windows that a range of time is made of: the largest windows that fit, smaller windows at its ends (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor_agent.errors import SettingsError
from monitor_agent.pipeline.instants import MICROSECOND, Interval
from monitor_agent.pipeline.windows import Calendar


@dataclass(frozen=True)
class WindowRun(Interval):
    """Consecutive windows of one size: the first window begins at `start`, the last window ends at `end`."""

    size: str


def whole_windows(calendar: Calendar, start: datetime, end: datetime) -> Interval:
    """Return [start, end) widened to whole base windows.

    Raises
    ------
    SettingsError
        If the range is empty.
    """
    if start >= end:
        raise SettingsError("--from is not before --to", "give a range such as --from 2026-11-01 --to 2026-11-08")
    return Interval(calendar.base_window(start).start, calendar.base_window(end - MICROSECOND).end)


def cover(calendar: Calendar, interval: Interval) -> list[WindowRun]:
    """Return the runs of windows that an interval is made of, in order, without a gap or an overlap.

    Parameters
    ----------
    interval : whole base windows, as `whole_windows` returns them.

    The number of windows grows with the number of sizes and of the largest windows, not with that of the base windows.
    """
    return _cover(calendar, calendar.names, interval.start, interval.end)


def _cover(calendar: Calendar, sizes: Sequence[str], start: datetime, end: datetime) -> list[WindowRun]:
    if start >= end:
        return []
    *smaller, size = sizes
    first_window = calendar.window(size, start)
    first = start if first_window.start == start else first_window.end
    last = calendar.window(size, end).start
    if not smaller:
        return [WindowRun(start, end, size)]
    if first >= last:
        return _cover(calendar, smaller, start, end)
    return [
        *_cover(calendar, smaller, start, first),
        WindowRun(first, last, size),
        *_cover(calendar, smaller, last, end),
    ]
