"""JSON as Logstash reads and writes it: whole numbers of any size, numbers beyond a double's range, any depth."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import orjson

_BLANKS = " \t\r\n"
_NUMBERS = bytes(49 if 48 <= byte <= 57 else 44 if byte in b" \t\r\n,:[-" else 32 for byte in range(256))
"""For each byte of a JSON text: `1` for a digit, a comma for what may stand before a number, a blank for the rest."""
_LONG = b"," + b"1" * 19
"""The beginning of a number that may need more than 64 bits."""


class NonFinite(float):
    """A number beyond the range of a double: it is compared as infinity, and written as a text."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return Java's name of the number."""
        return "Infinity" if self > 0 else "-Infinity" if self < 0 else "NaN"

    __str__ = __repr__


def read(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        If the text is no JSON, or if more text follows.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value, rest = read_first(data.decode())
        if rest:
            raise
        return value
    # Another reader takes three times as long; it is needed only for numbers that this one would round.
    rounded = _LONG in data.translate(_NUMBERS) or type(value) is float
    return read_first(data.decode())[0] if rounded else value


def read_first(text: str) -> tuple[Any, str]:
    """Return the value that a text begins with, and the text behind it without its outer blanks.

    >>> read_first(' {"a":123456789012345678901} {')
    ({'a': 123456789012345678901}, '{')

    Raises
    ------
    ValueError
        If the text does not begin with JSON.
    """
    start = len(text) - len(text.lstrip(_BLANKS))
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\\u" in text:  # only an escape can stand for half a character
        value = _without_halves(value)
    return value, text[end:].strip(_BLANKS)


def write(value: Any) -> bytes:
    """Return a value as JSON text.

    >>> write({"a": 2**70, "b": NonFinite("-inf")})
    b'{"a":1180591620717411303424,"b":"-Infinity"}'
    """
    try:
        return orjson.dumps(value, default=str)
    except orjson.JSONEncodeError:  # a long number, half a character, more than 254 levels
        return write_with(value, repr)


def write_line(value: Any) -> bytes:
    """Return a value as JSON text with a newline.

    >>> write_line({"a": 1})
    b'{"a":1}\\n'
    """
    try:
        return orjson.dumps(value, str, orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # see `write`
        return write(value) + b"\n"


def write_with(value: Any, number: Callable[[float], str]) -> bytes:
    """Return a value as JSON text; `number` writes numbers with a fraction."""
    texts: list[str] = []
    todo: list[tuple[bool, Any]] = [(False, value)]
    while todo:
        written, item = todo.pop()
        if written:
            texts.append(item)
        elif type(item) is dict:
            todo.append((True, "}"))
            todo += reversed([piece for pair in item.items() for piece in _entry(*pair)][1:])
            texts.append("{")
        elif type(item) is list:
            todo.append((True, "]"))
            todo += reversed([piece for element in item for piece in ((True, ","), (False, element))][1:])
            texts.append("[")
        else:
            texts.append(_scalar(item, number))
    return "".join(texts).encode("utf-8", "replace")


def _entry(name: Any, item: Any) -> tuple[tuple[bool, Any], ...]:
    return (True, ","), (True, f"{_scalar(name, repr)}:"), (False, item)


def _scalar(value: Any, number: Callable[[float], str]) -> str:
    if type(value) is float:
        return number(value) if math.isfinite(value) else f'"{NonFinite(value)}"'
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


def _without_halves(value: Any) -> Any:
    """Return the value with a question mark for each half of a pair of surrogates, as Java writes it.

    Lists and objects are changed in place, one after another: a text may be nested as deeply as the reader takes it.
    """
    whole = [value]
    left: list[Any] = [whole]
    while left:
        container = left.pop()
        if type(container) is list:
            container[:] = [_text_without_halves(item) for item in container]
            items = container
        else:
            pairs = [(_text_without_halves(name), _text_without_halves(item)) for name, item in container.items()]
            container.clear()
            container.update(pairs)
            items = container.values()
        left += [item for item in items if type(item) in (list, dict)]
    return whole[0]


def _text_without_halves(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else NonFinite(number)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_number)
