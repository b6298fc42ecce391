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
from monitor_agent.settings.import_tables import IMPORTS, ImportTable, import_tables_of
from monitor_agent.settings.model_settings import ModelSettings
from monitor_agent.settings.model_tables import DEFAULT, Table, Tables, parse_tables
from monitor_agent.settings.names import without_kubernetes
from monitor_agent.settings.notify_settings import NotifyTables, notify_tables_of, without_notify_tables
from monitor_agent.settings.sections import AgentSettings, Settings
from monitor_agent.settings.setting_info import info_of
from monitor_agent.settings.source_mapping import TABLE, SourceMapping, mappings_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

AGENT, MODELS = "agent", "models"
"""The section of the agents, and the tables of models, in the file."""


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
    toml_path : an optional file; a key in it that is no setting is an error. What its `[models.default]` states comes
        before its `[agent]`.

    Raises
    ------
    SettingsError
        If a setting is unknown or malformed; it names the setting.
    """
    environ = without_kubernetes(environ)
    document = _read_toml(toml_path) if toml_path else {}
    sections: dict[str, Any] = {entry.name: entry.default_factory for entry in fields(Settings)}
    tables_of_names = (MODELS, IMPORTS)
    unknown = sorted(set(document) - {*sections, *tables_of_names})
    if unknown:
        choices = [*sections, *tables_of_names]
        raise SettingsError(f"{toml_path}: unknown table [{unknown[0]}]", suggestion(unknown[0], choices))
    import_tables_of(document.get(IMPORTS, {}), str(toml_path))
    notify_tables_of(document, environ, str(toml_path))
    document, _ = _without_mappings(without_notify_tables(document), toml_path)
    default = parse_tables(document.get(MODELS, {}), str(toml_path)).get(DEFAULT, {})
    tables = {name: document.get(name, {}) for name in sections}
    if isinstance(tables[AGENT], Mapping):
        tables[AGENT] = {**tables[AGENT], **default}
    return Settings(
        **{name: _section(kind, tables[name], environ, f"{toml_path}: {name}.") for name, kind in sections.items()}
    )


def read_tables(toml_path: Path) -> Tables:
    """Return the tables of models of a file; its other tables are not read.

    Raises
    ------
    SettingsError
        If the file cannot be read or has no table of a model, or a table or a key is unknown or malformed.
    """
    tables = parse_tables(_read_toml(toml_path).get(MODELS, {}), str(toml_path))
    if not tables:
        raise SettingsError(f"{toml_path} has no table of a model", "write [models.default] with its keys below")
    return tables


def stated_for_models(environ: Mapping[str, str], toml_path: Path | None = None) -> Table:
    """Return where the environment or `[agent]` of a file states settings of models: key -> name of the setting.

    Raises
    ------
    SettingsError
        If the file cannot be read.
    """
    environ = without_kubernetes(environ)
    document = _read_toml(toml_path) if toml_path else {}
    # What `[models.default]` of the same file states is meant for `models apply`.
    table = document.get(AGENT, {}).keys() - document.get(MODELS, {}).get(DEFAULT, {}).keys()
    places = {}
    for entry in fields(ModelSettings):
        variable = info_of(entry).variable
        if variable in environ:
            places[entry.name] = variable
        elif entry.name in table:
            places[entry.name] = f"{toml_path}: {AGENT}.{entry.name}"
    return places


def read_mappings(toml_path: Path | None) -> dict[str, SourceMapping]:
    """Return the tables `[receive.NAME]` of a file by their names.

    Raises
    ------
    SettingsError
        If a key or a value is wrong; it names the key.
    """
    return _without_mappings(_read_toml(toml_path) if toml_path else {}, toml_path)[1]


def read_import_tables(toml_path: Path | None) -> dict[str, ImportTable]:
    """Return the tables `[imports.NAME]` of a file by their names.

    Raises
    ------
    SettingsError
        If a key or a value is wrong; it names the key.
    """
    document = _read_toml(toml_path) if toml_path else {}
    return import_tables_of(document.get(IMPORTS, {}), str(toml_path))


def read_mapped_fields(toml_path: Path | None) -> tuple[str, ...]:
    """Return the fields that the tables `[receive.NAME]` and `[imports.NAME]` of a file fill, such as `labels.scene`.

    Raises
    ------
    SettingsError
        If a key or a value is wrong; it names the key.
    """
    received = [name for mapping in read_mappings(toml_path).values() for name in mapping.inputs]
    imported = [name for table in read_import_tables(toml_path).values() for name in table.map]
    return tuple(dict.fromkeys([*received, *imported]))


def read_notify_tables(environ: Mapping[str, str], toml_path: Path | None) -> NotifyTables:
    """Return the tables `[notify.channels]` and `[[notify.routes]]` of a file.

    Raises
    ------
    SettingsError
        If a key or a value is wrong, or the environment lacks a variable that a channel names; it names the key.
    """
    return notify_tables_of(_read_toml(toml_path) if toml_path else {}, environ, str(toml_path))


def _without_mappings(
    document: dict[str, Any], toml_path: Path | None
) -> tuple[dict[str, Any], dict[str, SourceMapping]]:
    """Return a document without the tables below `[receive]`, and these tables."""
    section = document.get(TABLE, {})
    if not isinstance(section, Mapping):
        return document, {}
    tables = {name: value for name, value in section.items() if isinstance(value, Mapping)}
    keys = {name: value for name, value in section.items() if name not in tables}
    return {**document, TABLE: keys}, mappings_of(tables, f"{toml_path}: {TABLE}.")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return document
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror})", "check the path") from error
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


def process_environment_of(agent: AgentSettings) -> dict[str, str]:
    """Return the environment variables of an agent's process; those of models stay out, the cluster holds them."""
    of_models = {info_of(entry).variable for entry in fields(ModelSettings)}
    return {name: text for name, text in environment_of(agent).items() if name not in of_models}


def environment_of(settings: Any) -> dict[str, str]:
    """Return the environment variables of a section, for a child process that loads the same settings."""
    return {info_of(entry).variable: as_text(getattr(settings, entry.name)) for entry in fields(settings)}
