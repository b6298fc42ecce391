"""Describes the columns of a file in bounded memory: type, missing values, range, frequent values (pure)."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from monitor_agent.tables.table_file import is_missing

MOST_COUNTED = 10_000
MOST_LISTED = 100
"""Values of a column with more distinct ones are not listed: they may be ids of people."""

TOP = 5
LONGEST_VALUE = 40


class ColumnSummary:
    """What is in a column.

    Parameters
    ----------
    is_free_text : whether only the lengths of the values are described.
    is_categorical : whether numbers are names, such as those of labels.
    """

    def __init__(self, name: str, *, is_free_text: bool = False, is_categorical: bool = False) -> None:
        self.name = name
        self._is_free_text = is_free_text
        self._missing = self._present = 0
        self._counts: Counter[str] | None = None if is_free_text else Counter()
        self._is_numeric = not is_free_text and not is_categorical
        self._is_boolean = not is_free_text
        self._low, self._high, self._total = math.inf, -math.inf, 0.0

    def add(self, value: Any) -> None:
        """Add the value of a row."""
        if is_missing(value):
            self._missing += 1
            return
        self._present += 1
        if self._is_free_text:
            self._add_number(len(str(value)))
            return
        self._is_boolean &= isinstance(value, bool)
        if self._is_numeric and not isinstance(value, bool):
            number = _number(value)
            if number is None:
                self._is_numeric = False
            else:
                self._add_number(number)
        if self._counts is not None:
            self._counts[str(value)[:LONGEST_VALUE]] += 1
            if len(self._counts) > MOST_COUNTED:
                self._counts = None

    def facts(self, use: str) -> dict[str, Any]:
        """Return the entry of a model card: name, use, type, missing and distinct values, and what the values are.

        >>> column = ColumnSummary("price")
        >>> for value in ("1.5", "", "3"):
        ...     column.add(value)
        >>> column.facts("described")  # doctest: +NORMALIZE_WHITESPACE
        {'name': 'price', 'use': 'described', 'type': 'numeric', 'missing': 1, 'distinct': 2, 'minimum': 1.5,
         'maximum': 3.0, 'mean': 2.25}
        """
        entry: dict[str, Any] = {"name": self.name, "use": use, "type": self._type, "missing": self._missing}
        if self._is_free_text:
            entry |= {f"{name}_characters": value for name, value in self._range().items()}
            return entry
        entry["distinct"] = f"more than {MOST_COUNTED}" if self._counts is None else len(self._counts)
        if self._type == "numeric":
            return entry | self._range()
        if self._counts is not None and 0 < len(self._counts) <= MOST_LISTED:
            ordered = sorted(self._counts.items(), key=lambda pair: (-pair[1], pair[0]))
            entry["top_values"] = [list(pair) for pair in ordered[:TOP]]
        return entry

    @property
    def _type(self) -> str:
        if self._is_free_text:
            return "text"
        if not self._present:
            return "empty"
        if self._is_boolean:
            return "boolean"
        return "numeric" if self._is_numeric else "categorical"

    def _add_number(self, number: float) -> None:
        self._low, self._high = min(self._low, number), max(self._high, number)
        self._total += number

    def _range(self) -> dict[str, float]:
        if not self._present:
            return {}
        return {"minimum": self._low, "maximum": self._high, "mean": self._total / self._present}


def _number(value: Any) -> float | None:
    """Return a finite number that a value is, or that a text of a CSV file holds; None if there is none."""
    if not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
