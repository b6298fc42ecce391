"""Moments: ISO 8601 texts in UTC, with a type that distinguishes them from other texts.

A `Timestamp` is a `str`: it is written to JSON unchanged, and its day or its hour is a slice.
Its form is that of `java.time.Instant`, with at least three fraction digits: `2026-01-02T03:04:05.678901Z`;
years after 9999 begin with a plus.
"""

from __future__ import annotations

import re
import time
from datetime import timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from monitor_agent.logstash.events.calendar_days import DAY_SECONDS, date_of, days_of, length_of_month, seconds_in_zone

NANOS = 1_000_000_000

_USUAL = re.compile(
    r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.", re.ASCII
)
"""The beginning of nearly all texts, up to the fraction."""
_JAVA = re.compile(
    r"(?P<year>\d{4}|-\d{4,9}|\+\d{5,9})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{0,9}))?)?)?"
    r"(?P<zone>Z|[+-]\d\d(?:(?::\d\d){1,2}|(?:\d\d){0,2})|[A-Za-z][\w/+:-]+)?",
    re.ASCII | re.IGNORECASE,
)
_OFFSET = re.compile(
    r"(?:UTC|GMT|UT)?(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d)(?::?(?P<seconds>\d\d))?)?", re.ASCII
)
_MOST_OFFSET = timedelta(hours=18)


class Timestamp(str):
    """A moment as text, UTC.

    >>> Timestamp.parse("2026-01-02T05:04:05.5+02:00")
    '2026-01-02T03:04:05.500Z'
    """

    __slots__ = ()

    @classmethod
    def now(cls) -> Timestamp:
        """Return the current time, with nanoseconds."""
        return cls(now_text())

    @classmethod
    def at(cls, seconds: int, nanos: int = 0) -> Timestamp:
        """Return the moment `seconds` and `nanos` after the epoch."""
        return cls(_with_fraction(f"{_seconds_text(seconds)}.", f"{nanos:09d}"))

    @classmethod
    def parse(cls, text: str) -> Timestamp:
        """Return the moment of an ISO 8601 text, to the nanosecond, as Logstash reads `@timestamp` in JSON.

        The date must be complete; without a time it means midnight, without a zone that of the machine.

        >>> Timestamp.parse("2026-02-30T24:00Z")
        '2026-03-01T00:00:00.000Z'

        Raises
        ------
        ValueError
            If the text is malformed.
        """
        if _is_usual(text):
            if len(text) == 24:
                return cls(text)
            if len(text) == 27:
                return cls(f"{text[:23]}Z" if text[23:26] == "000" else text)
            return cls(_with_fraction(text[:20], text[20:-1]))
        match = _JAVA.fullmatch(text)
        if match is None or (int(match["year"]) == 0 and text[0] == "-"):
            raise ValueError(f"{text!r} is no ISO 8601 time")
        return cls.at(_java_seconds(match), int((match["fraction"] or "").ljust(9, "0")))

    @property
    def moment(self) -> tuple[int, str]:
        """A value that orders times: seconds since the epoch, and the digits of the fraction."""
        return self.seconds, self[self.index("T") + 10 : -1]

    @property
    def seconds(self) -> int:
        """Whole seconds since the epoch."""
        return _text_seconds(self[: self.index("T") + 9])


class _Clock:
    """Writes the current time; the text of a second is made once."""

    def __init__(self) -> None:
        self._second = (0, "")

    def now(self) -> str:
        """Return the current time as plain text, with nanoseconds."""
        start, text = self._second
        nanos = time.time_ns() - start
        if not 0 <= nanos < NANOS:
            seconds, nanos = divmod(start + nanos, NANOS)
            text = f"{_seconds_text(seconds)}."
            self._second = (seconds * NANOS, text)
        return f"{text}{str(NANOS + nanos)[1:]}Z"


now_text = _Clock().now


