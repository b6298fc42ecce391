"""Loads the settings from the environment and a TOML file."""

from __future__ import annotations

import sys
import typing
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from monitor_agent.errors import SettingsError, in_one_line, suggestion
from monitor_agent.settings.contradictions import contradictions_of, refuse
from monitor_agent.settings.conversion import as_text, convert, require_port
from monitor_agent.settings.names import without_kubernetes
from monitor_agent.settings.sections import Settings
from monitor_agent.settings.setting_info import info_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def load(environ: Mapping[str, str], toml_path: Path | None = None) -> Settings:
    """Return the settings; the parameters are those of `read`.

    Raises
    ------
    SettingsError
        If a setting is unknown or malformed, or settings contradict each other; it names them.
    """
    settings = read(environ, toml_path)
    refuse(contradictions_of(settings))
    return settings


def read(environ: Mapping[str, str], toml_path: Path | None = None) -> Settings:
    """Return the settings, even if they contradict each other.

    Parameters
    ----------
    environ : the environment; variables that are no settings, and values from Kubernetes, are ignored.
    toml_path : an optional file; a key in it that is no setting is an error.

    Raises
    ------
    SettingsError
        If a setting is unknown or malformed; it names the setting.
    """
    environ = without_kubernetes(environ)
    document = _read_toml(toml_path) if toml_path else {}
    sections: dict[str, Any] = {entry.name: entry.default_factory for entry in fields(Settings)}
    unknown = sorted(set(document) - set(sections))
    if unknown:
        raise SettingsError(f"{toml_path}: unknown table [{unknown[0]}]", suggestion(unknown[0], sections))
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
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 (byte {error.start + 1})", "save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}", "correct the file") from error
    except (ValueError, RecursionError) as error:  # such as a NUL in the path, or tables inside tables without end
        raise SettingsError(f"{path}: {in_one_line(error)}", "correct the file") from error


def _section(kind: Any, table: Mapping[str, Any], environ: Mapping[str, str], prefix: str) -> Any:
    entries = {entry.name: entry for entry in fields(kind)}
    if not isinstance(table, Mapping):
        raise SettingsError(f"{prefix.rstrip('.')} is not a table", "write it as [section] with its keys below")
    for name in table:
        if name not in entries:
            raise SettingsError(f"{prefix}{name} is unknown", suggestion(name, entries))
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, entry in entries.items():
        variable = info_of(entry).variable
        if variable not in environ and name not in table:
            continue
        text, stated = (environ[variable], variable) if variable in environ else (table[name], prefix + name)
        values[name] = convert(text, hints[name], stated, info_of(entry).choices)
        if variable.endswith("_PORT"):
            require_port(values[name], stated)
    return kind(**values)


def environment_of(settings: Any) -> dict[str, str]:
    """Return the environment variables of a section, for a child process that loads the same settings."""
    return {info_of(entry).variable: as_text(getattr(settings, entry.name)) for entry in fields(settings)}
