"""The tables `[imports.NAME]`: how the columns of a kind of file are read, in place of options of `import` (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor_agent.errors import SettingsError, suggestion
from monitor_agent.settings.conversion import read_table

IMPORTS = "imports"


@dataclass(frozen=True)
class ImportTable:
    """The options of `monitor-agent import` that a table names; its keys are the names of the options.

    Attributes
    ----------
    map : field of a prediction or a label -> the column that holds it.
    """

    model: str = ""
    version: str = ""
    positive: tuple[str, ...] = ()
    time_zone: str = ""
    time_format: str = ""
    feedback_type: str = ""
    threshold: float | None = None
    map: Mapping[str, str] = field(default_factory=dict)


def import_tables_of(tables: Any, place: str) -> dict[str, ImportTable]:
    """Return the tables below `[imports]` by their names.

    Parameters
    ----------
    place : the file, for an error.

    Raises
    ------
    SettingsError
        If a key or a value is wrong; it names the key.
    """
    if not isinstance(tables, Mapping):
        raise SettingsError(f"{place}: {IMPORTS} is not a table", f"write it as [{IMPORTS}.NAME] with its keys below")
    return {name: read_table(ImportTable, table, f"{place}: {IMPORTS}.{name}", {}) for name, table in tables.items()}


def import_table(tables: Mapping[str, ImportTable], name: str) -> ImportTable:
    """Return the table of a name.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if name not in tables:
        raise SettingsError(
            f"there is no table [{IMPORTS}.{name}]",
            suggestion(name, tables) if tables else f"write [{IMPORTS}.{name}] into the file of --config",
        )
    return tables[name]
