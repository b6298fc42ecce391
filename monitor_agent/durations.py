"""Durations as settings, window sizes, alerts and Kibana's intervals write them: `90s`, `1h30m`, `7d`, `2w` (pure)."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache

from monitor_agent.errors import DataError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

LONGEST = timedelta(days=182_500)
"""500 years: so that no sum of some durations, taken from a time of today, leaves the calendar."""


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` writes.

    Raises
    ------
    DataError
        If the text is no sum of numbers with units, or longer than `LONGEST`; months and years have no fixed length.

    >>> parse_duration("1h30m"), parse_duration("1w")
    (datetime.timedelta(seconds=5400), datetime.timedelta(days=7))
    """
    trimmed = text.strip()
    if trimmed == "0":
        return timedelta()
    terms = _DURATION.findall(trimmed)
    if not terms or "".join(number + unit for number, unit in terms) != trimmed:
        raise DataError(f"{text!r} is no fixed length of time", "write a duration such as 90s, 30m, 1h30m, 7d or 2w")
    try:
        duration = sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in terms), timedelta())
    except OverflowError:
        duration = timedelta.max
    if duration > LONGEST:
        raise DataError("it is too long a time", f"write at most {format_duration(LONGEST)}")
    return duration


def format_duration(duration: timedelta) -> str:
    """Return `duration` as settings and window sizes write it.

    >>> format_duration(timedelta(minutes=90)), format_duration(timedelta(days=1)), format_duration(timedelta(0))
    ('90m', '1d', '0s')
    """
    milliseconds = duration // timedelta(milliseconds=1)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0 and (milliseconds or unit == "s"):
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def in_days(duration: timedelta) -> str:
    """Return a duration in whole days, rounded up.

    >>> in_days(timedelta(days=90, minutes=2))
    '91d'
    """
    return f"{-(-duration // timedelta(days=1))}d"


def in_one_unit(text: str) -> str:
    """Return a duration as one number and one unit of s, m, h and d, which date math, Watcher and Kibana's rules read.

    Raises
    ------
    DataError
        If the text is no duration, or not a whole number of seconds.

    >>> in_one_unit("24h"), in_one_unit("1h30m"), in_one_unit("1w")
    ('24h', '90m', '7d')
    """
    duration = parse_duration(text)
    if duration % timedelta(seconds=1):
        raise DataError(f"{text!r} is not a whole number of seconds", "write a duration such as 90s, 30m or 1h30m")
    return text if re.fullmatch(r"\d+[smhd]", text) else format_duration(duration)
