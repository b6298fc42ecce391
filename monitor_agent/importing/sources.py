"""The files of an import: what they are, which columns they have, and whether they hold predictions or labels."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monitor_agent.errors import DataError
from monitor_agent.files import readable_name
from monitor_agent.importing.plans import FIELDS, ImportPlan
from monitor_agent.tables.table_file import COMPRESSED, HINT, TableFile, TableRow

CHUNK = 1 << 20


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
    first_names : the names in the first row, if each row has its own.
    """

    table: TableFile
    path: str
    sha256: str
    size: int
    columns: tuple[str, ...] | None
    about_rows: int
    first_names: frozenset[str] = frozenset()

    def holds_labels(self, plan: ImportPlan, values: Mapping[str, Any] | None = None) -> bool:
        """Return whether the rows, or the row with these values, are labels of predictions that are elsewhere."""
        names: Collection[str] = (self.columns or self.first_names) if values is None else values.keys()
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
    named = [source for source in sources if source.columns is not None]
    if not plan.columns:
        present = {column for source in named for column in source.columns or ()}
        plan = replace(plan, columns={field: field for field in FIELDS if not named or field in present})
    for field, column in plan.columns.items():
        if len(named) == len(sources) and not any(_has(source.columns or (), column) for source in named):
            raise DataError(f"{_listed(sources)} has no column {column}", f"{field} needs it; {_columns(named)}")
    for source in named:
        if source.holds_labels(plan):
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
        if column is None or not _has(source.columns or (), column):
            need = f"map it: --map {field}=COLUMN" if column is None else f"it has no column {column}"
            raise DataError(
                f"{source.table.path} has no {field} ({why}; {_columns([source])})", f"{need} (docs/import.md)"
            )


def _has(names: Any, column: str) -> bool:
    return column in names or column.split(".")[0] in names


def _columns(sources: Sequence[SourceFile]) -> str:
    names = dict.fromkeys(name for source in sources for name in source.columns or ())
    return f"the columns are {', '.join(names) or 'none'}"


def _listed(sources: Sequence[SourceFile]) -> str:
    return ", ".join(str(source.table.path) for source in sources)


def _source(path: Path) -> SourceFile:
    table = TableFile(path, delimiter="")
    is_text = not table.is_parquet
    decoder = codecs.getincrementaldecoder("utf-8")() if is_text and path.suffix != COMPRESSED else None
    digest, size, lines = hashlib.sha256(), 0, 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                if decoder is not None:
                    decoder.decode(chunk)
                size += len(chunk)
                lines += chunk.count(b"\n") if is_text else 0
        if decoder is not None:
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 (near byte {size + error.start + 1:,})",
            f"convert it, such as by: iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}",
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", HINT) from error
    columns = table.column_names()
    if columns is not None and not columns:
        raise DataError(f"{path} is empty", HINT)
    absolute = readable_name(str(path.absolute()))
    count = table.row_count() if table.is_parquet else lines
    names = None if columns is None else tuple(columns)
    first = next((row.values for row in table.all_rows() if row.values), {}) if columns is None else {}
    return SourceFile(table, absolute, digest.hexdigest(), size, names, count, frozenset(first))
