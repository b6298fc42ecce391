"""The doors for tables: the rows of a log as CSV, Parquet and NDJSON, read by `monitor-agent import`."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from monitor_agent.pipeline import instants
from tests.cluster import Cluster
from tests.command_environments import import_variables
from tests.command_line import monitor_agent

CSV, PARQUET, NDJSON = "csv", "parquet", "ndjson"
"""The formats, which are also the names of the models."""
FORMATS = (CSV, PARQUET, NDJSON)
COLUMNS = {
    "id": "Case [no]",
    "time": "shown at (UTC)",
    "score": "p(click)",
    "label": "clicked?",
    "feedback_time": "clicked at",
    "item": "item, id",
    "position": "place",
    "propensity": "p(shown)",
    "ranking": "page",
    "rank": "rank on page",
}
"""Field -> column, as a stranger names them."""


@dataclass(frozen=True)
class LoggedRow:
    """A row of the log.

    Attributes
    ----------
    fields : by the names of the fields of an import; None = the row has none.
    """

    fields: Mapping[str, Any]

    def id_in(self, model: str) -> str:
        """Return the id of its prediction by a model: an id is used once in a cluster."""
        return f"{model}-{self.fields['id']}"

    def values(self, model: str) -> dict[str, Any]:
        """Return its values by the names of the columns."""
        fields = {**self.fields, "id": self.id_in(model)}
        return {COLUMNS.get(field, field): value for field, value in fields.items()}


def write_tables(folder: Path, rows: Sequence[LoggedRow]) -> dict[str, Path]:
    """Write the rows in each format; return format -> file."""
    folder.mkdir()
    tables = {name: [row.values(name) for row in rows] for name in FORMATS}
    paths = {name: folder / f"log.{name}" for name in FORMATS}
    with paths[CSV].open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, tables[CSV][0], delimiter=";")
        writer.writeheader()
        writer.writerows({name: _as_text(value) for name, value in row.items()} for row in tables[CSV])
    parquet.write_table(pyarrow.Table.from_pylist(tables[PARQUET]), paths[PARQUET])
    lines = (json.dumps(row, default=instants.text) + "\n" for row in tables[NDJSON])
    paths[NDJSON].write_text("".join(lines), encoding="utf-8")
    return paths


def _as_text(value: Any) -> Any:
    return instants.text(value) if isinstance(value, datetime) else value


def import_tables(paths: Mapping[str, Path], rows: Sequence[LoggedRow], threshold: float, now: datetime) -> None:
    """Import each table as the model of its format; the days are computed as of `now`."""
    mapped = ",".join(f"{field}={COLUMNS.get(field, field)}" for field in rows[0].fields)
    for model, path in paths.items():
        options = ("--map", mapped, "--threshold", repr(threshold), "--now", instants.text(now))
        assert monitor_agent("import", str(path), "--model", model, "--version", "1", *options) == 0


@contextmanager
def import_environment(cluster: Cluster, folder: Path) -> Iterator[None]:
    """Let the commands of this process use a cluster."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in import_variables(cluster, folder).items():
            environment.setenv(name, value)
        yield
