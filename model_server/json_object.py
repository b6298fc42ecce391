"""Reads JSON objects field by field; an error names the path of the field, such as `instances[3].position`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import orjson

from model_server.errors import ValidationError
from monitor_agent.contracts.bounds import Bounds
from monitor_agent.prediction_log.names import loggable
from monitor_agent.prediction_log.record_fields import in_utc, moment_of

Value = TypeVar("Value")


def decode(body: bytes) -> Any:
    """Return the value that a JSON body holds.

    Raises
    ------
    ValidationError
        If the body is not JSON; the message gives the position.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValidationError(f"the body is not JSON ({error})") from error


class JsonObject:
    """A JSON object at a path; `null` means the same as an absent field.

    Parameters
    ----------
    value : the object; another value is refused.
    path : path of the object in the body, "" for the body itself.
    names : names of the fields that it may have; another name is refused.
    """

    def __init__(self, value: Any, path: str, names: Sequence[str]) -> None:
        self.path = path
        if not isinstance(value, dict):
            self._refuse_value(f"an object is expected, {kind_of(value)} given")
        self._value: dict[str, Any] = value
        for name in value:
            if name not in names:
                self.refuse(name, f"unknown field, known are {', '.join(names) or 'none'}")

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def has_others(self, names: Sequence[str]) -> bool:
        """Return whether it has other fields than these."""
        return not self._value.keys() <= set(names)

    def place(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise ValidationError for a field."""
        raise ValidationError(reason, self.place(name), self.place(loggable(name)))

    def _refuse_value(self, reason: str) -> NoReturn:
        raise ValidationError(reason if self.path else f"the body: {reason}", self.path)

    def required(self, name: str, read: Callable[[str], Value | None]) -> Value:
        """Return the value that `read`, such as one of the methods below, returns for a required field."""
        value = read(name)
        if value is None:
            self.refuse(name, "is missing")
        return value

    def text(self, name: str, longest: int, shortest: int = 1) -> str | None:
        """Return a text of `shortest` to `longest` characters; None when absent."""
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.refuse(name, f"text is expected, {kind_of(value)} given")
        if not shortest <= len(value) <= longest:
            self.refuse(name, f"{shortest} to {longest} characters expected, {len(value)} given")
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        """Return one of the texts in `choices`; None when absent."""
        value = self._value.get(name)
        if value is not None and value not in choices:
            self.refuse(name, f"one of {', '.join(choices)} is expected")
        return value

    def whole(self, name: str, bounds: Bounds) -> int | None:
        """Return a whole number within bounds; None when absent."""
        return self.integer(name, int(bounds.low), int(bounds.high))

    def integer(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number from `least` to `most`; None when absent."""
        value = self._value.get(name)
        if value is None:
            return None
        if type(value) is not int or not least <= value <= most:
            self.refuse(name, f"a whole number from {least} to {most} is expected")
        return value

    def number(self, name: str, bounds: Bounds) -> float | None:
        """Return a number within bounds; None when absent."""
        value = self._value.get(name)
        return None if value is None else self.number_of(name, value, bounds)

    def number_of(self, name: str, value: Any, bounds: Bounds) -> float:
        """Return the value of a member if it is a number within bounds; refuse it otherwise."""
        if not is_number(value):
            self.refuse(name, f"a number is expected, {kind_of(value)} given")
        if not bounds.hold(value):
            self.refuse(name, f"a number from {bounds.low:g} to {bounds.high:g} is expected, {value:g} given")
        return float(value)

    def boolean(self, name: str) -> bool | None:
        """Return true or false; None when absent."""
        value = self._value.get(name)
        if value is not None and not isinstance(value, bool):
            self.refuse(name, f"true or false is expected, {kind_of(value)} given")
        return value

    def moment(self, name: str, now: datetime) -> datetime | None:
        """Return the time, UTC, of an RFC 3339 text with an offset, from 1970 to a day ahead; None when absent."""
        text = self.text(name, 40)
        if text is None:
            return None
        moment = moment_of(text)
        if moment is None:
            self.refuse(name, "a time such as 2026-11-23T10:00:00.123456Z is expected")
        if moment.tzinfo is None:
            self.refuse(name, "a time with its offset, such as Z, is expected")
        try:
            return in_utc(moment, now)
        except ValueError as error:
            self.refuse(name, str(error))

    def integers(self, name: str, most: int, above: int) -> list[int] | None:
        """Return a list of at most `most` whole numbers from 0 to below `above`; None when absent."""
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or set(map(type, value)) != {int}:
            self.refuse(name, "a list of whole numbers is expected")
        if len(value) > most:
            self.refuse(name, f"at most {most} values are expected, {len(value)} given")
        if min(value) < 0 or max(value) >= above:
            self.refuse(name, f"values from 0 to {above - 1} expected, {min(value)} to {max(value)} given")
        return value

    def entries(self, name: str) -> Iterator[tuple[str, Any]]:
        """Return name and value of each entry of the object in a field; none when absent."""
        value = self._value.get(name)
        if value is None:
            return iter(())
        if not isinstance(value, dict):
            self.refuse(name, f"an object is expected, {kind_of(value)} given")
        return iter(value.items())

    def get(self, name: str) -> Any:
        """Return a field as it is; None when absent."""
        return self._value.get(name)


def elements(value: Any, path: str, most: int) -> Iterator[tuple[str, Any]]:
    """Return path and value of each element of a list.

    Raises
    ------
    ValidationError
        If the value is no list, or the list is empty or too long.
    """
    place = path or "the body"
    if not isinstance(value, list) or not value:
        raise ValidationError("a list that is not empty is expected", place)
    if len(value) > most:
        raise ValidationError(f"at most {most} elements are expected, {len(value)} given", place)
    return ((f"{path}[{index}]", element) for index, element in enumerate(value))


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def kind_of(value: Any) -> str:
    """Return the name of a value's JSON type.

    >>> kind_of([]), kind_of(1.5), kind_of(None)
    ('a list', 'a number', 'null')
    """
    kinds = {bool: "true or false", str: "text", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "a number")
