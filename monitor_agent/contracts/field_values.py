"""Which values the field types of Elasticsearch take: what it makes of numbers as text, of times and of lists.

A function returns why a value is refused, in Elasticsearch's own words as far as they help; empty = it is accepted.
"""

from __future__ import annotations

import math
import re
import struct
import sys
from calendar import monthrange
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

MOST_TERM_BYTES = 32766
FLATTENED_DEPTH = 20
LONG_RANGE = (-(2**63), 2**63 - 1)
INTEGER_RANGE = (-(2**31), 2**31 - 1)
MOST_OFFSET_MINUTES = 18 * 60

_JAVA_DOUBLE = re.compile(
    r"[+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?"
    r"|(0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+)[fFdD]?)"
)
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DATE_TIME = re.compile(
    r"(?P<year>-?[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})(?:T(?P<time>"
    r"(?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]{1,9})?)?)?(?P<zone>.*))?)?)?)?"
)
_EPOCH_MILLIS = re.compile(r"(-?[0-9]+)(?:\.[0-9]{1,6})?")
_OFFSET = re.compile(r"[+-](?P<hours>[0-9]{2})(?::?(?P<minutes>[0-9]{2})(?::?(?P<seconds>[0-9]{2}))?)?")
_NAMED_OFFSET = re.compile(r"(?:UTC|GMT|UT)(?:[+-](?:[0-9]|0[0-9]|1[0-7])(?::[0-5][0-9])?)?")
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9~/._+-]+")

Parameters = Mapping[str, Any]
"""The parameters of a field in a mapping."""


def refused_value(parameters: Parameters, value: Any) -> str:
    """Return why a field does not take a value, which is no list and not null; empty if it does.

    Parameters
    ----------
    parameters : of the field in a mapping, with its `type`.

    Raises
    ------
    KeyError
        If the type is none that the contracts use.

    >>> refused_value({"type": "long"}, "12.9"), refused_value({"type": "long"}, "twelve")
    ('', 'For input string: "twelve"')
    """
    return _TYPES[parameters["type"]](parameters, value)


def _keyword(parameters: Parameters, value: Any) -> str:
    if isinstance(value, dict):
        return "Expected text but found START_OBJECT"
    is_indexed = isinstance(value, str) and len(value) <= parameters.get("ignore_above", sys.maxsize)
    if is_indexed and _size(value) > MOST_TERM_BYTES:
        return f"Document contains at least one immense term (longer than {MOST_TERM_BYTES} bytes)"
    return ""


def _text(_parameters: Parameters, value: Any) -> str:
    return "Expected text but found START_OBJECT" if isinstance(value, dict) else ""


def _boolean(_parameters: Parameters, value: Any) -> str:
    if isinstance(value, bool) or value in ("true", "false", ""):
        return ""
    if isinstance(value, str):
        return f"Failed to parse value [{value}] as only [true] or [false] are allowed."
    return f"Current token ({_token(value)}) not of boolean type"


def _long(_parameters: Parameters, value: Any) -> str:
    if not isinstance(value, str):
        return _whole_number(value, LONG_RANGE, "long")
    if not value:
        return ""
    try:
        number = Decimal(value) if _DECIMAL.fullmatch(value) else None
    except InvalidOperation:
        number = None
    if number is None:
        return f'For input string: "{value}"'
    low, high = LONG_RANGE
    return "" if low <= number <= high else f"Value [{value}] is out of range for a long"


def _integer(_parameters: Parameters, value: Any) -> str:
    if not isinstance(value, str):
        return _whole_number(value, INTEGER_RANGE, "int")
    if not value:
        return ""
    number = _java_double(value)
    if number is None:
        return f'For input string: "{value}"'
    low, high = INTEGER_RANGE
    return f"Value [{value}] is out of range for an integer" if number < low or number > high else ""


def _double(_parameters: Parameters, value: Any) -> str:
    return _floating_point(value, "double", lambda number: number)


def _float(_parameters: Parameters, value: Any) -> str:
    return _floating_point(value, "float", _narrowed)


def _floating_point(value: Any, name: str, narrowed: Callable[[float], float]) -> str:
    if isinstance(value, str):
        if not value:
            return ""
        number = _java_double(value)
        if number is None:
            return f'For input string: "{value}"'
    elif reason := _no_number(value):
        return reason
    else:
        number = _as_float(value)
    number = narrowed(number)
    if math.isfinite(number):
        return ""
    named_number = "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    return f"[{name}] supports only finite values, but got [{named_number}]"


