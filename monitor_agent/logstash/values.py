"""Values as text, as Logstash writes them: some by the rules of Java, some by those of Ruby."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson


def text_of(value: Any) -> str:
    """Return the text that replaces `%{field}`: lists are joined by commas, objects are JSON.

    >>> text_of([1, 2.0, {"e": None}, None, True])
    '1,2.0,{e=null},,true'
    >>> text_of({"a": [1]})
    '{"a":[1]}'
    """
    if isinstance(value, str):
        return value
    if type(value) is list:
        return ",".join("" if item is None else text_of(item) if type(item) is list else _java(item) for item in value)
    if type(value) is dict:
        return orjson.dumps(value).decode()
    return _java(value)


def ruby_text(value: Any) -> str:
    """Return Ruby's `to_s`: null is empty, lists and objects are inspected.

    >>> ruby_text({"a": [1, "x", None]})
    '{"a"=>[1, "x", nil]}'
    """
    if isinstance(value, str):
        return value
    return "" if value is None else _inspect(value)


def ruby_join(items: list[Any], separator: str) -> str:
    """Return Ruby's `join`: nested lists are joined as well."""
    texts = (ruby_join(item, separator) if type(item) is list else ruby_text(item) for item in items)
    return separator.join(texts)


def clone(value: Any) -> Any:
    """Return a copy that shares no object or list with `value`."""
    if type(value) is dict:
        return {key: clone(item) for key, item in value.items()}
    if type(value) is list:
        return [clone(item) for item in value]
    return value


def _java(value: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is float:
        return _decimal(value, 1e-3, 1e7, "E")
    if type(value) is dict:
        return "{" + ", ".join(f"{key}={_java(item)}" for key, item in value.items()) + "}"
    if type(value) is list:
        return "[" + ", ".join(_java(item) for item in value) + "]"
    return str(value)


def _inspect(value: Any) -> str:
    if value is None:
        return "nil"
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is float:
        return _decimal(value, 1e-4, 1e16, "e")
    if type(value) is dict:
        return "{" + ", ".join(f"{_inspect(key)}=>{_inspect(item)}" for key, item in value.items()) + "}"
    if type(value) is list:
        return "[" + ", ".join(_inspect(item) for item in value) + "]"
    if isinstance(value, str):
        return orjson.dumps(str(value)).decode()
    return str(value)


def _decimal(value: float, smallest: float, largest: float, sign: str) -> str:
    """Return the shortest text of a number, with an exponent outside of [smallest, largest)."""
    if value == 0 or smallest <= abs(value) < largest:
        return repr(value)
    negative, numerals, exponent = Decimal(repr(value)).as_tuple()
    power = len(numerals) + int(exponent) - 1
    digits = "".join(map(str, numerals)).rstrip("0")
    text = f"{'-' if negative else ''}{digits[0]}.{digits[1:] or '0'}{sign}"
    return f"{text}{power:+03d}" if sign == "e" else f"{text}{power}"
