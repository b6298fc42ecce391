"""Values of settings: from a text or a TOML value to the setting's type, and back to the text."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any, TypeVar

from monitor_agent.durations import format_duration, parse_duration
from monitor_agent.errors import DataError, SettingsError, suggestion
from monitor_agent.http_client.address import LARGEST_PORT

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}

T = TypeVar("T")


def as_text(value: Any) -> str:
    """Return the value of a setting in the form of its environment variable."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return ",".join(as_text(item) for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def convert(value: Any, hint: Any, name: str, choices: tuple[str, ...] = ()) -> Any:
    """Return a value in the type of `hint`.

    Raises
    ------
    SettingsError
        If the value is malformed; the message contains `name`.

    >>> convert("90s", timedelta, "MONITOR_PERIOD"), convert("", int | None, "PORT"), convert("a, b", tuple[str], "X")
    (datetime.timedelta(seconds=90), None, ('a', 'b'))
    """
    try:
        converted = _typed(value, hint)
    except DataError as error:
        raise SettingsError(f"{name}={value!r} is malformed", error.hint) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise SettingsError(f"{name}={value!r} is malformed", str(error)) from error
    if choices and converted not in choices:
        listed = ", ".join(choice or '""' for choice in choices)
        raise SettingsError(f"{name}={value!r} is unknown", f"use one of {listed}")
    return converted


def read_table(kind: type[T], table: Any, place: str, choices: Mapping[str, tuple[str, ...]]) -> T:
    """Return a table of the settings file as the dataclass whose fields are its keys.

    Parameters
    ----------
    place : the table, for an error, such as `monitor.toml: receive.click`.
    choices : key -> the texts that it may have.

    Raises
    ------
    SettingsError
        If a key or a value is wrong; it names the key.
    """
    hints = typing.get_type_hints(kind)
    names = [entry.name for entry in fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in _table(table, place).items():
        if name not in names:
            raise SettingsError(f"{place}.{name} is unknown", suggestion(name, names))
        if typing.get_origin(hints[name]) is Mapping:
            values[name] = _texts(value, f"{place}.{name}")
        else:
            values[name] = convert(value, hints[name], f"{place}.{name}", choices.get(name, ()))
    return kind(**values)


def _texts(value: Any, place: str, above: str = "") -> dict[str, str]:
    """Return a table of texts; a table in it is a name with a dot, such as `labels.scene`."""
    texts: dict[str, str] = {}
    for name, entry in _table(value, place).items():
        if isinstance(entry, Mapping):
            texts |= _texts(entry, f"{place}.{name}", f"{above}{name}.")
        elif isinstance(entry, str) and entry:
            texts[above + name] = entry
        else:
            raise SettingsError(f"{place}.{name}={entry!r} is malformed", "write a text in quotation marks")
    return texts


def _table(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        name = place.rpartition(": ")[2]
        raise SettingsError(f"{place} is not a table", f"write [{name}] with its keys below")
    return value


def require_port(port: int | None, name: str) -> None:
    """Refuse a number that is no port: the system would take another one in its place, without a word.

    Raises
    ------
    SettingsError
        If the number is no port; the message contains `name`.
    """
    if port is not None and not 0 <= port <= LARGEST_PORT:
        raise SettingsError(f"{name}={port} is no port", f"give a number from 0 to {LARGEST_PORT}")


def _typed(value: Any, hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return None if value in ("", None) else _typed(value, typing.get_args(hint)[0])
    if typing.get_origin(hint) is tuple:
        items = [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else list(value)
        return tuple(_typed(item, typing.get_args(hint)[0]) for item in items)
    if hint is timedelta:
        return parse_duration(value) if isinstance(value, str) else _refuse("a duration such as 30m is expected")
    if hint is bool:
        return _boolean(value)
    if hint is str:
        return value if isinstance(value, str) else _refuse("text is expected")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return _refuse("a number is expected")
    try:
        return hint(value)
    except ValueError:
        return _refuse("a whole number is expected" if hint is int else "a number is expected")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in _TRUE | _FALSE:
        return str(value).lower() in _TRUE
    return bool(_refuse("true or false is expected"))


def _refuse(expected: str) -> typing.NoReturn:
    raise ValueError(expected)
