"""The conversions of `mutate { convert => ... }`; they raise ValueError for a value that cannot be converted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from monitor_agent.logstash.values import ruby_text

LARGEST = 2**63
"""Larger integers fit neither into the JSON that is written nor into an Elasticsearch long."""

_HEX = re.compile(r"[+-]?0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[+-]?(\d+(_\d+)*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_TRUE = frozenset(("true", "t", "yes", "y", "1", "1.0"))
_FALSE = frozenset(("false", "f", "no", "n", "0", "0.0", ""))


def to_integer(value: Any) -> int:
    """Return a whole number: fractions are cut, commas group digits.

    >>> to_integer("1,234"), to_integer("-7.9"), to_integer(True)
    (1234, -7, 1)
    """
    if type(value) is int:
        return value
    number = int(_number(value)) if not isinstance(value, str) else _whole(_cleaned(value))
    if not -LARGEST <= number < LARGEST:
        raise ValueError(f"{value!r} is too large")
    return number


def to_float(value: Any) -> float:
    """Return a number with a fraction.

    >>> to_float("1,234.5"), to_float(7)
    (1234.5, 7.0)
    """
    if not isinstance(value, str):
        return float(_number(value))
    text = _cleaned(value)
    if _HEX.fullmatch(text):
        return float(int(text, 16))
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{value!r} is no number")
    return _finite(float(text))


def to_boolean(value: Any) -> Any:
    """Return the boolean for texts such as yes and 0; other values stay as they are.

    >>> to_boolean("Yes"), to_boolean(0), to_boolean("maybe")
    (True, False, 'maybe')
    """
    text = ruby_text(value).lower()
    return True if text in _TRUE else False if text in _FALSE else value


def _whole(text: str) -> int:
    if _HEX.fullmatch(text):
        return int(text, 16)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no number")
    return int(text) if not match[3] and not match[4] else int(_finite(float(text)))


def _number(value: Any) -> int | float:
    if isinstance(value, (bool, int, float)):
        return value
    raise ValueError(f"{value!r} is no number")


def _finite(number: float) -> float:
    if number in (float("inf"), float("-inf")):
        raise ValueError("the number is too large")
    return number


def _cleaned(text: str) -> str:
    return text.strip().replace(",", "")


def _european(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the conversion for texts whose comma is the decimal sign."""
    swap = str.maketrans(",.", ".,")
    return lambda value: convert(value.translate(swap) if isinstance(value, str) else value)


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "string": ruby_text,
    "integer": to_integer,
    "float": to_float,
    "boolean": to_boolean,
    "integer_eu": _european(to_integer),
    "float_eu": _european(to_float),
}
