"""Values of settings, as the environment and TOML files write them, in the type of their field (pure)."""

from __future__ import annotations

import types
import typing
from datetime import timedelta
from typing import Any

from monitor_agent.durations import parse_duration
from monitor_agent.errors import DataError, SettingsError

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def convert(value: Any, hint: Any, name: str, choices: tuple[str, ...] = ()) -> Any:
    """Return a value in the type that `hint` says; SettingsError, which calls it `name`, where that cannot be.

    >>> convert("90s", timedelta, "MONITOR_PERIOD"), convert("", int | None, "PORT"), convert("a, b", tuple[str], "X")
    (datetime.timedelta(seconds=90), None, ('a', 'b'))
    """
    try:
        converted = _typed(value, hint)
    except DataError as error:
        raise SettingsError(f"{name}={value!r} is malformed", error.hint) from error
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{name}={value!r} is malformed", str(error)) from error
    if choices and converted not in choices:
        raise SettingsError(f"{name}={value!r} is unknown", f"use one of {', '.join(choices)}")
    return converted


def _typed(value: Any, hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        return None if value in ("", None) else _typed(value, typing.get_args(hint)[0])
    if typing.get_origin(hint) is tuple:
        parts = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else list(value)
        return tuple(_typed(part, typing.get_args(hint)[0]) for part in parts)
    if hint is timedelta:
        return parse_duration(value) if isinstance(value, str) else _refuse("a duration such as 30m is expected")
    if hint is bool:
        return _boolean(value)
    if hint is str:
        return value if isinstance(value, str) else _refuse("text is expected")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return _refuse("a number is expected")
    return hint(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in _TRUE | _FALSE:
        return str(value).lower() in _TRUE
    return bool(_refuse("true or false is expected"))


def _refuse(expected: str) -> typing.NoReturn:
    raise ValueError(expected)
