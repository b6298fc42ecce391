"""Patterns that read a time: `ISO8601`, `UNIX`, `UNIX_MS`, `TAI64N` and Joda's; all to the millisecond."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from monitor_agent.logstash.date_formats import DAYS, MONTHS, tokens
from monitor_agent.logstash.timestamps import Timestamp, epoch_seconds, from_millis, offset, parse_iso

Parse = Callable[[Any, tzinfo | None], Timestamp]

LARGEST_SECONDS = 2**31 - 1

_UNIX = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_UNIX_MS = re.compile(r"\d+", re.ASCII)
_TAI64N = re.compile(r"@?4[0-9a-fA-F]{23}")
_ALMOST_ISO = (
    "yyyy-MM-dd HH:mm:ss.SSSZ",
    "yyyy-MM-dd HH:mm:ss.SSS",
    "yyyy-MM-dd HH:mm:ss,SSSZ",
    "yyyy-MM-dd HH:mm:ss,SSS",
)
_NUMERIC = frozenset("yYxMdHhKkmsSDew")


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
    return _NUMBERS[pattern] if pattern in _NUMBERS else _Joda(pattern)


def _iso8601() -> Parse:
    joda_patterns = [_Joda(pattern) for pattern in _ALMOST_ISO]

    def parse(value: Any, zone: tzinfo | None) -> Timestamp:
        text = _text(value)
        try:
            return parse_iso(text, zone)
        except ValueError:
            if " " not in text:
                raise
        for joda in joda_patterns:
            try:
                return joda(text, zone)
            except ValueError:
                continue
        raise ValueError(f"{text!r} is no ISO 8601 time")

    return parse


def _unix(value: Any, _zone: tzinfo | None) -> Timestamp:
    number = _number(value, _UNIX)
    if number > LARGEST_SECONDS:
        raise ValueError(f"{value!r} seconds are out of range")
    return from_millis(int(number * 1000))


def _unix_ms(value: Any, _zone: tzinfo | None) -> Timestamp:
    return from_millis(int(_number(value, _UNIX_MS)))


def _tai64n(value: Any, _zone: tzinfo | None) -> Timestamp:
    text = _text(value)
    if not _TAI64N.fullmatch(text):
        raise ValueError(f"{text!r} is no TAI64N time")
    digits = text.removeprefix("@")
    return from_millis(int(digits[1:16], 16) * 1000 - 10_000 + int(digits[16:], 16) // 1_000_000)


def _number(value: Any, pattern: re.Pattern[str]) -> int | float:
    if isinstance(value, str) and pattern.fullmatch(value):
        return float(value) if "." in value else int(value)
    if type(value) is int or type(value) is float:
        return value
    raise ValueError(f"{value!r} is no number")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise ValueError(f"{value!r} is no text")


_NUMBERS: dict[str, Parse] = {"UNIX": _unix, "UNIX_MS": _unix_ms, "TAI64N": _tai64n}


class _Joda:
    """A Joda pattern as a regular expression whose groups are the letters."""

    def __init__(self, pattern: str) -> None:
        pattern_tokens = tokens(pattern)
        written = ""
        self._letters: list[str] = []
        for token, after in zip(pattern_tokens, [*pattern_tokens[1:], ""], strict=True):
            if isinstance(token, str):
                written += re.escape(token)
                continue
            adjacent = isinstance(after, tuple) and after[0] in _NUMERIC
            written += f"({_expression(*token, adjacent=adjacent)})"
            self._letters.append("yy" if token[0] in "yY" and token[1] == 2 else token[0])
        self._pattern = re.compile(written, re.ASCII | re.IGNORECASE)
        self._has_year = any(letter[0] in "yY" for letter in self._letters)

    def __call__(self, value: Any, zone: tzinfo | None) -> Timestamp:
        match = self._pattern.fullmatch(_text(value))
        if match is None:
            raise ValueError(f"{value!r} does not fit")
        fields = dict(zip(self._letters, match.groups(), strict=True))
        local, millis = _local(fields, None if self._has_year else datetime.now(timezone.utc))
        named = _zone(fields["Z"]) if "Z" in fields else zone
        return from_millis(epoch_seconds(local, named) * 1000 + millis)


def _expression(letter: str, count: int, *, adjacent: bool) -> str:
    if letter == "M" and count > 2:
        return "|".join(sorted((*MONTHS, *(month[:3] for month in MONTHS)), key=len, reverse=True))
    if letter == "E":
        return "|".join(sorted((*DAYS, *(day[:3] for day in DAYS)), key=len, reverse=True))
    if letter == "a":
        return "AM|PM"
    if letter == "Z":
        return r"[A-Za-z]+(?:[/_+-][A-Za-z0-9_+-]+)*" if count > 2 else r"Z|[+-]\d\d(?::?\d\d)?"
    if letter not in "yYMdHhKkmsSD":
        raise ValueError(f"{letter!r} cannot be read from a text")
    if letter in "yY" and count == 2:
        return r"\d{2}"
    most = {"y": 4, "Y": 4, "S": count, "D": 3}.get(letter, 2)
    if adjacent:
        return rf"\d{{{count}}}"
    return rf"\d{{1,{max(most, count)}}}"


def _local(fields: dict[str, str], now: datetime | None) -> tuple[datetime, int]:
    """Return the wall clock time and its milliseconds; `now` is for a pattern without a year, to guess the year."""
    month = _month(fields.get("M"))
    if now is not None:
        year = now.year + (-1 if (month, now.month) == (12, 1) else 1 if (month, now.month) == (1, 12) else 0)
    elif "yy" in fields:
        year = 2000 + int(fields["yy"]) - (100 if int(fields["yy"]) > 49 else 0)
    else:
        year = int(fields.get("y") or fields["Y"])
    local = datetime(
        year, month, int(fields.get("d", 1)), _hour(fields), int(fields.get("m", 0)), int(fields.get("s", 0))
    )
    if "D" in fields:
        local += timedelta(days=int(fields["D"]) - 1)
    return local, int(fields.get("S", "0").ljust(3, "0")[:3])


def _month(text: str | None) -> int:
    if text is None:
        return 1
    return int(text) if text.isdigit() else [month[:3] for month in MONTHS].index(text[:3].capitalize()) + 1


def _hour(fields: dict[str, str]) -> int:
    if "H" in fields or "k" in fields:
        return int(fields.get("H") or int(fields["k"]) % 24)
    half = int(fields.get("h") or fields.get("K") or 0) % 12
    return half + 12 if fields.get("a", "").upper() == "PM" else half


def _zone(text: str) -> tzinfo:
    try:
        return offset(text.upper() if text in "zZ" else text) if text in "zZ" or text[0] in "+-" else ZoneInfo(text)
    except (KeyError, OSError):
        raise ValueError(f"there is no time zone {text!r}") from None
