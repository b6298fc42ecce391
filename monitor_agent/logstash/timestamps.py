"""Moments: ISO 8601 texts in UTC, with a type that distinguishes them from other texts.

A `Timestamp` is a `str`: it is written to JSON unchanged, and its day or its hour is a slice.
Its form is that of `java.time.Instant`, with at least three fraction digits: `2026-01-02T03:04:05.678901Z`.
"""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
NANOS = 1_000_000_000

_USUAL = re.compile(
    r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3,9}Z",
    re.ASCII,
)
"""The form of nearly all texts. A canonical one has no more groups of three digits than it needs."""
_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d?)(?:-(?P<day>\d\d?))?)?"
    r"(?:T(?:(?P<hour>\d\d?)(?::(?P<minute>\d\d?)(?::(?P<second>\d\d?)(?:[.,](?P<fraction>\d{1,9})\d*)?)?)?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


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
        """Return the moment `seconds` and `nanos` after the epoch.

        Raises
        ------
        ValueError
            If the year is not between 1 and 9999.
        """
        return cls(_with_fraction(f"{_seconds_text(seconds)}.", f"{nanos:09d}"))

    @classmethod
    def parse(cls, text: str) -> Timestamp:
        """Return the moment of an ISO 8601 text, to the nanosecond.

        The date must be complete; without a time it means midnight.

        Raises
        ------
        ValueError
            If the text is malformed.
        """
        if _USUAL.fullmatch(text) and (text[8:10] < "29" or _is_day(text[:10])):
            if len(text) == 24 or (len(text) == 27 and text[23:26] != "000"):
                return cls(text)
            return cls(_with_fraction(text[:20], text[20:-1]))
        match = _ISO.fullmatch(text)
        if match is None or match["day"] is None:
            raise ValueError(f"{text!r} is no ISO 8601 time")
        return cls.at(*_moment(match, None))

    @property
    def moment(self) -> tuple[int, str]:
        """A value that orders times: seconds since the epoch, and the digits of the fraction."""
        return self.seconds, self[20:-1]

    @property
    def seconds(self) -> int:
        """Whole seconds since the epoch."""
        return _text_seconds(self[:19])


def now_text() -> str:
    """Return the current time as plain text, with nanoseconds."""
    seconds, nanos = divmod(time.time_ns(), NANOS)
    return f"{_seconds_text(seconds)}.{nanos:09d}Z"


def parse_iso(text: str, zone: tzinfo | None) -> Timestamp:
    """Return the moment of an ISO 8601 text, cut to milliseconds.

    A year, or a year and a month, may stand alone.

    Parameters
    ----------
    zone : the zone of a text that has none; None = that of the machine.

    Raises
    ------
    ValueError
        If the text is malformed.
    """
    if _USUAL.fullmatch(text) and (text[8:10] < "29" or _is_day(text[:10])):
        return Timestamp(text[:23] + "Z")
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no ISO 8601 time")
    seconds, nanos = _moment(match, zone)
    return Timestamp.at(seconds, nanos // 1_000_000 * 1_000_000)


def from_millis(millis: int) -> Timestamp:
    """Return the moment `millis` milliseconds after the epoch.

    Raises
    ------
    ValueError
        If the year is not between 1 and 9999.
    """
    seconds, rest = divmod(millis, 1000)
    return Timestamp(f"{_seconds_text(seconds)}.{rest:03d}Z")


def epoch_seconds(local: datetime, zone: tzinfo | None) -> int:
    """Return seconds since the epoch of a wall clock time in `zone`; None = the zone of the machine."""
    aware = local.replace(tzinfo=zone) if zone is not None else local.astimezone()
    return (aware - EPOCH) // timedelta(seconds=1)


def offset(text: str) -> timezone:
    """Return the zone of `Z`, `+02`, `+0200` or `+02:00`.

    Raises
    ------
    ValueError
        If the offset is a day or more.
    """
    if text == "Z":
        return timezone.utc
    digits = text[1:].replace(":", "")
    delta = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(-delta if text[0] == "-" else delta)


def _moment(match: re.Match[str], zone: tzinfo | None) -> tuple[int, int]:
    year, month, day = int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)
    hour, minute, second = int(match["hour"] or 0), int(match["minute"] or 0), int(match["second"] or 0)
    try:
        local = datetime(year, month, day, hour, minute, second)
        named = offset(match["zone"]) if match["zone"] else zone
        seconds = epoch_seconds(local, named)
    except OverflowError as error:
        raise ValueError(f"{match[0]!r} is out of range") from error
    return seconds, int((match["fraction"] or "").ljust(9, "0"))


def _with_fraction(beginning: str, digits: str) -> str:
    """Return a time with three, six or nine digits of its fraction: as few as there can be."""
    if len(digits) % 3:
        digits = digits.ljust(-(-len(digits) // 3) * 3, "0")
    while digits[3:].endswith("000"):
        digits = digits[:-3]
    return f"{beginning}{digits}Z"


@lru_cache(maxsize=4096)
def _seconds_text(seconds: int) -> str:
    try:
        moment = EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError(f"{seconds} seconds are out of range") from error
    return f"{moment.year:04d}{moment:-%m-%dT%H:%M:%S}"


@lru_cache(maxsize=4096)
def _text_seconds(text: str) -> int:
    return epoch_seconds(datetime.fromisoformat(text), timezone.utc)


@lru_cache(maxsize=4096)
def _is_day(text: str) -> bool:
    try:
        datetime(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        return False
    return True
