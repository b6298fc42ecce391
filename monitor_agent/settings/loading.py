"""Loads the settings from the environment and a TOML file, and converts values between text and their types."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from monitor_agent.durations import format_duration, parse_duration
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.settings.sections import Settings, info_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def load(environ: Mapping[str, str], toml_path: Path | None = None) -> Settings:
    """Return the settings.

    Parameters
    ----------
    environ : the environment; variables that are no settings are ignored.
    toml_path : an optional file; a key in it that is no setting is an error.

    Raises
    ------
    SettingsError
        If a setting is unknown or malformed; it names the setting.
    """
    document = _read_toml(toml_path) if toml_path else {}
    sections: dict[str, Any] = {entry.name: entry.default_factory for entry in fields(Settings)}
    unknown = sorted(set(document) - set(sections))
    if unknown:
        raise SettingsError(f"{toml_path}: unknown table [{unknown[0]}]", f"known are {', '.join(sections)}")
    return Settings(
        **{
            name: _section(kind, document.get(name, {}), environ, f"{toml_path}: {name}.")
            for name, kind in sections.items()
        }
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return document
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror})", "check --config") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}", "correct the file") from error


def _section(kind: Any, table: Mapping[str, Any], environ: Mapping[str, str], prefix: str) -> Any:
    entries = {entry.name: entry for entry in fields(kind)}
    if not isinstance(table, Mapping):
        raise SettingsError(f"{prefix.rstrip('.')} is not a table", "write it as [section] with its keys below")
    for name in table:
        if name not in entries:
            raise SettingsError(f"{prefix}{name} is unknown", f"known are {', '.join(entries)}")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, entry in entries.items():
        variable = info_of(entry).variable
        if variable in environ:
            values[name] = convert(environ[variable], hints[name], variable, info_of(entry).choices)
        elif name in table:
            values[name] = convert(table[name], hints[name], prefix + name, info_of(entry).choices)
    return kind(**values)


def environment_of(settings: Any) -> dict[str, str]:
    """Return the environment variables of a section, for a child process that loads the same settings."""
    return {info_of(entry).variable: as_text(getattr(settings, entry.name)) for entry in fields(settings)}


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
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{name}={value!r} is malformed", str(error)) from error
    if choices and converted not in choices:
        raise SettingsError(f"{name}={value!r} is unknown", f"use one of {', '.join(choices)}")
    return converted


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
    return hint(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in _TRUE | _FALSE:
        return str(value).lower() in _TRUE
    return bool(_refuse("true or false is expected"))


def _refuse(expected: str) -> typing.NoReturn:
    raise ValueError(expected)
