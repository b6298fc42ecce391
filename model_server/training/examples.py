"""Training examples: pairs of texts with a label, from a CSV or NDJSON file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor_agent.errors import DataError

COLUMNS = ("text_a", "text_b", "label")
HINT = "give a CSV with a header, or one JSON object a line, with text_a, text_b and label (0 or 1)"
LABELS = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0}
JSON_SUFFIXES = (".ndjson", ".jsonl", ".json")


@dataclass(frozen=True)
class Examples:
    """Text pairs and labels, in the file's order.

    Attributes
    ----------
    labels : float32 array of shape (n,), 0 or 1.
    """

    text_a: list[str]
    text_b: list[str]
    labels: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.text_a)

    @property
    def positives(self) -> int:
        """Number of examples with the label 1."""
        return int(self.labels.sum())


def read(path: Path) -> Examples:
    """Return the examples in a file: NDJSON if its suffix says so, else CSV.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, or has labels other than 0 and 1, or only one of these two.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = _json_rows(file) if path.suffix in JSON_SUFFIXES else _csv_rows(file)
            examples = _collect(path, rows)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", HINT) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not UTF-8 text in the expected form ({error})", HINT) from error
    if examples.positives in (0, len(examples)):
        raise DataError(f"{path} has only one class", "training needs labels 0 and 1")
    return examples


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(lines)
    for row in reader:
        yield reader.line_num, row


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError:
                yield number, None


def _collect(path: Path, rows: Iterable[tuple[int, Any]]) -> Examples:
    first: list[str] = []
    second: list[str] = []
    labels: list[float] = []
    for number, row in rows:
        values = [row.get(name) for name in COLUMNS] if isinstance(row, dict) else [None]
        if None in values:
            raise DataError(f"{path}:{number}: {', '.join(COLUMNS)} are needed", HINT)
        label = LABELS.get(str(values[2]).strip())
        if label is None:
            raise DataError(f"{path}:{number}: label is {values[2]!r}, not 0 or 1", HINT)
        first.append(str(values[0]))
        second.append(str(values[1]))
        labels.append(label)
    return Examples(first, second, np.array(labels, np.float32))
