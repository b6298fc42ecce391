"""Durations as settings and window sizes write them: `90s`, `30m`, `2h`, `7d` (pure)."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` says; ValueError where it says none.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    rest = text.strip()
    if rest == "0":
        return timedelta()
    parts = _DURATION.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        raise ValueError("a duration such as 90s, 30m, 2h or 7d is expected")
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())


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