def _date(_parameters: Parameters, value: Any) -> str:
    if isinstance(value, dict):
        return "Cannot parse object or array as a date value"
    text = value if isinstance(value, str) else _token(value) if isinstance(value, bool) else repr(value)
    if not text:
        return "cannot parse empty datetime"
    if _is_date_time(text) or _is_epoch(text):
        return ""
    return f"failed to parse date field [{text}] with format [strict_date_optional_time||epoch_millis]"


def _flattened(parameters: Parameters, value: Any) -> str:
    if not isinstance(value, dict):
        return f"Failed to parse object: expecting token of type [START_OBJECT] but found [{_token(value)}]"
    return _refused_leaves(value, "", 1, parameters.get("ignore_above", sys.maxsize))


def _refused_leaves(value: Any, key: str, depth: int, ignore_above: int) -> str:
    if isinstance(value, dict):
        if depth > FLATTENED_DEPTH:
            return f"The provided [flattened] field exceeds the maximum depth limit of [{FLATTENED_DEPTH}]."
        for name, inner in value.items():
            if "\0" in name:
                return r"Keys in [flattened] fields cannot contain the reserved character \0."
            if reason := _refused_leaves(inner, f"{key}.{name}" if key else name, depth + 1, ignore_above):
                return reason
    elif isinstance(value, list):
        for inner in value:
            if reason := _refused_leaves(inner, key, depth, ignore_above):
                return reason
    elif value is not None:
        text = value if isinstance(value, str) else repr(value)
        if len(text) <= ignore_above and _size(key) + 1 + _size(text) > MOST_TERM_BYTES:
            return f"Flattened field contains one immense field whose keyed encoding is longer than {MOST_TERM_BYTES}"
    return ""


def _whole_number(value: Any, limits: tuple[int, int], name: str) -> str:
    if reason := _no_number(value):
        return reason
    low, high = limits
    if low <= value <= high and not (isinstance(value, float) and value >= high + 1):
        return ""
    return f"Numeric value ({value}) out of range of {name} ({low} - {high})"


def _no_number(value: Any) -> str:
    if isinstance(value, dict):
        return "Cannot parse object as number"
    if isinstance(value, bool):
        return f"Current token ({_token(value)}) not numeric, can not use numeric value accessors"
    return ""


def _token(value: Any) -> str:
    if isinstance(value, bool):
        return f"VALUE_{str(value).upper()}"
    if isinstance(value, dict):
        return "START_OBJECT"
    if isinstance(value, str):
        return "VALUE_STRING"
    return "VALUE_NUMBER_INT" if isinstance(value, int) else "VALUE_NUMBER_FLOAT"


def _java_double(text: str) -> float | None:
    """Return the number that Java reads from a text; None if it reads none."""
    trimmed = text.strip("".join(map(chr, range(33))))
    match = _JAVA_DOUBLE.fullmatch(trimmed)
    if match is None:
        return None
    if match[1]:
        sign = -1 if trimmed.startswith("-") else 1
        try:
            return sign * float.fromhex(match[1])
        except OverflowError:
            return sign * math.inf
    return float(trimmed.rstrip("fFdD"))


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _narrowed(number: float) -> float:
    """Return a number as 32 bits hold it."""
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


def _is_date_time(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day = int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)
    if not 1 <= month <= 12 or not 1 <= day <= monthrange(_leap_like(year), month)[1]:
        return False
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    return hour <= 23 and minute <= 59 and second <= 59 and _is_zone(match["zone"] or "")


def _leap_like(year: int) -> int:
    """Return a year that Python's calendar has, with the same number of days."""
    return year % 400 + 2000


def _is_zone(text: str) -> bool:
    offset = _OFFSET.fullmatch(text)
    if offset:
        minutes, seconds = int(offset["minutes"] or 0), int(offset["seconds"] or 0)
        total = int(offset["hours"]) * 60 + minutes + seconds / 60
        return minutes <= 59 and seconds <= 59 and total <= MOST_OFFSET_MINUTES
    if text in ("", "Z") or _NAMED_OFFSET.fullmatch(text):
        return True
    if not _ZONE_NAME.fullmatch(text):
        return False
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        return False
    return True


def _is_epoch(text: str) -> bool:
    match = _EPOCH_MILLIS.fullmatch(text)
    return match is not None and LONG_RANGE[0] <= int(match[1][:30]) <= LONG_RANGE[1]


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


_TYPES: Mapping[str, Callable[[Parameters, Any], str]] = {
    "keyword": _keyword,
    "text": _text,
    "boolean": _boolean,
    "long": _long,
    "integer": _integer,
    "double": _double,
    "float": _float,
    "date": _date,
    "flattened": _flattened,
    "binary": lambda _parameters, value: "Malformed content" if isinstance(value, dict) else "",
}
