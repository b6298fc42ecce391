"""The table that `monitor-agent reference --file` reads: CSV lines become numbers, categories and labels (pure).

A cell that cannot be read is refused with its line and column: a reference that is not what the user meant would be
wrong in every later window.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from monitor_agent.contracts.bounds import NUMBER, PROBABILITY
from monitor_agent.contracts.drift import CATEGORICAL, NUMERIC, SCORE
from monitor_agent.contracts.model_names import shortened
from monitor_agent.errors import DataError

TRUE_LABEL = "label"
PREDICTED_LABELS = ("prediction", "predicted")
"""The columns that may hold the predicted labels; a table has one of them at most."""

LONGEST_CATEGORY = 256
"""Longer categories are not indexed in predictions, so they are missing in tables, too."""

MISSING_NUMBERS = frozenset({"", "nan", "na", "n/a", "<na>", "null", "none"})
"""What a numeric feature without a value looks like, in any case."""

DELIMITERS = (",", ";", "\t")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LABELS = {"true": 1, "false": 0}


@dataclass
class ReferenceTable:
    """The columns of a table.

    Attributes
    ----------
    rows : number of rows.
    numbers : values of `score` and of each `numeric.<name>`, without the missing ones.
    categories : value -> count, of each `categorical.<name>`, without the missing ones.
    labels : column -> labels of its rows, 0 or 1: `label` holds what happened, `prediction` what the model said.
    unused : columns with other names.
    """

    rows: int = 0
    numbers: dict[str, array[float]] = field(default_factory=dict)
    categories: dict[str, Counter[str]] = field(default_factory=dict)
    labels: dict[str, bytearray] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @property
    def true_labels(self) -> bytearray | None:
        """What happened: 0 or 1 by row; None without this column."""
        return self.labels.get(TRUE_LABEL)

    @property
    def predicted_labels(self) -> bytearray | None:
        """What the model said: 0 or 1 by row; None without this column."""
        return next((labels for name, labels in self.labels.items() if name in PREDICTED_LABELS), None)


def read_table(lines: Iterable[str]) -> ReferenceTable:
    """Return the columns of a CSV.

    The delimiter is a comma, a semicolon or a tab. Without commas as delimiters, numbers may have decimal commas. A
    numeric feature without a value (`MISSING_NUMBERS`) and an empty category are missing; a score or a label is never.

    Parameters
    ----------
    lines : the text, line by line, with its line ends; the first line names the columns.

    Raises
    ------
    DataError
        If the table has no row or no column of a feature, a row has too few or too many cells, or a cell cannot be
        read; the message names the line and the column.

    >>> table = read_table(["score;label\\n", "0,25;1.0\\n"])
    >>> table.numbers["score"].tolist(), list(table.labels["label"])
    ([0.25], [1])
    """
    reader = _TableRows(lines)
    table = ReferenceTable(unused=tuple(name for name in reader.names if _kind(name) is None))
    cells = [(place, _cell_reader(name, table, reader)) for place, name in enumerate(reader.names) if _kind(name)]
    if not cells:
        raise DataError(
            "the table has no column of a feature", "name columns such as score, numeric.price, categorical.shop"
        )
    for row in reader:
        for place, read in cells:
            read(row[place])
        table.rows += 1
    if not table.rows:
        raise DataError("the table has no rows", "add a row for each prediction")
    return table


class _TableRows:
    """The rows of a CSV, and where the current row is."""

    def __init__(self, lines: Iterable[str]) -> None:
        iterator = iter(lines)
        self._line, head = next(((line, text) for line, text in enumerate(iterator, 1) if text.strip()), (0, ""))
        if not head:
            raise DataError("the table is empty", "give a CSV with a head line")
        self.delimiter = max(DELIMITERS, key=lambda delimiter: len(_cells_of(head, delimiter)))
        self.names = _names(_cells_of(head, self.delimiter))
        self._rows = csv.reader(iterator, delimiter=self.delimiter, strict=True)

    def __iter__(self) -> Iterator[list[str]]:
        head_line = self._line
        try:
            for row in self._rows:
                self._line = head_line + self._rows.line_num
                if not row:
                    continue
                if len(row) != len(self.names):
                    raise DataError(
                        f"line {self._line} has {len(row)} cells, and the head line has {len(self.names)}",
                        "each row needs one cell for each column; put a text that contains the delimiter in quotes",
                    )
                yield row
        except csv.Error as error:
            raise DataError(
                f"line {head_line + self._rows.line_num} is no CSV ({error})", "check the quotes of its texts"
            ) from error

    def refuse(self, column: str, cell: str, expected: str) -> NoReturn:
        """Raise the error of a cell."""
        content = repr(shortened(cell)) if cell.strip() else "empty"
        raise DataError(f"line {self._line}: {column} is {content}", expected)


def _cells_of(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _names(cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    repeated = [name for name, count in Counter(names).items() if count > 1 and _kind(name)]
    if repeated:
        raise DataError(f"the table has several columns {repeated[0]}", "keep one of them")
    predicted = [name for name in names if name in PREDICTED_LABELS]
    if len(predicted) > 1:
        raise DataError(f"the table has the columns {' and '.join(predicted)}", "keep one of them")
    return names


def _kind(name: str) -> str | None:
    if name == TRUE_LABEL or name in PREDICTED_LABELS:
        return "label"
    if name == SCORE:
        return SCORE
    return next((kind for kind in (NUMERIC, CATEGORICAL) if name.startswith(f"{kind}.") and name != f"{kind}."), None)


def _cell_reader(name: str, table: ReferenceTable, reader: _TableRows) -> Callable[[str], None]:
    """Return the function that reads the cells of a column into the table."""
    kind = _kind(name)
    if kind == CATEGORICAL:
        counts = table.categories.setdefault(name, Counter())

        def count(cell: str) -> None:
            if 0 < len(cell) <= LONGEST_CATEGORY:
                counts[cell] += 1

        return count
    number = _number_reader(name, reader)
    if kind == "label":
        labels = table.labels.setdefault(name, bytearray())

        def add_label(cell: str) -> None:
            label: float | None = _LABELS.get(cell.strip().lower(), number(cell))
            if label not in (0, 1):
                reader.refuse(name, cell, "a label is 0 or 1 (also 0.0 and 1.0, true and false)")
            labels.append(int(label))

        return add_label
    values = table.numbers.setdefault(name, array("d"))

    def add_score(cell: str) -> None:
        score = number(cell)
        if score is None or not PROBABILITY.hold(score):
            reader.refuse(name, cell, "a score is a number in 0..1")
        values.append(score)

    def add_number(cell: str) -> None:
        if cell.strip().lower() in MISSING_NUMBERS:
            return
        value = number(cell)
        if value is None or not NUMBER.hold(value):
            reader.refuse(name, cell, f"a number in {NUMBER.interval}, or an empty cell, is expected")
        values.append(value)

    return add_score if kind == SCORE else add_number


def _number_reader(name: str, reader: _TableRows) -> Callable[[str], float | None]:
    """Return the function that reads the numbers of a column; it returns None for a text that is no number."""
    marks: set[str] = set()

    def number(cell: str) -> float | None:
        cell = cell.strip()
        if "," in cell and reader.delimiter != ",":
            marks.add(",")
            cell = cell.replace(",", ".", 1) if "." not in cell else ""
        elif "." in cell:
            marks.add(".")
        if len(marks) > 1:
            reader.refuse(name, cell, "this column has decimal commas and decimal points: use one of them")
        return float(cell) if _NUMBER.fullmatch(cell) else None

    return number
