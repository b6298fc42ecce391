"""Patterns of Joda that read a time: fields are read from left to right, and set from the largest to the smallest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from functools import cache
from zoneinfo import available_timezones

from monitor_agent.logstash.events import calendar_days as calendar
from monitor_agent.logstash.events.date_formats import DAYS, MONTHS, tokens
from monitor_agent.logstash.events.timestamps import Timestamp, from_millis, zone_of

DAY = 86_400_000
HOUR = 3_600_000
MINUTE = 60_000
SECOND = 1000

_OFFSET = re.compile(
    r"(?P<sign>[+-])(?P<hours>[01]\d|2[0-3])"
    r"(?::(?P<minutes>[0-5]\d)(?::(?P<seconds>[0-5]\d))?|(?P<minutes_2>[0-5]\d)(?P<seconds_2>[0-5]\d)?)?(?!\d)",
    re.ASCII,
)
_ZONE_NAMES = {"UT": 0, "UTC": 0, "GMT": 0}
_ZONE_NAMES |= {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_NUMERIC = "CxyYdhHmsSeDwkK"
_DEFAULT_YEAR = 2000


@dataclass
class Fields:
    """What was read of a time: its values by name, the unit of its fraction, and its zone."""

    values: dict[str, int] = field(default_factory=dict)
    fraction_unit: int = SECOND
    zone: tzinfo | None = None


Step = Callable[[str, int, Fields], int]
"""Reads from a text at a place into the fields; returns the place behind it, -1 if the text does not fit."""


class JodaPattern:
    """A pattern such as `yyyy-MM-dd HH:mm:ss`."""

    def __init__(self, pattern: str) -> None:
        pattern_tokens = tokens(pattern)
        self._steps: list[Step] = []
        for token, after in zip(pattern_tokens, [*pattern_tokens[1:], ""], strict=True):
            if isinstance(token, str):
                self._steps.append(_literal(token))
            else:
                numeric = isinstance(after, tuple) and (after[0] in _NUMERIC or (after[0] == "M" and after[1] < 3))
                self._steps.append(_step(*token, adjacent=numeric))
        self._has_year = "y" in pattern or "Y" in pattern
        self._has_zone = "Z" in pattern

    def __call__(self, text: str, zone: tzinfo | None) -> Timestamp:
        """Return the time of a text; `zone` is for a text that names none, None = that of the machine.

        Raises
        ------
        ValueError
            If the text does not fit the pattern.
        """
        fields = Fields()
        place = 0
        for step in self._steps:
            place = step(text, place, fields)
            if place < 0:
                break
        if place != len(text):
            raise ValueError(f"{text!r} does not fit the pattern")
        if self._has_year:
            return moment_of(fields, zone)
        now = datetime.now(timezone.utc)
        fields.values["year"] = _guessed_year(fields.values.get("month", 1), now)
        return moment_of(fields, zone)


def moment_of(fields: Fields, zone: tzinfo | None) -> Timestamp:
    """Return the time that the fields give; `zone` is used if they have none.

    Raises
    ------
    ValueError
        If a value is out of range, or clocks leave out the time.
    """
    days, millis = 0, 0
    values = fields.values
    entries = [(name, values[name]) for name in _ORDER if name in values]
    if entries and entries[0][0] in ("month", "week", "day_of_year", "day"):
        entries.insert(0, ("year", _DEFAULT_YEAR))
    for first in (True, False):
        for name, value in entries:
            if name in _DATE_SETTERS:
                days = _DATE_SETTERS[name](days, value, first)
            else:
                millis = _with_time(millis, name, value, fields.fraction_unit)
    seconds, rest = divmod(days * DAY + millis, SECOND)
    zone = fields.zone or zone
    return from_millis(calendar.seconds_in_zone(seconds, zone, gap_moves=False) * SECOND + rest)


def read_digits(text: str, place: int, most: int, *, signed: bool = False) -> tuple[int, int]:
    """Return the number at a place, and the place behind it; -1 if there is none."""
    start = place
    if signed and text[place : place + 1] in ("+", "-"):
        place += 1
    end = place
    while end < len(text) and end - place < most and "0" <= text[end] <= "9":
        end += 1
    return (0, -1) if end == place else (int(text[start:end]), end)


def read_offset(text: str, place: int, fields: Fields) -> int:
    """Read an offset such as Z, +02, +0200 or +02:00."""
    if text[place : place + 1] in ("Z", "z"):
        fields.zone = timezone.utc
        return place + 1
    match = _OFFSET.match(text, place)
    if match is None:
        return -1
    fields.zone = zone_of(match[0])
    return match.end()


def _guessed_year(month: int, now: datetime) -> int:
    if (month, now.month) == (12, 1):
        return now.year - 1
    return now.year + 1 if (month, now.month) == (1, 12) else now.year


def _set_year(days: int, year: int, first: bool) -> int:
    _, month, day = (0, 1, 1) if first else calendar.date_of(days)
    return calendar.days_of(year, month, min(day, calendar.length_of_month(year, month)))


def _set_weekyear(days: int, year: int, first: bool) -> int:
    monday = calendar.first_monday(year)
    if first:
        return monday
    _, week, day = calendar.week_of(days)
    return monday + (min(week, calendar.weeks_of(year)) - 1) * 7 + day - 1


def _set_month(days: int, month: int, first: bool) -> int:
    year, _, day = calendar.date_of(days)
    _check("month", month, 1, 12)
    return calendar.days_of(year, month, 1 if first else min(day, calendar.length_of_month(year, month)))


def _set_week(days: int, week: int, first: bool) -> int:
    year, _, day = calendar.week_of(days)
    _check("week", week, 1, calendar.weeks_of(year))
    return calendar.first_monday(year) + (week - 1) * 7 + (0 if first else day - 1)


def _set_day_of_year(days: int, day: int, _first: bool) -> int:
    year = calendar.date_of(days)[0]
    _check("day of the year", day, 1, calendar.length_of_year(year))
    return calendar.days_of(year, 1, 1) + day - 1


def _set_day(days: int, day: int, _first: bool) -> int:
    year, month, _ = calendar.date_of(days)
    _check("day", day, 1, calendar.length_of_month(year, month))
    return calendar.days_of(year, month, day)


def _set_day_of_week(days: int, day: int, _first: bool) -> int:
    _check("day of the week", day, 1, 7)
    return days + day - calendar.week_of(days)[2]


_DATE_SETTERS: dict[str, Callable[[int, int, bool], int]] = {
    "year": _set_year,
    "weekyear": _set_weekyear,
    "month": _set_month,
    "week": _set_week,
    "day_of_year": _set_day_of_year,
    "day": _set_day,
    "day_of_week": _set_day_of_week,
}
_TIME_UNITS = {
    "halfday": (12 * HOUR, 2),
    "hour": (HOUR, 24),
    "half_hour": (HOUR, 12),
    "minute": (MINUTE, 60),
    "second": (SECOND, 60),
}
_ORDER = (*_DATE_SETTERS, *_TIME_UNITS, "fraction")


def _with_time(millis: int, name: str, value: int, fraction_unit: int) -> int:
    """Return the milliseconds of a day with another hour, minute, second or fraction."""
    if name == "fraction":
        return millis - millis % fraction_unit + value
    unit, count = _TIME_UNITS[name]
    _check(name, value, 0, count - 1)
    return millis + (value - millis // unit % count) * unit


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"the {name} is {value}, not between {least} and {most}")


def _literal(literal: str) -> Step:
    folded = literal.upper()

    def step(text: str, place: int, _fields: Fields) -> int:
        end = place + len(literal)
        return end if text[place:end].upper() == folded else -1

    return step


def _step(letter: str, count: int, *, adjacent: bool) -> Step:
    """Return the step that reads a letter of a pattern.

    Raises
    ------
    ValueError
        If a time cannot be read by this letter.
    """
    if letter in "xyY":
        return _year("weekyear" if letter == "x" else "year", count, signed=letter != "Y", adjacent=adjacent)
    if letter == "M" and count > 2:
        return _names("month", MONTHS)
    if letter == "E":
        return _names("day_of_week", DAYS)
    if letter == "a":
        return _names("halfday", ("AM", "PM"), first=0)
    if letter == "S":
        return _fraction(count)
    if letter == "Z":
        return read_offset if count < 3 else _zone_id
    if letter == "z" and count < 4:
        return _zone_name
    if letter not in _NUMBERS:
        raise ValueError(f"{letter * count!r} cannot be read from a text")
    name, most, zero = _NUMBERS[letter]
    return _number(name, max(most, count), zero)


_NUMBERS = {
    "M": ("month", 2, 0),
    "d": ("day", 2, 0),
    "D": ("day_of_year", 3, 0),
    "w": ("week", 2, 0),
    "e": ("day_of_week", 1, 0),
    "H": ("hour", 2, 0),
    "k": ("hour", 2, 24),
    "K": ("half_hour", 2, 0),
    "h": ("half_hour", 2, 12),
    "m": ("minute", 2, 0),
    "s": ("second", 2, 0),
}
"""For each letter: the field, the most digits, and the number that stands for 0."""


def _number(name: str, most: int, zero: int) -> Step:
    def step(text: str, place: int, fields: Fields) -> int:
        value, end = read_digits(text, place, most)
        if zero and end >= 0:
            _check(name, value, 1, zero)
            value %= zero
        fields.values[name] = value
        return end

    return step


def _year(name: str, count: int, *, signed: bool, adjacent: bool) -> Step:
    most = count if adjacent else 9

    def step(text: str, place: int, fields: Fields) -> int:
        value, end = read_digits(text, place, most, signed=signed or count == 2)
        if count == 2 and adjacent:
            value, end = read_digits(text, place, 2)
            end = end if end == place + 2 else -1
        if count == 2 and end == place + 2 and text[place] not in "+-":
            low = datetime.now(timezone.utc).year - 80
            value += low + (100 if value < low % 100 else 0) - low % 100
        fields.values[name] = value
        return end

    return step


def _fraction(count: int) -> Step:
    def step(text: str, place: int, fields: Fields) -> int:
        return read_fraction(text, place, fields, SECOND, count)

    return step


def read_fraction(text: str, place: int, fields: Fields, unit: int, most: int) -> int:
    """Read the digits of a fraction of a unit, which is given in milliseconds."""
    _, end = read_digits(text, place, most)
    if end < 0:
        return -1
    value, share = 0, unit * 10
    for digit in text[place:end]:
        share //= 10
        value += int(digit) * share
    fields.values["fraction"] = value // 10
    fields.fraction_unit = unit
    return end


def _names(name: str, names: tuple[str, ...], *, first: int = 1) -> Step:
    """Return the step that reads a name or its first three letters: as written, in lower or in upper case."""
    numbers = {
        form: number
        for number, whole in enumerate(names, first)
        for text in (whole, whole[:3])
        for form in (text, text.lower(), text.upper())
    }
    lengths = sorted({len(form) for form in numbers}, reverse=True)

    def step(text: str, place: int, fields: Fields) -> int:
        for length in lengths:
            form = text[place : place + length]
            if len(form) == length and form in numbers:
                fields.values[name] = numbers[form]
                return place + length
        return -1

    return step


def _zone_id(text: str, place: int, fields: Fields) -> int:
    length = max((len(name) for name in _zone_ids() if text.startswith(name, place)), default=0)
    if length:
        fields.zone = zone_of(text[place : place + length])
    return place + length if length else -1


@cache
def _zone_ids() -> frozenset[str]:
    return frozenset({"UTC", *available_timezones()})


def _zone_name(text: str, place: int, fields: Fields) -> int:
    name = next((text[place : place + length] for length in (3, 2) if text[place : place + length] in _ZONE_NAMES), "")
    if name:
        fields.zone = zone_of(f"{_ZONE_NAMES[name]:+03d}")
    return place + len(name) if name else -1
