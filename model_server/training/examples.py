"""Training examples: pairs of texts with a label, from a CSV, NDJSON or Parquet file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.data_files.column_summary import ColumnSummary
from model_server.training.cleaning import Cleaner, Example, text_of
from model_server.training.options import CleaningRules, ColumnNames
from monitor_agent.errors import DataError
from monitor_agent.tables.table_file import TableFile, TableRow, label_of

NAME_COLUMNS = "name the columns with --text-a, --text-b and --label"
DEFAULT_COLUMNS, DEFAULT_RULES = ColumnNames(), CleaningRules()


@dataclass(frozen=True)
class Examples:
    """Text pairs and labels, in the file's order.

    Attributes
    ----------
    labels : float32 array of shape (n,), 0 or 1.
    groups : the group of each example; empty if the data have no groups.
    times : of each example, in seconds or in the unit of the data, float64 of shape (n,); empty without times.
    data : what a model card says about the data.
    """

    text_a: list[str]
    text_b: list[str]
    labels: npt.NDArray[np.float32]
    groups: list[str] = field(default_factory=list)
    times: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    data: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.text_a)

    @property
    def positives(self) -> int:
        """Number of examples with the label 1."""
        return int(self.labels.sum())


def read(path: Path, columns: ColumnNames = DEFAULT_COLUMNS, rules: CleaningRules = DEFAULT_RULES) -> Examples:
    """Return the examples in a file.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, or has labels other than 0 and 1, or only one of these two.
    MissingPackageError
        If it is a Parquet file, and PyArrow is missing.
    """
    file = TableFile(path)
    reader = _ExampleReader(file, columns, rules)
    for row in file.rows():
        reader.add(row)
    examples = reader.examples()
    if examples.positives in (0, len(examples)):
        raise DataError(f"{path} has only one class", "training needs labels 0 and 1")
    return examples


class _ExampleReader:
    def __init__(self, file: TableFile, columns: ColumnNames, rules: CleaningRules) -> None:
        self._file, self._columns, self._rules = file, columns, rules
        texts = {columns.text_a, columns.text_b}
        self._uses = {**dict.fromkeys(texts, "input"), columns.label: "label"}
        self._uses |= {name: use for name, use in ((columns.group, "group"), (columns.time, "time")) if name}
        self._needed = tuple(self._uses)
        self._texts = texts
        self._cleaner = Cleaner(rules)
        self._summaries: dict[str, ColumnSummary] = {}
        self._rows = 0
        self._examples: list[Example] = []
        self._groups: list[str] = []
        self._times: list[float] = []

    def add(self, row: TableRow) -> None:
        values = row.values
        self._rows += 1
        if not values.keys() >= self._uses.keys():
            raise self._file.lacks(self._needed, row, NAME_COLUMNS)
        self._describe(row)
        columns = self._columns
        label = label_of(values[columns.label])
        if label is None and not self._rules.drop_invalid_labels:
            problem = f"{columns.label} is {values[columns.label]!r}, not 0 or 1"
            raise self._refusal(row, problem, "correct the row, or drop such rows with --drop-invalid-labels")
        example = self._cleaner.clean(self._text(row, columns.text_a), self._text(row, columns.text_b), label)
        if example is None:
            return
        self._examples.append(example)
        if columns.group:
            self._groups.append(str(values[columns.group]))
        if columns.time:
            self._times.append(self._time(row))

    def examples(self) -> Examples:
        text_a, text_b, labels = (
            (list(column) for column in zip(*self._examples, strict=True)) if self._examples else ([], [], [])
        )
        data = {
            "rows": len(self._examples),
            "positives": sum(labels),
            "files": [self._file.facts(self._rows)],
            "cleaning": self._cleaner.steps(),
            "features": [
                summary.facts(self._uses.get(name, "described, not used")) for name, summary in self._summaries.items()
            ],
        }
        return Examples(text_a, text_b, np.array(labels, np.float32), self._groups, np.array(self._times), data)

    def _describe(self, row: TableRow) -> None:
        for name, value in row.values.items():
            if name not in self._summaries:
                is_categorical = name in (self._columns.label, self._columns.group)
                self._summaries[name] = ColumnSummary(
                    name, is_free_text=name in self._texts, is_categorical=is_categorical
                )
            self._summaries[name].add(value)

    def _text(self, row: TableRow, name: str) -> str:
        text = text_of(row.values[name])
        if text is None:
            raise self._refusal(row, f"{name} is {type(row.values[name]).__name__}, no text", NAME_COLUMNS)
        return text

    def _time(self, row: TableRow) -> float:
        value = row.values[self._columns.time]
        time = _seconds(value)
        if time is None:
            hint = "give a number, or a time such as 2026-11-29T18:00:00Z"
            raise self._refusal(row, f"{self._columns.time} is {value!r}, no time", hint)
        return time

    def _refusal(self, row: TableRow, problem: str, hint: str) -> DataError:
        return DataError(f"{self._file.path}:{row.number}: {problem}", hint)


def _seconds(value: Any) -> float | None:
    """Return a time as a number; a time without a zone is UTC.

    >>> _seconds("1970-01-01T01:00:00Z"), _seconds("12.5"), _seconds("soon")
    (3600.0, 12.5, None)
    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    if isinstance(value, date):
        return _seconds(datetime(value.year, value.month, value.day))
    try:
        number = float(value)
    except (TypeError, ValueError):
        try:
            return _seconds(datetime.fromisoformat(str(value).strip().replace("Z", "+00:00")))
        except ValueError:
            return None
    return number if np.isfinite(number) else None
