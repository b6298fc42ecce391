"""Values as text, as Logstash writes them: some by the rules of Java, some by those of Ruby."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from monitor_agent.logstash.events.json_text import write_with

BLANKS = "\t\n\v\f\r \0"
"""What Ruby's `strip` removes."""


def text_of(value: Any) -> str:
    """Return the text that replaces `%{field}`: lists are joined by commas, objects are JSON.

    >>> text_of([1, 2.0, {"e": None}, None, True])
    '1,2.0,{e=null},,true'
    >>> text_of({"a": [1]})
    '{"a":[1]}'
    """
    kind = type(value)
    if kind is dict:
        return _java_json(value)
    if kind is int:
        return str(value)
    if isinstance(value, str):
        return str(value)
    if kind is list:
        return ",".join("" if item is None else text_of(item) if type(item) is list else _java(item) for item in value)
    return _java(value)


def to_s(value: Any) -> str:
    """Return the text that `in ["a", "b"]` compares: null is empty, lists and objects are written with commas.

    >>> to_s([1, None, {"a": 2.0}])
    '[1, , {a=2.0}]'
    """
    if type(value) is list:
        return "[" + ", ".join(to_s(item) for item in value) + "]"
    if type(value) is dict:
        return "{" + ", ".join(f"{name}={to_s(item)}" for name, item in value.items()) + "}"
    return ruby_text(value)


def ruby_text(value: Any) -> str:
    """Return Ruby's `to_s`: null is empty, lists and objects are inspected.

    >>> ruby_text({"a": [1, "x", None]})
    '{"a"=>[1, "x", nil]}'
    """
    if isinstance(value, str):
        return str(value)
    return "" if value is None else _inspect(value)


def equal(left: Any, right: Any) -> bool:
    """Return whether values are equal, types of numbers included.

    >>> equal({"a": [1]}, {"a": [1]}), equal(1, 1.0), equal([True], [1])
    (True, False, False)
    """
    if type(left) is not type(right):
        return False
    if type(left) is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if type(left) is dict:
        return left.keys() == right.keys() and all(equal(item, right[name]) for name, item in left.items())
    return bool(left == right)


def ruby_join(items: list[Any], separator: str) -> str:
    """Return Ruby's `join`: nested lists are joined as well."""
    texts = (ruby_join(item, separator) if type(item) is list else ruby_text(item) for item in items)
    return separator.join(texts)


def ruby_list(value: Any) -> list[Any]:
    """Return Ruby's `Array(value)`: null is an empty list, an object a list of its pairs.

    >>> ruby_list("a"), ruby_list(None), ruby_list({"k": 1})
    (['a'], [], [['k', 1]])
    """
    if value is None:
        return []
    if type(value) is dict:
        return [[name, item] for name, item in value.items()]
    return value if type(value) is list else [value]


def hash_order(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the entries of a hash in the order in which Java's HashMap, and so Logstash, works on them.

    >>> [name for name, _ in hash_order({"first": 1, "b": 2, "arr": 3})]
    ['arr', 'b', 'first']
    """
    capacity = 16
    while len(table) > capacity * 3 // 4:
        capacity *= 2
    return sorted(table.items(), key=lambda entry: _java_hash(entry[0]) & (capacity - 1))


def _java_hash(text: str) -> int:
    code = 0
    for unit in memoryview(text.encode("utf-16-le")).cast("H"):
        code = (31 * code + unit) & 0xFFFFFFFF
    return code ^ (code >> 16)


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


def _java_json(value: Any) -> str:
    try:
        return orjson.dumps(_with_exponents(value), default=str).decode()
    except orjson.JSONEncodeError:  # see `json_text.write`
        return write_with(value, _java).decode()


def _with_exponents(value: Any) -> Any:
    """Return an object or list; if Java writes a number in it with an exponent, as 1.0E7, a copy with that text."""
    changed = value
    for place, item in value.items() if type(value) is dict else enumerate(value):
        kind = type(item)
        if kind is float:
            if 1e-3 <= item < 1e7 or 1e-3 <= -item < 1e7 or not item:
                continue
            replaced = orjson.Fragment(_java(item) if math.isfinite(item) else write_with(item, _java))
        elif item and (kind is dict or kind is list):
            replaced = _with_exponents(item)
        else:
            continue
        if replaced is not item:
            changed = value.copy() if changed is value else changed
            changed[place] = replaced
    return changed


def _decimal(value: float, smallest: float, largest: float, sign: str) -> str:
    """Return the shortest text of a number, with an exponent outside of [smallest, largest)."""
    if value == 0 or smallest <= abs(value) < largest:
        return repr(value)
    negative, numerals, exponent = Decimal(repr(value)).as_tuple()
    power = len(numerals) + int(exponent) - 1
    digits = "".join(map(str, numerals)).rstrip("0")
    text = f"{'-' if negative else ''}{digits[0]}.{digits[1:] or '0'}{sign}"
    return f"{text}{power:+03d}" if sign == "e" else f"{text}{power}"
