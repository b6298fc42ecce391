"""Reads the fields of a record of any Python program; an error names the path of the field (pure)."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from monitor_agent.contracts.bounds import PROBABILITY, Bounds
from monitor_agent.errors import RecordError, suggestion
from monitor_agent.prediction_log.limits import MOST_AHEAD, ROUNDING
from monitor_agent.prediction_log.names import loggable

NANOSECONDS_OF_A_MICROSECOND = 1000


class RecordFields:
    """The fields of a mapping or a dataclass at a path; None means the same as an absent field.

    Numbers of NumPy are numbers, too. A text has no half surrogate pair: such a text cannot be written as UTF-8.

    Parameters
    ----------
    record : a mapping of names, or an instance of a dataclass; another value is refused.
    path : path of the record, "" for the call itself.
    names : names of the fields that it may have; another name is refused.

    Raises
    ------
    RecordError
        If it is no record, or has an unknown field. So do all methods for a value that is not expected.
    """

    def __init__(self, record: Any, path: str, names: Collection[str]) -> None:
        self._path = path
        if not isinstance(record, dict) and dataclasses.is_dataclass(record) and not isinstance(record, type):
            record = {_plain(entry.name): getattr(record, entry.name) for entry in dataclasses.fields(record)}
        if not isinstance(record, (dict, Mapping)):
            raise RecordError(path, f"a mapping or a dataclass is expected, {kind_of(record)} given")
        self._record = record
        if unknown := [name for name in record if name not in names]:
            text = unknown[0] if isinstance(unknown[0], str) else ""
            self.refuse(loggable(text), f"unknown field; {suggestion(text, names)}")

    def __contains__(self, name: str) -> bool:
        return self._record.get(name) is not None

    def get(self, name: str) -> Any:
        """Return a field as it is; None when absent."""
        return self._record.get(name)

    def place(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self._path}.{name}" if self._path else name

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise RecordError for a field."""
        raise RecordError(self.place(name), reason)

    def require(self, name: str, value: Any) -> Any:
        """Return the value that was read of a field that must be there."""
        if value is None:
            self.refuse(name, "is missing")
        return value

    def required(self, name: str) -> Any:
        """Return a field that must be there as it is."""
        return self.require(name, self._record.get(name))

    def text(self, name: str, longest: int) -> str | None:
        """Return a text of 1 to `longest` characters; None when absent."""
        value = self._record.get(name)
        return None if value is None else self.text_of(name, value, longest)

    def text_of(self, name: str, value: Any, longest: int, shortest: int = 1) -> str:
        """Return a value if it is a text of `shortest` to `longest` characters."""
        if not isinstance(value, str):
            self.refuse(name, f"text is expected, {kind_of(value)} given")
        if not shortest <= len(value) <= longest:
            self.refuse(name, f"{shortest} to {longest} characters expected, {len(value)} given")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            self.refuse(name, "the text has half a surrogate pair, which is no character")
        return str(value)

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        """Return one of the texts in `choices`; None when absent."""
        value = self._record.get(name)
        if value is not None and value not in choices:
            self.refuse(name, f"one of {', '.join(choices)} is expected")
        return value

    def number(self, name: str, bounds: Bounds) -> float | None:
        """Return a number within bounds; None when absent."""
        value = self._record.get(name)
        return None if value is None else self.number_of(name, value, bounds)

    def number_of(self, name: str, value: Any, bounds: Bounds) -> float:
        """Return a value if it is a number within bounds."""
        number = self._real(name, value)
        if not bounds.low <= number <= bounds.high:
            self.refuse(name, f"a {bounds} is expected, {number} given")
        return number

    def probability_of(self, name: str, value: Any) -> float:
        """Return a value if it is a probability; one beyond 0 or 1 by the rounding of a float32 is clipped."""
        number = self._real(name, value)
        nearest = min(max(number, PROBABILITY.low), PROBABILITY.high)
        return nearest if abs(number - nearest) <= ROUNDING else self.number_of(name, number, PROBABILITY)

    def _real(self, name: str, value: Any) -> float:
        if type(value) is float:
            return value
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            self.refuse(name, f"a number is expected, {kind_of(value)} given")
        try:
            return float(value)
        except OverflowError:
            return math.inf

    def whole(self, name: str, bounds: Bounds) -> int | None:
        """Return a whole number within bounds; None when absent."""
        value = self._record.get(name)
        if value is None:
            return None
        is_whole = type(value) is int or (not isinstance(value, bool) and isinstance(value, numbers.Integral))
        if not is_whole or not bounds.low <= value <= bounds.high:
            self.refuse(name, f"{bounds} is expected")
        return int(value)

    def boolean(self, name: str) -> bool:
        """Return true or false; false when absent."""
        value = self._record.get(name)
        if value is not None and not isinstance(value, bool):
            self.refuse(name, f"true or false is expected, {kind_of(value)} given")
        return bool(value)

    def nanoseconds(self, name: str, bounds: Bounds) -> int | None:
        """Return a number of nanoseconds, or a timedelta as such a number; None when absent."""
        value = self._record.get(name)
        if not isinstance(value, timedelta):
            return self.whole(name, bounds)
        spent = value // timedelta(microseconds=1) * NANOSECONDS_OF_A_MICROSECOND
        if not bounds.hold(spent):
            self.refuse(name, f"{bounds} (nanoseconds) is expected")
        return spent

    def moment(self, name: str, now: datetime) -> datetime | None:
        """Return a time as UTC, from 1970 to a day ahead: a datetime with an offset, or a text of RFC 3339."""
        value = self._record.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            value = moment_of(value)
        if not isinstance(value, datetime) or value.tzinfo is None:
            self.refuse(name, "a datetime with an offset, or a text such as 2026-11-23T10:00:00.123456Z, is expected")
        try:
            return in_utc(value, now)
        except ValueError as error:
            self.refuse(name, str(error))


def in_utc(moment: datetime, now: datetime) -> datetime:
    """Return a time with an offset as UTC.

    Raises
    ------
    ValueError
        If it is before 1970, or more than a day after now; the message says what is expected.
    """
    try:
        converted = moment.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("a time since 1970 is expected") from None
    if converted.year < 1970:
        raise ValueError("a time since 1970 is expected")
    if converted > now + MOST_AHEAD:
        raise ValueError("a time at most a day ahead is expected")
    return converted


def moment_of(text: str) -> datetime | None:
    """Return the time of a text of RFC 3339; None if it is none.

    >>> moment_of("2026-11-23T10:00:00Z").isoformat(), moment_of("yesterday")
    ('2026-11-23T10:00:00+00:00', None)
    """
    try:
        return datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("z", "Z") else text)
    except ValueError:
        return None


def kind_of(value: Any) -> str:
    """Return the name of a value's type in words.

    >>> kind_of([]), kind_of(1.5), kind_of(None), kind_of(timedelta())
    ('a list', 'a number', 'None', 'a timedelta')
    """
    if value is None:
        return "None"
    kinds: tuple[tuple[type, str], ...] = (
        (bool, "true or false"),
        (str, "text"),
        (numbers.Real, "a number"),
        (Mapping, "a mapping"),
        (Sequence, "a list"),
    )
    return next((words for kind, words in kinds if isinstance(value, kind)), f"a {type(value).__name__}")


def _plain(name: str) -> str:
    """Return the name of a dataclass's field as mappings have it: `class` is no name in Python."""
    return "class" if name == "class_name" else name
