"""Tables of models, as `[models.default]` and `[models."NAME"]` of a TOML file write them, and how they change (pure).

A table holds the settings of one model, or of all models whose names match its pattern of shell wildcards. A model has
the settings of one table: the exact name comes before patterns, a longer pattern before a shorter one. What this table
leaves out comes from `default`, and what `default` leaves out from the defaults of the product.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from monitor_agent.errors import SettingsError, suggestion
from monitor_agent.settings.conversion import as_text, convert
from monitor_agent.settings.model_settings import ModelSettings
from monitor_agent.settings.setting_info import info_of

DEFAULT = "default"
"""The table of all models that no other table names."""

Table = Mapping[str, str]
"""Key -> value, in the form of an environment variable."""
Tables = Mapping[str, Table]
"""Name of a model, or a pattern of names -> its table."""

_ENTRIES = {entry.name: entry for entry in fields(ModelSettings)}
_KEYS = {info_of(entry).variable: name for name, entry in _ENTRIES.items()}
_VARIABLE = re.compile("|".join(sorted(_KEYS, key=len, reverse=True)))
_WILDCARD = re.compile(r"[*?[]")


@dataclass(frozen=True)
class TableChange:
    """One key of a table that changes.

    Attributes
    ----------
    before, after : its values; None = the table does not have the key.
    """

    table: str
    key: str
    before: str | None
    after: str | None

    @property
    def line(self) -> str:
        """The change in words.

        >>> TableChange("default", "base_window", "1m", "1h").line
        'models.default: base_window 1m -> 1h'
        """
        before, after = ("not set" if value is None else value or '""' for value in (self.before, self.after))
        return f"{title(self.table)}: {self.key} {before} -> {after}"


def title(table: str) -> str:
    """Return the name of a table as TOML writes it.

    >>> title("default"), title("fraud-*")
    ('models.default', 'models."fraud-*"')
    """
    return f"models.{table}" if table == DEFAULT else f'models."{table}"'


def parse_tables(document: Any, origin: str) -> dict[str, dict[str, str]]:
    """Return the tables of `[models]` of a TOML document, each value in its one form.

    Parameters
    ----------
    document : what TOML makes of `[models]`.
    origin : the file, for messages.

    Raises
    ------
    SettingsError
        If a table or a key is unknown, or a value is malformed; it names the key.
    """
    hints = typing.get_type_hints(ModelSettings)
    if not isinstance(document, Mapping):
        raise SettingsError(f"{origin}: models is not a table", "write [models.default] with its keys below")
    tables: dict[str, dict[str, str]] = {}
    for name, table in document.items():
        place = f"{origin}: {title(name)}"
        if not isinstance(table, Mapping):
            raise SettingsError(f"{place} is not a table", "write it as [models.default] with its keys below")
        tables[name] = {}
        for key, value in table.items():
            if key not in _ENTRIES and isinstance(value, Mapping):
                raise SettingsError(
                    f"{place}.{key} is a table within a table", f'quote a name with dots: [models."{name}.{key}"]'
                )
            if key not in _ENTRIES:
                raise SettingsError(f"{place}.{key} is unknown", suggestion(key, _ENTRIES))
            typed = convert(value, hints[key], f"{place}.{key}", info_of(_ENTRIES[key]).choices)
            tables[name][key] = as_text(typed)
    return tables


def plain(settings: ModelSettings) -> dict[str, str]:
    """Return all keys of a model's settings with their values as text.

    >>> plain(ModelSettings())["larger_windows"]
    '1h,1d'
    """
    return {name: as_text(getattr(settings, name)) for name in _ENTRIES}


def table_for(tables: Tables, model: str) -> str:
    """Return the name of the table that a model's settings come from.

    >>> tables = {"default": {}, "fraud-*": {}, "fraud-card*": {}, "fraud-card-2": {}}
    >>> [table_for(tables, name) for name in ("click", "fraud-x", "fraud-card-1", "fraud-card-2")]
    ['default', 'fraud-*', 'fraud-card*', 'fraud-card-2']
    """
    if model in tables:
        return model
    patterns = [name for name in tables if _WILDCARD.search(name) and fnmatchcase(model, name)]
    return min(patterns, key=lambda name: (-len(name), name), default=DEFAULT)


def settings_of_table(tables: Tables, name: str) -> ModelSettings:
    """Return the settings of a table, with what it leaves out from `default`.

    Raises
    ------
    SettingsError
        If the values contradict each other; it names the table and its keys.
    """
    hints = typing.get_type_hints(ModelSettings)
    texts = {**tables.get(DEFAULT, {}), **tables.get(name, {})}
    # A later release may have stored keys that this one does not have.
    values = {key: convert(text, hints[key], f"{title(name)}.{key}") for key, text in texts.items() if key in hints}
    try:
        return ModelSettings(**values)
    except SettingsError as error:
        raise of_table(error, name) from error


def of_table(error: SettingsError, name: str) -> SettingsError:
    """Return an error about environment variables as an error about the keys of a table."""
    message, hint = (_VARIABLE.sub(lambda match: _KEYS[match[0]], text) for text in (error.message, error.hint))
    return SettingsError(f"{title(name)}: {message}", hint)


def settings_of(tables: Tables, model: str) -> ModelSettings:
    """Return the settings of a model.

    Raises
    ------
    SettingsError
        If the values of its table contradict each other.
    """
    return settings_of_table(tables, table_for(tables, model))


def merged(stored: Tables, changed: Tables, *, replace: bool = False) -> dict[str, dict[str, str]]:
    """Return tables after those of a file are applied to them.

    Parameters
    ----------
    stored : the tables before.
    changed : the tables and keys that the file names.
    replace : whether the tables and keys that the file does not name go away.
    """
    if replace:
        return {DEFAULT: {}, **{name: dict(table) for name, table in changed.items()}}
    names = {**stored, **changed}
    return {name: {**stored.get(name, {}), **changed.get(name, {})} for name in names}


def changes_between(before: Tables, after: Tables) -> Iterator[TableChange]:
    """Yield each key of each table that changes, in order."""
    for name in sorted(before.keys() | after.keys(), key=lambda name: (name != DEFAULT, name)):
        old, new = before.get(name, {}), after.get(name, {})
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                yield TableChange(name, key, old.get(key), new.get(key))
