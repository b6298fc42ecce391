"""The tables `[imports.NAME]` of a settings file."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.settings import load, read_import_tables


def tables_of(folder: Path, text: str) -> Path:
    """Return a settings file with a text."""
    path = folder / "monitor.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_names_columns_and_options(tmp_path: Path) -> None:
    """Names with a dot may be tables in the table; numbers and lists have their types."""
    path = tables_of(
        tmp_path, '[imports.a]\nthreshold = 0.3\npositive = ["yes"]\n[imports.a.map]\nlabels.scene = "x y"\nid = "n"\n'
    )

    table = read_import_tables(path)["a"]

    assert (table.threshold, table.positive) == (0.3, ("yes",))
    assert table.map == {"labels.scene": "x y", "id": "n"}
    load({}, path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("imports = 3\n", "imports is not a table"),
        ("[imports]\na = 3\n", "imports.a is not a table"),
        ("[imports.a]\ntimezone = 'UTC'\n", "imports.a.timezone is unknown"),
        ("[imports.a]\nthreshold = 'high'\n", "imports.a.threshold"),
        ("[imports.a.map]\nid = 3\n", "imports.a.map.id=3 is malformed"),
    ],
)
def test_a_wrong_table_is_refused_by_every_command(tmp_path: Path, text: str, line: str) -> None:
    """The line names the key."""
    with pytest.raises(SettingsError, match=line):
        load({}, tables_of(tmp_path, text))