def parse_millis(text: str) -> Timestamp | None:
    """Return the moment of a text in the usual form, cut to milliseconds; None for another text."""
    if _is_usual(text):
        return Timestamp(text[:23] + "Z")
    return None


def from_millis(millis: int) -> Timestamp:
    """Return the moment `millis` milliseconds after the epoch."""
    seconds, rest = divmod(millis, 1000)
    return Timestamp(f"{_seconds_text(seconds)}.{rest:03d}Z")


def zone_of(name: str) -> tzinfo:
    """Return the zone of a name such as `Europe/Berlin`, `UTC`, `Z`, `+02`, `+0200`, `+02:00` or `UTC+2:00`.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if name in ("UTC", "UT", "GMT", "Z"):
        return timezone.utc
    match = _OFFSET.fullmatch(name)
    if match is not None:
        hours, minutes, seconds = (int(match[group] or 0) for group in ("hours", "minutes", "seconds"))
        if hours > 23 or minutes > 59 or seconds > 59:
            raise ValueError(f"the offset {name} is out of range")
        offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return timezone(-offset if match["sign"] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}") from None


def _with_fraction(beginning: str, digits: str) -> str:
    """Return a time with three, six or nine digits of its fraction: as few as there can be."""
    if len(digits) % 3:
        digits = digits.ljust(-(-len(digits) // 3) * 3, "0")
    while digits[3:].endswith("000"):
        digits = digits[:-3]
    return f"{beginning}{digits}Z"


def _java_seconds(match: re.Match[str]) -> int:
    """Return the seconds since the epoch of a text that java.time reads; a day such as 30 February is the last one."""
    year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    hour, minute, second = int(match["hour"] or 0), int(match["minute"] or 0), int(match["second"] or 0)
    end_of_day = hour == 24 and not minute and not second and not (match["fraction"] or "").strip("0")
    if not 1 <= month <= 12 or not 1 <= day <= 31 or minute > 59 or second > 59 or (hour > 23 and not end_of_day):
        raise ValueError(f"{match[0]!r} is out of range")
    days = days_of(year, month, min(day, length_of_month(year, month)))
    zone = None
    if match["zone"]:
        zone = zone_of(match["zone"].upper() if len(match["zone"]) == 1 else match["zone"])
        if isinstance(zone, timezone) and abs(zone.utcoffset(None)) > _MOST_OFFSET:
            raise ValueError(f"{match[0]!r} is out of range")
    return seconds_in_zone(days * DAY_SECONDS + hour * 3600 + minute * 60 + second, zone, gap_moves=True)


@lru_cache(maxsize=4096)
def _seconds_text(seconds: int) -> str:
    days, second = divmod(seconds, DAY_SECONDS)
    year, month, day = date_of(days)
    written = f"{year:04d}" if 0 <= year <= 9999 else f"+{year}" if year > 0 else f"-{-year:04d}"
    return f"{written}-{month:02d}-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


@lru_cache(maxsize=4096)
def _text_seconds(text: str) -> int:
    date, _, time_of_day = text.partition("T")
    year, month, day = date.rsplit("-", 2)
    hour, minute, second = time_of_day.split(":")
    return days_of(int(year), int(month), int(day)) * DAY_SECONDS + int(hour) * 3600 + int(minute) * 60 + int(second)


def _is_usual(text: str) -> bool:
    """Return whether a text has seconds, a fraction of three to nine digits, and `Z`."""
    digits = text[20:-1]
    return (
        3 <= len(digits) <= 9
        and digits.isdecimal()
        and digits.isascii()
        and text[-1] == "Z"
        and _is_usual_beginning(text[:20])
    )


@lru_cache(maxsize=4096)
def _is_usual_beginning(text: str) -> bool:
    return _USUAL.fullmatch(text) is not None and (text[8:10] < "29" or _is_day(text[:10]))


@lru_cache(maxsize=4096)
def _is_day(text: str) -> bool:
    try:
        days_of(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        return False
    return True
