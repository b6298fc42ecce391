"""Patterns that read a time: `ISO8601`, `UNIX`, `UNIX_MS`, `TAI64N` and Joda's; all to the millisecond."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from monitor_agent.logstash.events.joda_parsing import (
    HOUR,
    MINUTE,
    SECOND,
    Fields,
    JodaPattern,
    moment_of,
    read_fraction,
    read_offset,
)
from monitor_agent.logstash.events.timestamps import Timestamp, from_millis, parse_millis

Parse = Callable[[Any, tzinfo | None], Timestamp]

LARGEST_SECONDS = 2**31 - 1

_LARGEST = 2**63 - 1
_WHOLE = re.compile(r"[+-]?\d+")
_TAI64N = re.compile(r"@?([+-]?[0-9a-fA-F]{16})([0-9a-fA-F]{8})")
_ISO_DATE = re.compile(
    r"(?P<year>[+-]?\d{1,9})"
    r"(?:-(?P<day_of_year>\d{3})|-W(?P<week>\d{1,2})(?:-(?P<day_of_week>\d))?"
    r"|-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?(?![\d-])",
    re.ASCII | re.IGNORECASE,
)
_ISO_TIME = re.compile(r"(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2}))?)?", re.ASCII)
_ALMOST_ISO = (
    "yyyy-MM-dd HH:mm:ss.SSSZ",
    "yyyy-MM-dd HH:mm:ss.SSS",
    "yyyy-MM-dd HH:mm:ss,SSSZ",
    "yyyy-MM-dd HH:mm:ss,SSS",
)


def parser(pattern: str) -> Parse:
    """Return the function that reads a value by the pattern; its zone is for values without a zone.

    The function raises ValueError for a value that does not fit the pattern.

    Raises
    ------
    ValueError
        If the pattern is malformed.

    >>> parser("dd/MMM/yyyy:HH:mm:ss Z")("10/Oct/2000:13:55:36 -0700", None)
    '2000-10-10T20:55:36.000Z'
    """
    if pattern == "ISO8601":
        return _iso8601()
    if pattern in _NUMBERS:
        return _NUMBERS[pattern]
    joda = JodaPattern(pattern)
    return lambda value, zone: joda(_text(value), zone)


def _iso8601() -> Parse:
    joda_patterns = [JodaPattern(pattern) for pattern in _ALMOST_ISO]

    def parse(value: Any, zone: tzinfo | None) -> Timestamp:
        text = _text(value)
        time = parse_millis(text)
        if time is not None:
            return time
        if " " not in text:
            return _iso(text, zone)
        for joda in joda_patterns:
            try:
                return joda(text, zone)
            except ValueError:
                continue
        raise ValueError(f"{text!r} is no ISO 8601 time")

    return parse


def _iso(text: str, zone: tzinfo | None) -> Timestamp:
    """Return the time of a text in any form of ISO 8601 that Joda reads; a text that begins with T is of 1970-01-01."""
    fields = Fields()
    place = 0
    if not text.startswith(("T", "t")):
        match = _ISO_DATE.match(text)
        if match is None:
            raise ValueError(f"{text!r} is no ISO 8601 time")
        fields.values = {name: int(digits) for name, digits in match.groupdict().items() if digits is not None}
        if "week" in fields.values:
            fields.values["weekyear"] = fields.values.pop("year")
        place = match.end()
    if text[place : place + 1] in ("T", "t"):
        place = _iso_time(text, place + 1, fields)
    if place != len(text):
        raise ValueError(f"{text!r} is no ISO 8601 time")
    return moment_of(fields, zone)


def _iso_time(text: str, place: int, fields: Fields) -> int:
    match = _ISO_TIME.match(text, place)
    if match is not None:
        place = match.end()
        fields.values |= {name: int(digits) for name, digits in match.groupdict().items() if digits is not None}
        unit = SECOND if match["second"] else MINUTE if match["minute"] else HOUR
        if text[place : place + 1] in (".", ","):
            place = read_fraction(text, place + 1, fields, unit, 9)
    return place if place < 0 or place == len(text) else read_offset(text, place, fields)


def _unix(value: Any, _zone: tzinfo | None) -> Timestamp:
    if type(value) is str:
        whole, dot, rest = value.partition(".")
        fraction = _long(rest[:3]) * 10 ** (3 - len(rest[:3])) if dot else 0
        seconds: int | float = _long(whole)
    else:
        seconds, fraction = _number(value), 0
    if seconds > LARGEST_SECONDS + (1 if type(seconds) is float else 0):
        raise ValueError(f"{value!r} seconds are out of range")
    return from_millis(_clamped(seconds * 1000) + fraction)


def _unix_ms(value: Any, _zone: tzinfo | None) -> Timestamp:
    return from_millis(_clamped(_long(value) if type(value) is str else _number(value)))


def _tai64n(value: Any, _zone: tzinfo | None) -> Timestamp:
    text = _text(value)
    match = _TAI64N.match(text)
    if match is None or int(match[1], 16) > _LARGEST or int(match[2], 16) >= 2**31:
        raise ValueError(f"{text!r} is no TAI64N time")
    return from_millis(((int(match[1], 16) & (2**62 - 1)) - 10) * 1000 + int(match[2], 16) // 1_000_000)


def _long(text: str) -> int:
    """Return the number that Java's `Long.parseLong` reads."""
    if not _WHOLE.fullmatch(text) or not -_LARGEST - 1 <= int(text) <= _LARGEST:
        raise ValueError(f"{text!r} is no number")
    return int(text)


def _number(value: Any) -> int | float:
    if (type(value) is int and -_LARGEST - 1 <= value <= _LARGEST) or type(value) is float:
        return value
    raise ValueError(f"{value!r} is no number")


def _clamped(number: int | float) -> int:
    """Return the whole number that Java makes of a number: the nearest one with 64 bits."""
    return int(min(max(number, -_LARGEST - 1), _LARGEST))


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    raise ValueError(f"{value!r} is no text")


_NUMBERS: dict[str, Parse] = {"UNIX": _unix, "UNIX_MS": _unix_ms, "TAI64N": _tai64n}
