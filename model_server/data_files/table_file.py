"""Reads the rows of CSV, NDJSON and Parquet files, in constant memory."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from monitor_agent.errors import DataError
from monitor_agent.extras import PARQUET_FILES, loading
from monitor_agent.files import readable_name

HINT = "give a CSV with a header, one JSON object a line (.ndjson), or a Parquet file (.parquet)"
JSON_SUFFIXES = (".ndjson", ".jsonl", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")
COMPRESSED = ".gz"
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
PARQUET_BATCH = 4096
CHUNK = 1 << 16


@dataclass(frozen=True)
class TableRow:
    """One row of a file.

    Attributes
    ----------
    number : of its (last) line in the file, or of the row in a Parquet file; from 1.
    values : by the names of the columns. Those of a CSV file are texts, and None where the row is too short.
    """

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class TableFile:
    """A file of rows; its suffix says which kind it is: `.ndjson`, `.jsonl`, `.json`, `.parquet`, `.pq`, else CSV.

    CSV and NDJSON files may be compressed by gzip (`.gz`).
    """

    path: Path

    @property
    def is_text(self) -> bool:
        """Whether all its values are texts, as in a CSV file."""
        return self._suffix not in (*JSON_SUFFIXES, *PARQUET_SUFFIXES)

    @property
    def _suffix(self) -> str:
        path = self.path.with_suffix("") if self.path.suffix == COMPRESSED else self.path
        return path.suffix.lower()

    def rows(self) -> Iterator[TableRow]:
        """Yield all rows.

        Raises
        ------
        DataError
            If the file cannot be read, or a row is malformed; the error names it.
        MissingPackageError
            If the file is a Parquet file, and PyArrow is missing.
        """
        try:
            if self._suffix in PARQUET_SUFFIXES:
                yield from _parquet_rows(self.path)
                return
            with self._open() as lines:
                yield from self._json_rows(lines) if self._suffix in JSON_SUFFIXES else self._csv_rows(lines)
        except (OSError, EOFError) as error:
            reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
            raise DataError(f"{self.path} cannot be read ({reason})", HINT) from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self.path} is not UTF-8 text in the expected form ({error})", HINT) from error

    def facts(self, rows: int) -> dict[str, Any]:
        """Return what a model card says about the file: its name, size, rows and SHA-256.

        Raises
        ------
        DataError
            If the file cannot be read.
        """
        digest, size = hashlib.sha256(), 0
        try:
            with self.path.open("rb") as stream:
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read ({error.strerror})", HINT) from error
        return {"name": readable_name(self.path.name), "bytes": size, "rows": rows, "sha256": digest.hexdigest()}

    def lacks(self, names: Iterable[str], row: TableRow, hint: str) -> DataError:
        """Return the error that a row has not all columns; it names those that are there."""
        missing = [name for name in names if name not in row.values]
        columns = ", ".join(str(name) for name in row.values if name is not None) or "none"
        noun = "column" if len(missing) == 1 else "columns"
        return DataError(f"{self.path}:{row.number} has no {noun} {', '.join(missing)}; it has {columns}", hint)

    def _open(self) -> IO[str]:
        # A byte order mark is no part of the first name.
        if self.path.suffix == COMPRESSED:
            return gzip.open(self.path, "rt", encoding="utf-8-sig", newline="")
        return self.path.open(encoding="utf-8-sig", newline="")

    def _csv_rows(self, lines: Iterable[str]) -> Iterator[TableRow]:
        reader = csv.DictReader(lines)
        names = list(reader.fieldnames or ())
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"{self.path}:1 has the column {twice} twice", "rename one of them")
        for row in reader:
            if None in row:
                count = len(names) + len(row[None])
                problem = f"{self.path}:{reader.line_num} has {count} values for {len(names)} columns"
                raise DataError(problem, "quote values that hold commas")
            yield TableRow(reader.line_num, row)

    def _json_rows(self, lines: Iterable[str]) -> Iterator[TableRow]:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{self.path}:{number} is no JSON ({error})", HINT) from error
            if not isinstance(row, dict):
                raise DataError(f"{self.path}:{number} is no JSON object", HINT)
            yield TableRow(number, row)


def _parquet_rows(path: Path) -> Iterator[TableRow]:
    with loading(PARQUET_FILES):
        import pyarrow
        from pyarrow import parquet
    try:
        with parquet.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=PARQUET_BATCH)
            for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), 1):
                yield TableRow(number, row)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} is no Parquet file that can be read ({_first_line(error)})", HINT) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_missing(value: Any) -> bool:
    """Return whether a row has no value in a column: null, not a number, or an empty text.

    >>> [is_missing(value) for value in (None, "", float("nan"), 0, " ")]
    [True, True, True, False, False]
    """
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def label_of(value: Any) -> int | None:
    """Return the label that a row has; None if it is neither 0 nor 1.

    >>> [label_of(value) for value in (1, "0", True, " 1.0 ", "yes", None)]
    [1, 0, 1, 1, None, None]
    """
    return LABELS.get(str(value).strip().lower())
