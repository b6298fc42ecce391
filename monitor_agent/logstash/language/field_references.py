"""References to fields: `name` or `[outer][inner]`, compiled once to functions that get, set and remove.

An element of a list is named by its index; a negative index counts from the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from monitor_agent.logstash.events.timestamps import Timestamp
from monitor_agent.logstash.plugin import Event

Getter = Callable[[Event], Any]

_MISSING = object()
_INDEX = re.compile(r"[+-]?[0-9]+")
_FURTHEST = 1000
"""The most elements that setting one element adds to a list."""


class FieldError(Exception):
    """Raised if a field cannot be set: a field in its path is neither object nor list, or its type is fixed."""


class FieldReference:
    """A field of an event.

    Attributes
    ----------
    text, path : as written, and the names in it.
    get : returns the field's value from an event; None if it is missing.
    """

    __slots__ = ("get", "path", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.path = _split(text)
        self.get = _getter(self.path)

    def has(self, event: Event) -> bool:
        """Return whether the field is there; it may be null."""
        return _walk(event, self.path) is not _MISSING

    def set(self, event: Event, value: Any) -> None:
        """Set the field, and make the objects in its path.

        Raises
        ------
        FieldError
            If it cannot be set.
        """
        head, last = self.path[:-1], self.path[-1]
        if not head:
            _set_top(event, last, value)
            return
        if head[0] == "tags":
            raise FieldError(f"{self.text} cannot be set: tags are a text or a list of texts")
        container: Any = event
        for key in head:
            inner = _child(container, key)
            if inner is _MISSING:
                inner = {}
                _put(container, key, inner, self.text)
            container = inner
        _put(container, last, value, self.text)

    def remove(self, event: Event) -> Any:
        """Remove the field; return its value, None if it was missing. `@metadata` is emptied."""
        container = _walk(event, self.path[:-1])
        last = self.path[-1]
        if type(container) is dict:
            return container.pop(last, None)
        if type(container) is list:
            index = _index(last, len(container))
            return None if index is None else container.pop(index)
        return None


@lru_cache(maxsize=10_000)
def field_reference(text: str) -> FieldReference:
    """Return the reference for `text`.

    Raises
    ------
    ValueError
        If it is malformed.

    >>> field_reference("[a][b]").get({"a": {"b": 1}})
    1
    >>> field_reference("[a][-1]").get({"a": [1, 2]})
    2
    """
    return FieldReference(text)


def legal_tags(value: Any) -> bool:
    """Return whether a value may be `tags`: text, or a list of text."""
    return type(value) is str or (type(value) is list and all(type(tag) is str for tag in value))


def _split(text: str) -> tuple[str, ...]:
    """Return the names in a reference; brackets around a whole reference, as in `[[a][b]][c]`, change nothing."""
    if "[" not in text and "]" not in text:
        return (text,)
    names: list[str] = []
    depth = start = 0
    before = ""
    for place, letter in enumerate(text):
        if letter == "[":
            legal = start == place
            depth, start = depth + 1, place + 1
        elif letter == "]":
            legal = depth > 0 and (start < place or before == "]")
            if start < place:
                names.append(text[start:place])
            depth, start = depth - 1, place + 1
        else:
            legal = before != "]"
        if not legal:
            break
        before = letter
    if not legal or depth or not names:
        raise ValueError(f"{text!r} is no field; write name or [outer][inner]")
    return tuple(names)


def _getter(path: tuple[str, ...]) -> Getter:
    """Return the function that gets the field; the usual depths have fast functions, as they run for every event."""
    first = path[0]
    if path == ("@metadata",):  # an event always has it
        return lambda event: event.get("@metadata", {})
    if len(path) == 1:
        return lambda event: event.get(first)
    if len(path) == 2:
        second = path[1]

        def get_second(event: Event) -> Any:
            outer = event.get(first)
            if type(outer) is dict:
                return outer.get(second)
            return None if outer is None else _value(_child(outer, second))

        return get_second
    return lambda event: _value(_walk(event, path))


def is_index(key: str) -> bool:
    """Return whether a name in a path may be the index of an element."""
    return _INDEX.fullmatch(key) is not None


def inner_value(container: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a path within a value; None if there is none."""
    return _value(_walk(container, path))


def _value(result: Any) -> Any:
    return None if result is _MISSING else result


def _walk(event: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        event = _child(event, key)
        if event is _MISSING:
            return _MISSING
    return event


def _child(container: Any, key: str) -> Any:
    if type(container) is dict:
        return container.get(key, _MISSING)
    if type(container) is list:
        index = _index(key, len(container))
        return _MISSING if index is None else container[index]
    return _MISSING


def _index(key: str, length: int) -> int | None:
    if not _INDEX.fullmatch(key):
        return None
    index = int(key)
    return index % length if -length <= index < length else None


def _put(container: Any, key: str, value: Any, text: str) -> None:
    if type(container) is dict:
        container[key] = value
    elif type(container) is list:
        if not _INDEX.fullmatch(key):
            return  # as in Logstash: a list has no such element, and nothing happens
        index = int(key)
        if not -len(container) <= index < len(container):
            if index < 0 or index > len(container) + _FURTHEST:
                raise FieldError(f"{text} cannot be set: the list is too short")
            container.extend([None] * (index + 1 - len(container)))
        container[index] = value
    else:
        raise FieldError(f"{text} cannot be set: its outer field is neither an object nor a list")


def _set_top(event: Event, name: str, value: Any) -> None:
    if name == "@timestamp" and type(value) is not Timestamp:
        raise FieldError("@timestamp can only be set to a time")
    if name == "@metadata" and type(value) is not dict:
        raise FieldError("@metadata can only be set to an object")
    if name == "tags" and not legal_tags(value):
        raise FieldError("tags can only be set to a text or a list of texts")
    event[name] = value
