"""Time as Kibana writes it: `now-24h/h`, intervals that fit a range, shifts (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from monitor_agent.errors import DataError

_MATH = re.compile(r"now((?:[+-]\d+[smhdwMy])*)(?:/([smhdwMy]))?")
_STEP = re.compile(r"([+-])(\d+)([smhdwMy])")
_SPAN = re.compile(r"(\d*)(ms|[smhdw])")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 30 * 86_400, "y": 365 * 86_400}

TARGET_BARS = 50
_NICE = (
    ("500ms", "100ms"),
    ("5s", "1s"),
    ("7s", "5s"),
    ("15s", "10s"),
    ("45s", "30s"),
    ("3m", "1m"),
    ("9m", "5m"),
    ("20m", "10m"),
    ("45m", "30m"),
    ("2h", "1h"),
    ("6h", "3h"),
    ("24h", "12h"),
    ("1w", "1d"),
    ("3w", "1w"),
    ("365d", "30d"),
)
"""Below the first, an interval is rounded to the second: as Kibana does."""


@dataclass(frozen=True)
class TimeRange:
    """From `start` to `end`, both included, as the time picker says."""

    start: datetime
    end: datetime

    def moved(self, shift: timedelta) -> TimeRange:
        """Return the range that lies `shift` earlier."""
        return TimeRange(self.start - shift, self.end - shift)

    @property
    def length(self) -> timedelta:
        """The distance of its ends."""
        return self.end - self.start


def moment(text: str, now: datetime, *, end: bool = False) -> datetime:
    """Return the moment of a date-math or ISO text, UTC.

    Parameters
    ----------
    end : round up to the last millisecond of the unit, where the text says `/d`, as the end of a range does.

    >>> moment("now-1d/d", datetime(2026, 3, 2, 10, tzinfo=timezone.utc)).isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    math = _MATH.fullmatch(text)
    if math is None:
        try:
            told = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError as error:
            raise DataError(f"{text!r} is no time", "write now-24h, or 2026-11-23T10:00:00Z") from error
        return told if told.tzinfo else told.replace(tzinfo=timezone.utc)
    found = now
    for sign, count, unit in _STEP.findall(math[1]):
        found += (1 if sign == "+" else -1) * int(count) * timedelta(seconds=_SECONDS[unit])
    if math[2]:
        found = _floor(found, math[2])
        if end:
            found = _floor(found + timedelta(seconds=_SECONDS[math[2]] * 1.1), math[2]) - timedelta(milliseconds=1)
    return found


def time_range(start: str, end: str, now: datetime) -> TimeRange:
    """Return the range of two texts; DataError where it ends before it starts."""
    found = TimeRange(moment(start, now), moment(end, now, end=True))
    if found.end < found.start:
        raise DataError(f"the time range {start} to {end} ends before it starts")
    return found


def span(text: str) -> timedelta:
    """Return the length of an interval such as `1h`; DataError where it has no fixed one.

    >>> span("7d").days
    7
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise DataError(f"the interval {text!r} has no fixed length", "use s, m, h, d or w")
    return int(found[1] or 1) * timedelta(seconds=_SECONDS[found[2]])


def interval(wanted: str, shown: TimeRange) -> str:
    """Return a fixed interval for a date histogram: as wanted, or for `auto` a round one that gives about 50 bars.

    >>> day = TimeRange(datetime(2026, 3, 2, tzinfo=timezone.utc), datetime(2026, 3, 3, tzinfo=timezone.utc))
    >>> interval("auto", day)
    '30m'
    """
    if wanted != "auto":
        return wanted if wanted[0].isdigit() else f"1{wanted}"
    bar = shown.length / TARGET_BARS
    return next((nice for limit, nice in _NICE if bar < span(limit)), "365d")


def _floor(found: datetime, unit: str) -> datetime:
    if unit in "yM":
        return found.replace(month=1 if unit == "y" else found.month, day=1, hour=0, minute=0, second=0, microsecond=0)
    start = found.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "w":
        return start - timedelta(days=start.weekday())
    step = timedelta(seconds=_SECONDS[unit])
    return start + (found - start) // step * step
