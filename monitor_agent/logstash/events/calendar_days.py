"""Days, years and weeks of ISO 8601 for any year, also before 1 and after 9999, where `datetime` ends."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta, timezone, tzinfo

DAY_SECONDS = 86_400

_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097
_EPOCH = datetime(1970, 1, 1)


def days_of(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a date.

    >>> days_of(1970, 1, 2), days_of(-1, 1, 1), days_of(12026, 1, 1)
    (1, -719893, 3672879)

    Raises
    ------
    ValueError
        If there is no such date.
    """
    cycles = (year - 1970) // _CYCLE_YEARS
    return (datetime(year - cycles * _CYCLE_YEARS, month, day) - _EPOCH).days + cycles * _CYCLE_DAYS


def date_of(days: int) -> tuple[int, int, int]:
    """Return year, month and day.

    >>> date_of(-719893)
    (-1, 1, 1)
    """
    cycles, rest = divmod(days, _CYCLE_DAYS)
    date = _EPOCH + timedelta(days=rest)
    return date.year + cycles * _CYCLE_YEARS, date.month, date.day


def length_of_month(year: int, month: int) -> int:
    """Return the number of days of a month."""
    return calendar.monthrange(2000 + year % _CYCLE_YEARS, month)[1]


def length_of_year(year: int) -> int:
    """Return the number of days of a year."""
    return 366 if calendar.isleap(year) else 365


def week_of(days: int) -> tuple[int, int, int]:
    """Return the year of the week, the week, and the day of the week from 1, a Monday.

    >>> week_of(days_of(2027, 1, 1))
    (2026, 53, 5)
    """
    cycles, rest = divmod(days, _CYCLE_DAYS)
    year, week, day = (_EPOCH + timedelta(days=rest)).isocalendar()
    return year + cycles * _CYCLE_YEARS, week, day


def first_monday(year: int) -> int:
    """Return the days to the Monday of the first week of a year."""
    january_4 = days_of(year, 1, 4)
    return january_4 - (week_of(january_4)[2] - 1)


def weeks_of(year: int) -> int:
    """Return the number of weeks of a year of weeks."""
    return (first_monday(year + 1) - first_monday(year)) // 7


def seconds_in_zone(seconds: int, zone: tzinfo | None, *, gap_moves: bool) -> int:
    """Return seconds since the epoch of a wall clock time, which is given as seconds since 1970-01-01 00:00.

    A time that happens twice is the first of them.

    Parameters
    ----------
    zone : None = that of the machine.
    gap_moves : whether a time that clocks leave out is moved forward.

    Raises
    ------
    ValueError
        If clocks leave out the time and it may not be moved.
    """
    if isinstance(zone, timezone):
        return seconds - round(zone.utcoffset(None).total_seconds())
    year = date_of(seconds // DAY_SECONDS)[0]
    near = min(max(year, 2), 9990 + year % 8)  # zones have the same rules for ever, and one offset before they began
    days, second = divmod(seconds, DAY_SECONDS)
    _, month, day = date_of(days)
    local = datetime(near, month, min(day, length_of_month(near, month))) + timedelta(seconds=second)
    aware = local.replace(tzinfo=zone) if zone is not None else local.astimezone()
    offset = aware.utcoffset() or timedelta()
    if not gap_moves:
        back = (aware.astimezone(timezone.utc)).astimezone(zone).replace(tzinfo=None)
        if back != local:
            raise ValueError(f"clocks leave out {local}")
    return seconds - round(offset.total_seconds())
