"""Reads the rows of CSV, NDJSON and Parquet files, in constant memory."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import IO, Any

from monitor_agent.errors import DataError
from monitor_agent.extras import PARQUET_FILES, loading
from monitor_agent.files import readable_name
from monitor_agent.tables.csv_text import CsvText

HINT = "give a CSV with a header, one JSON object a line (.ndjson), or a Parquet file (.parquet)"
JSON_SUFFIXES = (".ndjson", ".jsonl", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")
COMPRESSED = ".gz"
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
PARQUET_BATCH = 4096
CHUNK = 1 << 16
OTHER_FORMATS: dict[bytes, tuple[str, str]] = {
    b"\xff\xfe": ("UTF-16", "save it as UTF-8, such as by: iconv -f utf-16 -t utf-8 OLD > NEW"),
    b"\xfe\xff": ("UTF-16", "save it as UTF-8, such as by: iconv -f utf-16 -t utf-8 OLD > NEW"),
    b"PK\x03\x04": ("an archive, such as a file of Excel", "save the table as CSV"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unpack it, such as by: unzstd FILE"),
    b"\x1f\x8b": ("compressed by gzip", "let its name end with .gz"),
    b"BZh": ("compressed by bzip2", "unpack it, such as by: bunzip2 FILE"),
    b"\xfd7zXZ": ("compressed by xz", "unpack it, such as by: unxz FILE"),
    b"PAR1": ("a Parquet file", "let its name end with .parquet"),
}
"""First bytes of files that are no text, what they are, and what to do."""


@dataclass(frozen=True)
class TableRow:
    """One row of a file.

    Attributes
    ----------
    number : of its (last) line in the file, or of the row in a Parquet file; from 1.
    values : by the names of the columns. Those of a CSV file are texts, and None where the row is too short.
    problem, remedy : why the row cannot be read, and what to do; empty if it can. Then `text` is what is there.
    is_open : whether the problem is a quote that is not closed.
    extent : the lines of a row of a CSV file that lacks values, if it has several; else empty.
    """

    number: int
    values: Mapping[str, Any]
    problem: str = ""
    remedy: str = ""
    text: str = ""
    is_open: bool = False
    extent: str = ""


@dataclass(frozen=True)
class TableFile:
    """A file of rows; its suffix says which kind it is: `.ndjson`, `.jsonl`, `.json`, `.parquet`, `.pq`, else CSV.

    CSV and NDJSON files may be compressed by gzip (`.gz`).

    Attributes
    ----------
    delimiter : between the values of a CSV file; empty = the one of `DELIMITERS` that the header has most often.
    """

    path: Path
    delimiter: str = ","

    @cached_property
    def is_text(self) -> bool:
        """Whether all its values are texts, as in a CSV file."""
        return self._suffix not in (*JSON_SUFFIXES, *PARQUET_SUFFIXES)

    @cached_property
    def is_json(self) -> bool:
        """Whether it has one JSON object a line."""
        return self._suffix in JSON_SUFFIXES

    @cached_property
    def is_parquet(self) -> bool:
        """Whether it is a Parquet file."""
        return self._suffix in PARQUET_SUFFIXES

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
        for row in self.all_rows():
            if row.problem:
                raise DataError(f"{self.path}:{row.number} {row.problem}", row.remedy)
            yield row

    def all_rows(self, columns: Sequence[str] | None = None) -> Iterator[TableRow]:
        """Yield all rows, malformed ones too: they have a problem and no values.

        Parameters
        ----------
        columns : the columns that are read of a Parquet file; None = all.

        Raises
        ------
        DataError
            If the file cannot be read.
        MissingPackageError
            If the file is a Parquet file, and PyArrow is missing.
        """
        if self.is_parquet:
            yield from _parquet_rows(self.path, columns)
            return
        with self.lines() as lines:
            yield from self._json_rows(lines) if self.is_json else self._csv_rows(lines)

    def column_names(self) -> list[str] | None:
        """Return the names of the columns, in their order; None for JSON, whose objects may have different names.

        Raises
        ------
        DataError
            If the file cannot be read, or has two columns of one name.
        MissingPackageError
            If the file is a Parquet file, and PyArrow is missing.
        """
        if self.is_json:
            return None
        if self.is_parquet:
            with _parquet_file(self.path) as file:
                return _unique(self.path, file.schema_arrow.names)
        with self.lines() as lines:
            return _unique(self.path, CsvText(lines, self.delimiter).names)

    def row_count(self) -> int:
        """Return the number of rows of a Parquet file, as it says.

        Raises
        ------
        DataError
            If the file cannot be read.
        MissingPackageError
            If PyArrow is missing.
        """
        with _parquet_file(self.path) as file:
            return int(file.metadata.num_rows)

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

    @contextmanager
    def lines(self) -> Iterator[IO[str]]:
        """Open a text for reading, without its byte order mark.

        Raises
        ------
        DataError
            If the file cannot be read, or is no UTF-8 text, now or within the block.
        """
        try:
            with self._open() as lines:
                yield lines
        except (OSError, EOFError, zlib.error) as error:
            reason = (error.strerror if isinstance(error, OSError) else "") or str(error)
            raise DataError(f"{self.path} cannot be read ({reason})", HINT) from error
        except UnicodeDecodeError as error:
            raise self._no_utf8() from error

    def _no_utf8(self) -> DataError:
        """Return the error of a file that is not UTF-8 text."""
        with gzip.open(self.path) if self.path.suffix == COMPRESSED else self.path.open("rb") as lines:
            first = lines.readline()
            number = next((n for n, line in enumerate(chain([first], lines), 1) if not _is_utf8(line)), 1)
        for beginning, (form, remedy) in OTHER_FORMATS.items():
            if first.startswith(beginning):
                return DataError(f"{self.path} is {form}", remedy)
        name = self.path.name.removesuffix(COMPRESSED)
        return DataError(
            f"{self.path} is not UTF-8 (line {number:,})",
            f"convert it, such as by: iconv -f latin1 -t utf-8 {name} > utf8-{name}",
        )

    def _open(self) -> IO[str]:
        if self.path.suffix == COMPRESSED:
            return gzip.open(self.path, "rt", encoding="utf-8-sig", newline="")
        return self.path.open(encoding="utf-8-sig", newline="")

    def _csv_rows(self, lines: IO[str]) -> Iterator[TableRow]:
        table = CsvText(lines, self.delimiter)
        names = _unique(self.path, table.names)
        empty = [None] * len(names)
        for row in table:
            count, problem = len(row.values), row.problem
            if not problem and count > len(names):
                problem = f"has {count} values for {len(names)} columns{row.extent}"
            if problem:
                yield TableRow(
                    row.last_line, {}, problem, "quote values that hold commas", table.text, is_open=row.is_open
                )
            elif count < len(names):
                values = dict(zip(names, [*row.values, *empty[count:]], strict=True))
                yield TableRow(row.last_line, values, extent=row.extent)
            else:
                yield TableRow(row.last_line, dict(zip(names, row.values, strict=True)))

    def _json_rows(self, lines: Iterable[str]) -> Iterator[TableRow]:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield TableRow(number, {}, f"is no JSON ({error})", HINT, line.rstrip("\r\n"))
                continue
            if not isinstance(row, dict):
                yield TableRow(number, {}, "is no JSON object", HINT, line.rstrip("\r\n"))
                continue
            yield TableRow(number, row)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unique(path: Path, names: Sequence[str]) -> list[str]:
    """Return the names of columns.

    Raises
    ------
    DataError
        If two of them are the same.
    """
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise DataError(f"{path} has the column {twice} twice", "rename one of them")
    return list(names)


@contextmanager
def _parquet_file(path: Path) -> Iterator[Any]:
    """Yield PyArrow's reader of a file.

    Raises
    ------
    DataError
        If the file cannot be read.
    MissingPackageError
        If PyArrow is missing.
    """
    with loading(PARQUET_FILES):
        import pyarrow
        from pyarrow import parquet
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} is no Parquet file that can be read ({_first_line(error)})", HINT) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{path} cannot be read ({reason})", HINT) from error


def _parquet_rows(path: Path, columns: Sequence[str] | None) -> Iterator[TableRow]:
    with _parquet_file(path) as file:
        _unique(path, file.schema_arrow.names)
        number = 0
        for batch in file.iter_batches(batch_size=PARQUET_BATCH, columns=None if columns is None else list(columns)):
            names = batch.schema.names
            for values in zip(*(_values(column) for column in batch.columns), strict=True):
                number += 1
                yield TableRow(number, dict(zip(names, values, strict=True)))


def _values(column: Any) -> list[Any]:
    """Return the values of a column; of times with nanoseconds, those that a datetime holds.

    A time that Python cannot hold is a text that no reader of times accepts.
    """
    import pyarrow

    kind = column.type
    if pyarrow.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.cast(pyarrow.timestamp("us", kind.tz), safe=False)
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError, LookupError):  # a year beyond 9999; an unknown time zone is a KeyError
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, ValueError, LookupError):
        return f"{getattr(scalar, 'value', 'a value')} as {scalar.type}"


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
