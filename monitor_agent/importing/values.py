"""The values of a table's cells: texts, numbers, labels (pure)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from monitor_agent.contracts.bounds import Bounds

ABSENT = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>", "nat"})
"""Texts, in lower case, that programs write for a number, a time or a label that is not there."""
_WHOLE_NUMBER = re.compile(r"-?\d+\.0+")
WORDS: dict[str, int] = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}
"""The usual words for a label, in lower case."""


class CellError(ValueError):
    """Raised if a cell does not have the type that its field needs; the text completes "the cell holds x, which"."""


def is_absent(value: Any) -> bool:
    """Return whether there is no value: null, not a number, or an empty text.

    >>> [is_absent(value) for value in (None, float("nan"), " ", "0", 0)]
    [True, True, True, False, False]
    """
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_unknown(value: Any) -> bool:
    """Return whether there is no value, or a word that stands for none, such as `NA`.

    >>> [is_unknown(value) for value in ("NA", "NaN", "no", "")]
    [True, True, False, True]
    """
    return is_absent(value) or (isinstance(value, str) and value.strip().lower() in ABSENT)


def text_of(value: Any, most: int) -> str:
    """Return a value as text: a whole number without `.0`, for a table writes ids as floats if one of them is missing.

    Raises
    ------
    CellError
        If it is a list or an object, is no UTF-8 text, or has more than `most` characters.

    >>> text_of(17.0, 9), text_of(" a b ", 9), text_of(b"x", 9), text_of(True, 9)
    ('17', 'a b', 'x', 'true')
    """
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float):
        text = str(int(value)) if value.is_integer() and abs(value) < 2**63 else repr(value)
    elif isinstance(value, Decimal):
        text = f"{value:f}"
    elif isinstance(value, (int, UUID)):
        text = str(value)
    elif isinstance(value, (datetime, date)):
        text = value.isoformat()
    elif isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError as error:
            raise CellError("is no UTF-8 text") from error
    else:
        raise CellError("is no text")
    if len(text) > most:
        raise CellError(f"has {len(text):,} characters, more than {most:,}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CellError("holds half a character") from error
    return text


def number_of(value: Any, bounds: Bounds) -> float:
    """Return a number.

    Raises
    ------
    CellError
        If it is none, or out of bounds.

    >>> from monitor_agent.contracts.bounds import PROBABILITY
    >>> number_of(" 0.25", PROBABILITY), number_of(Decimal("1"), PROBABILITY)
    (0.25, 1.0)
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise CellError("is no number")
    if isinstance(value, str) and "_" in value:  # Python reads it, and no other program does
        raise CellError("is no number")
    try:
        number = float(value)
    except OverflowError as error:
        raise CellError(f"is no {bounds}") from error
    except ValueError as error:
        raise CellError("is no number") from error
    if not bounds.hold(number):
        raise CellError(f"is no {bounds}")
    return number


def whole_of(value: Any, bounds: Bounds) -> int:
    """Return a whole number.

    Raises
    ------
    CellError
        If it is none, or out of bounds.
    """
    return int(number_of(value, bounds))


def label_reader(positives: tuple[str, ...]) -> Callable[[Any], int]:
    """Return the function that turns a label into 1 or 0; it raises `CellError` for a label that is neither.

    Parameters
    ----------
    positives : the labels that mean 1, in lower case, if every other label means 0; empty = `WORDS` decide.

    >>> label_reader(())(" Yes"), label_reader(())(0.0), label_reader(("fraud",))("ok"), label_reader(("1",))("1.0")
    (1, 0, 0, 1)
    """
    chosen = frozenset(positives)
    chosen_numbers = frozenset(number for text in positives if (number := _number(text)) is not None)

    def read(value: Any) -> int:
        text = text_of(value, 256).lower()
        if chosen:
            return int(text in chosen or (bool(chosen_numbers) and _number(text) in chosen_numbers))
        label = WORDS.get(text)
        if label is None:
            number = _number(text)
            label = None if number is None else {0.0: 0, 1.0: 1}.get(number)
        if label is None:
            raise CellError("is no label such as 1, true, yes, 0, false or no: --positive names another positive")
        return label

    return read


def _number(text: str) -> float | None:
    """Return the number that a text is; None if it is none."""
    try:
        return float(text)
    except ValueError:
        return None


def class_of(value: Any, most: int) -> str:
    """Return the name of a class: a whole number without `.0`, for a table writes `3.0` if another label is missing.

    Raises
    ------
    CellError
        As `text_of`.

    >>> class_of("3.0", 9), class_of(3, 9), class_of(" v1.0", 9), class_of(2.5, 9)
    ('3', '3', 'v1.0', '2.5')
    """
    text = text_of(value, most)
    return text.split(".")[0] if _WHOLE_NUMBER.fullmatch(text) else text
