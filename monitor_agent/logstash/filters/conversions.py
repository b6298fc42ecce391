"""The conversions of `mutate { convert => ... }`; they raise ValueError for a value that cannot be converted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from monitor_agent.logstash.events.json_text import NonFinite
from monitor_agent.logstash.events.values import BLANKS, ruby_text

_HEX = re.compile(r"[+-]?0x[0-9a-f]+(_[0-9a-f]+)*")
_DECIMAL = re.compile(r"[+-]?(\d+(_\d+)*)?(\.(\d+(_\d+)*)?)?([ed][+-]?\d+)?", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d+(_\d+)*)?(\.\d+(_\d+)*)?(e[+-]?\d+)?", re.ASCII)
_TRUE = re.compile(r"^(true|t|yes|y|1|1.0)$", re.IGNORECASE | re.MULTILINE)
_FALSE = re.compile(r"^(false|f|no|n|0|0.0)$", re.IGNORECASE | re.MULTILINE)
_LARGEST_EXPONENT = 4_000


def to_integer(value: Any) -> int:
    """Return a whole number of any size: fractions are cut, commas group digits.

    >>> to_integer("1,234"), to_integer("-7.9"), to_integer(True), to_integer("1e20")
    (1234, -7, 1, 100000000000000000000)
    """
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value!r} is no whole number")
        return int(value)
    text = _cleaned(value)
    if _HEX.fullmatch(text):
        return int(text, 16)
    number = Decimal(_decimal(text, _DECIMAL).replace("d", "e"))
    if number.adjusted() > _LARGEST_EXPONENT:
        raise ValueError(f"{value!r} is too large")
    return int(number)


def to_float(value: Any) -> float:
    """Return a number with a fraction.

    >>> to_float("1,234.5"), to_float(7), to_float("1e400")
    (1234.5, 7.0, Infinity)
    """
    if isinstance(value, float):
        return value
    try:
        if isinstance(value, (bool, int)):
            number = float(value)
        else:
            text = _cleaned(value)
            number = float(int(text, 16) if _HEX.fullmatch(text) else _decimal(text, _FLOAT))
    except OverflowError:
        number = math.copysign(math.inf, value if isinstance(value, int) else -1 if str(value)[0] == "-" else 1)
    return number if math.isfinite(number) else NonFinite(number)


def to_boolean(value: Any) -> Any:
    """Return the boolean for texts such as yes and 0; other values stay as they are.

    >>> to_boolean("Yes"), to_boolean(0), to_boolean("maybe")
    (True, False, 'maybe')
    """
    text = ruby_text(value)
    if _TRUE.search(text):
        return True
    return False if not text or _FALSE.search(text) else value


def _decimal(text: str, pattern: re.Pattern[str]) -> str:
    """Return the text of a number in the form that Python reads."""
    if not pattern.fullmatch(text) or not any(letter.isdigit() for letter in re.split("[ed]", text)[0]):
        raise ValueError(f"{text!r} is no number")
    return text.replace("_", "")


def _cleaned(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no number")
    return value.strip(BLANKS).replace(",", "").lower()


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
