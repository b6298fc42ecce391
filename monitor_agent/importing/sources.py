"""The files of an import: what they are, which columns they have, and whether they hold predictions or labels."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from monitor_agent.errors import DataError
from monitor_agent.files import readable_name
from monitor_agent.importing.plans import FIELDS, ImportPlan, is_named_field
from monitor_agent.tables.table_file import HINT, TableFile, TableRow

CHUNK = 1 << 20
DEEPEST_NAME = 3
"""Steps of the longest name of a field, such as `features.numeric.price`."""


@dataclass(frozen=True)
class SourceFile:
    """A file of rows.

    Attributes
    ----------
    path : absolute.
    sha256 : of its bytes.
    size : bytes.
    columns : the names of its columns; None = each row has its own, as in NDJSON.
    about_rows : the number of rows; of a text, that of lines.
    """

    table: TableFile
    path: str
    sha256: str
    size: int
    columns: tuple[str, ...] | None
    about_rows: int

    @cached_property
    def first_names(self) -> Collection[str]:
        """The names of the columns; if each row has its own, those in the first row."""
        if self.columns is not None:
            return self.columns
        return frozenset(next((row.values for row in self.table.all_rows() if row.values), {}))

    @cached_property
    def names(self) -> Collection[str]:
        """The names of the columns, or those in all rows; the field `b` of an object `a` is `a.b`."""
        if self.columns is not None:
            return self.columns
        return frozenset(name for row in self.table.all_rows() for name in _names_in(row.values))

    def has_column(self, column: str) -> bool:
        """Return whether the file, or a row of it, has a column."""
        return _has(self.first_names, column) or _has(self.names, column)

    def holds_labels(self, plan: ImportPlan, values: Mapping[str, Any] | None = None) -> bool:
        """Return whether the rows, or the row with these values, are labels of predictions that are elsewhere."""
        names: Collection[str] = self.first_names if values is None else values.keys()
        outcome = plan.columns.get(plan.outcome_field)
        return outcome is None or not _has(names, outcome)

    def rows(self, plan: ImportPlan) -> Iterator[TableRow]:
        """Yield all rows; of a Parquet file, only the columns of the plan."""
        wanted_columns = None
        if self.columns is not None and self.table.is_parquet:
            chosen = set(plan.columns.values())
            tops = {column if column in self.columns else column.split(".")[0] for column in chosen}
            wanted_columns = [name for name in self.columns if name in tops]
        return self.table.all_rows(wanted_columns)


def source_files(names: Sequence[str]) -> list[SourceFile]:
    """Return the files, read once from beginning to end.

    Raises
    ------
    DataError
        If one cannot be read, or is no UTF-8 text.
    MissingPackageError
        If one is a Parquet file, and PyArrow is missing.
    """
    return [_source(Path(name)) for name in names]


def complete_plan(plan: ImportPlan, sources: Sequence[SourceFile]) -> ImportPlan:
    """Return the plan with the columns that have the names of fields, if it names no columns.

    Raises
    ------
    DataError
        If a column is missing, or a file holds neither predictions nor labels.
    """
    if not plan.columns:
        present = {name for source in sources for name in source.names}
        named = sorted(name for name in present if is_named_field(name))
        plan = replace(plan, columns={name: name for name in (*(name for name in FIELDS if name in present), *named)})
    # A file of JSON without any row that can be read has no names: its rows are refused one by one.
    filled = [source for source in sources if source.first_names]
    for field, column in plan.columns.items():
        if filled and not any(source.has_column(column) for source in filled):
            raise DataError(f"{_listed(sources)} has no column {column}", f"{field} needs it; {_columns(filled)}")
    for source in filled:
        outcome = plan.columns.get(plan.outcome_field)
        if outcome is None or not source.has_column(outcome):
            _require(source, plan, ("id", "label"), f"without {plan.outcome_field}, its rows are labels by id")
        else:
            _require(source, plan, ("time",), "a prediction needs a time")
    return plan


def _require(source: SourceFile, plan: ImportPlan, fields: Sequence[str], why: str) -> None:
    """Refuse a file that lacks the column of a field.

    Raises
    ------
    DataError
        If it lacks one.
    """
    for field in fields:
        column = plan.columns.get(field)
        if column is None or not source.has_column(column):
            need = f"map it: --map {field}=COLUMN" if column is None else f"it has no column {column}"
            raise DataError(
                f"{source.table.path} has no {field} ({why}; {_columns([source])})", f"{need} (docs/import.md)"
            )


def _has(names: Any, column: str) -> bool:
    return column in names or column.split(".")[0] in names


def _columns(sources: Sequence[SourceFile]) -> str:
    names = dict.fromkeys(name for source in sources for name in source.columns or sorted(source.names))
    return f"the columns are {', '.join(names) or 'none'}"


def _listed(sources: Sequence[SourceFile]) -> str:
    return ", ".join(str(source.table.path) for source in sources)


def _names_in(values: Mapping[str, Any], steps: int = DEEPEST_NAME) -> Iterator[str]:
    for name, value in values.items():
        yield name
        if isinstance(value, Mapping) and steps > 1:
            yield from (f"{name}.{inner}" for inner in _names_in(value, steps - 1))


def _source(path: Path) -> SourceFile:
    table = TableFile(path, delimiter="")
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", HINT) from error
    count = table.row_count() if table.is_parquet else _line_count(table)
    columns = table.column_names()
    if columns is not None and not columns:
        raise DataError(f"{path} is empty", HINT)
    absolute = readable_name(str(path.absolute()))
    names = None if columns is None else tuple(columns)
    return SourceFile(table, absolute, digest.hexdigest(), size, names, count)


def _line_count(table: TableFile) -> int:
    """Return the number of lines of a text that can be imported.

    Raises
    ------
    DataError
        If it cannot be read, is no UTF-8 text, is one JSON array, or has a quote that is not closed.
    """
    path, lines, quotes, beginning = table.path, 0, 0, ""
    with table.lines() as stream:
        while chunk := stream.read(CHUNK):
            beginning = beginning or chunk.lstrip()[:1]
            lines += chunk.count("\n")
            quotes += chunk.count('"')
    if table.is_json and beginning == "[":
        raise DataError(
            f"{path} is a JSON array, not one object a line",
            f"convert it, such as by: jq -c '.[]' {path.name} > {path.stem}.ndjson",
        )
    if table.is_text and quotes % 2:
        # Ids of rows may follow from the file's SHA-256: it must not be corrected after some rows are sent.
        for row in table.all_rows():
            if row.is_open:
                raise DataError(f"{path}:{row.number} {row.problem}", "close it; within quotes, write a quote twice")
    return lines
