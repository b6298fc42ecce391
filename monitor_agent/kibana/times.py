"""Time as Kibana writes it: `now-24h/h`, intervals that fit a range, shifts (pure)."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor_agent.durations import parse_duration
from monitor_agent.errors import DataError
from monitor_agent.pipeline import instants

_MATH = re.compile(r"((?:[+-]\d+[smhdwMy])*)(?:/([smhdwMy]))?")
_STEP = re.compile(r"([+-]\d+)([smhdwMy])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MONTHS = {"M": 1, "y": 12}

TARGET_BARS = 50
MOST_POINTS = 2000
"""More bars, or points of all lines together, are grouped: nobody can see them, and browsers stop to respond."""
LONGEST_BAR = "365d"
YEARS = range(1970, 3000)
"""The years that a range may touch: events have no others, and charts would have too many bars."""
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

FORMS = "an ISO 8601 time such as 2026-11-25T10:00Z, or date math such as now-24h, now-7d/d or 2026-11-25||+1d"
"""The forms of a time that people write, for messages and help texts."""


@dataclass(frozen=True)
class TimeRange:
    """A range of time from `start` to `end`, both included, as in Kibana's time picker."""

    start: datetime
    end: datetime

    def moved(self, shift: timedelta) -> TimeRange:
        """Return the range that lies `shift` earlier."""
        return TimeRange(self.start - shift, self.end - shift)

    @property
    def length(self) -> timedelta:
        """The time between its ends."""
        return self.end - self.start


def moment(text: str, now: datetime, *, end: bool = False) -> datetime:
    """Return the moment (UTC) of a text: ISO 8601, or date math that starts at `now` or at an ISO time and `||`.

    Parameters
    ----------
    end : whether the text is the end of a range: a text with a unit such as `/d` then means the last millisecond of
        the unit.

    Raises
    ------
    DataError
        If the text is no time.

    >>> now = instants.parse("2026-03-02T10:00Z")
    >>> moment("now-1d/d", now).isoformat(), moment("2026-01-31||+1M", now).isoformat()
    ('2026-03-01T00:00:00+00:00', '2026-02-28T00:00:00+00:00')
    """
    anchor, math = ("now", text[3:]) if text.startswith("now") else text.split("||", 1) if "||" in text else (text, "")
    expression = _MATH.fullmatch(math)
    try:
        if expression is None:
            raise ValueError(math)
        time = now if anchor == "now" else instants.parse(anchor)
        for count, unit in _STEP.findall(expression[1]):
            time = _later(time, int(count), unit)
        if expression[2]:
            time = _floor(time, expression[2])
            time = _later(time, 1, expression[2]) - timedelta(milliseconds=1) if end else time
    except (ValueError, OverflowError) as error:
        raise DataError(f"{text!r} is no time", f"write {FORMS}") from error
    return time


def check_year(text: str, at: datetime) -> None:
    """Refuse a moment in whose years there are no events.

    Raises
    ------
    DataError
        If it lies outside of `YEARS`.
    """
    if at.year not in YEARS:
        raise DataError(f"{text!r} lies in the year {at.year}", f"choose years from {YEARS[0]} to {YEARS[-1]}")


def time_range(start: str, end: str, now: datetime) -> TimeRange:
    """Return the range of two texts.

    Raises
    ------
    DataError
        If a text is no time, or the range ends before it starts, or lies outside the years of events.
    """
    time = TimeRange(moment(start, now), moment(end, now, end=True))
    for text, at in ((start, time.start), (end, time.end)):
        check_year(text, at)
    if time.end < time.start:
        raise DataError(f"the time range {start} to {end} ends before it starts")
    return time


def interval(stored: str, time: TimeRange, series: int = 1) -> str:
    """Return a fixed interval for a date histogram: the stored one, or for `auto` a round one with about 50 bars.

    A stored one that would give more than `MOST_POINTS` points is rounded up, but not to fewer than 50 bars.

    Parameters
    ----------
    series : how many values each bar has at most.

    Raises
    ------
    DataError
        If the stored interval is no fixed length of time.

    >>> day = TimeRange(instants.parse("2026-03-02"), instants.parse("2026-03-03"))
    >>> interval("auto", day), interval("1m", day), interval("1s", day)
    ('30m', '1m', '1m')
    """
    if stored == "auto":
        length = time.length / TARGET_BARS
        return next((nice for limit, nice in _NICE if length < parse_duration(limit)), LONGEST_BAR)
    bar = stored if stored[0].isdigit() else f"1{stored}"
    least = time.length / max(TARGET_BARS, MOST_POINTS // max(1, series))
    if parse_duration(bar) >= least:
        return bar
    return next((nice for _, nice in _NICE if parse_duration(nice) >= least), LONGEST_BAR)


def _later(time: datetime, count: int, unit: str) -> datetime:
    """Return the moment `count` units later; a month or year later is the same day, or the last day of its month."""
    if unit not in _MONTHS:
        return time + count * timedelta(seconds=_SECONDS[unit])
    years, month = divmod(time.month - 1 + count * _MONTHS[unit], 12)
    year = time.year + years
    return time.replace(year=year, month=month + 1, day=min(time.day, calendar.monthrange(year, month + 1)[1]))


def _floor(time: datetime, unit: str) -> datetime:
    if unit in _MONTHS:
        return time.replace(month=1 if unit == "y" else time.month, day=1, hour=0, minute=0, second=0, microsecond=0)
    start = time.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "w":
        return start - timedelta(days=start.weekday())
    step = timedelta(seconds=_SECONDS[unit])
    return start + (time - start) // step * step
