"""Documents of every kind that a mapping takes or refuses, and the mapping."""

from __future__ import annotations

import itertools
from typing import Any

MAPPING: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "keyword": {"type": "keyword", "ignore_above": 8},
        "unlimited": {"type": "keyword"},
        "text": {"type": "text"},
        "long": {"type": "long"},
        "integer": {"type": "integer"},
        "double": {"type": "double"},
        "float": {"type": "float"},
        "boolean": {"type": "boolean"},
        "date": {"type": "date"},
        "flattened": {"type": "flattened", "ignore_above": 256},
        "stored": {"type": "object", "enabled": False},
        "binary": {"type": "binary"},
        "alias": {"type": "alias", "path": "keyword"},
        "object": {"properties": {"x": {"type": "keyword"}, "inner": {"properties": {"y": {"type": "long"}}}}},
        "names": {"type": "object", "dynamic": True},
        "numbers": {"type": "object", "dynamic": True},
        "open": {"type": "object", "dynamic": False, "properties": {"z": {"type": "long"}}},
    },
    "dynamic_templates": [
        {"names": {"path_match": "names.*", "mapping": {"type": "keyword", "ignore_above": 256}}},
        {"numbers": {"path_match": "numbers.*", "mapping": {"type": "double"}}},
    ],
}

NUMBERS: tuple[Any, ...] = (
    *(1, -1, 1.5, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, 2**63, 2**64, 1e18, 9.3e18, 1e300),
    *("12", "12.9", " 12 ", "", "abc", "1e3", "1d", "0x10", "0x1p3", "NaN", "Infinity", "+5", "1_0", "١٢"),
    *("9223372036854775808", "2147483648", "1e400", "-0", "5.", ".", "1e-400"),
    *(True, None, [], [1, [2, None]], ["x"], {}, {"a": 1}),
)
TEXTS: tuple[Any, ...] = (1, 1.5, True, "x" * 32766, "x" * 32767, "ü" * 16384, {}, {"a": 1}, [1, ["a"]], None, "\0")
BOOLEANS: tuple[Any, ...] = (True, False, "true", "false", "", "True", "1", 1, 0, 1.5, None, [True], {}, " true")
TIME = "2026-01-02T03:04:05"
DATES: tuple[Any, ...] = (
    *("2026", "2026-01", "2026-01-02", "2026-1-2", "2026-01-02T", "2026-01-02T03", "2026-01-02T03:04", "2026Z"),
    *(
        TIME,
        f"{TIME}.1",
        f"{TIME}.123456789",
        f"{TIME}.1234567891",
    ),
    *(f"{TIME},5", f"{TIME}Z", f"{TIME}.Z", f"{TIME}z", "2026-001"),
    *(
        f"{TIME}+01",
        f"{TIME}+0100",
        f"{TIME}+01:00",
        f"{TIME}+01:00:30",
    ),
    *(f"{TIME}+18:00", f"{TIME}+18:01", f"{TIME}+1", f"{TIME} Z"),
    *(f"{TIME}UTC", f"{TIME}Europe/Paris", f"{TIME}GMT+1", "2026-01-02T03Z"),
    *(f"{TIME}[UTC]", f"{TIME}Nowhere/Else", "2026-01-02Z", "2026-01-02t03:04:05Z"),
    *("2026-01-02 03:04:05", "2026-02-30", "2024-02-29", "2023-02-29", "2026-13-01", "2026-01-02T24:00"),
    *("2026-01-02T23:59:60", "02026-01-01", "+2026-01-01", "-2026-01-01", "12026-01-01", "0000-01-01", "", "abc"),
    *("0", "-1", "+5", "1764000000000", "1764000000000.5", "1764000000000.1234567", "1.7e12", "20260102"),
    *("99999999999999999999", "9223372036854775807"),
    *(0, -1, 2026, 1764000000000, 1764000000000.5, 1.7e12, 2**63 - 1, 2**63, 1e18, 1e30),
    *(True, None, [], ["2026", [5]], ["2026", "x"], {}, {"a": 1}),
)


def nested(levels: int) -> Any:
    """Return objects within each other."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


FLATTENED: tuple[Any, ...] = (
    *({}, {"a": 1}, {"a": {"b": [1, {"c": None}]}}, "x", 1, True, [], [{"a": 1}, {"b": 2}], [1], None),
    *({"": 1}, {"a.b": 1}, {"a\0": 1}, {"a": "\0"}, {"x" * 32767: "v"}, {"x" * 32760: "v"}, {"a": "y" * 40000}),
    *(nested(19), nested(20), nested(21)),
)
STORED: tuple[Any, ...] = ({}, 1, "x", [1, {"a": 2}], None, nested(30), {"": 1}, {"a..b": 1})
OBJECTS: tuple[Any, ...] = (
    *(1, "x", True, {}, [], [{"x": 1}, {"x": 2}], [1], [None], None, [[{"x": 1}]]),
    *({"x": {"a": 1}}, {"z": 1}, {"z": None}, {"z": []}, {"z": {}}, {"": 1}),
    *({"inner": 1}, {"inner": {"y": "a"}}, {"inner": {"y": 1, "n": 2}}, {"inner.y": 3}, {"inner.n": 3}, {"x.a": 3}),
)
DYNAMIC: tuple[Any, ...] = (
    *({"a": 1}, {"b": "x" * 300}, {"c": True}, {"d": None}, {"e": []}, {"g": [1, "a"]}, {"r": [None]}, {"o ": 1}),
    *({"h": {"i": 1}}, {"j": {}}, {"p": [{"q": 1}]}, {"k.l": 1}, {"m..n": 1}, {"": 1}, {" ": 1}),
    *("x", 1, [1], None, {"y" * 300: 1}, {"n": 2**70}, {"o": "NaN"}, nested(21)),
)
OPEN: tuple[Any, ...] = (
    *({"a": 1}, {"z": "a"}, {"z": 1, "q": {"r": [{}]}}, {"": 1}, {"a.b": 1}, {"a..b": 1}, {" ": 1}, 1),
    *({"z": {"a": 1}}, {"z.a": 1}, {"q": {"": 1}}),
)
ROOTS: tuple[dict[str, Any], ...] = (
    *({"object.x": 1}, {"object.n": 1}, {"object.inner.y": "a"}, {"object.x.y": 1}, {"n.m": 1}, {"object..x": 1}),
    *({"object": {"x": 1}, "object.inner.y": 3}, {".keyword": 1}, {"keyword.": 1}, {"object.": 1}, {"object. .x": 1}),
    *({"": 1}, {" ": 1}, {".": 1}, {"..": 1}, {"unknown": None}, {"unknown": []}, {"unknown": {}}, {"unknown": 1}),
    *({"_id": "a"}, {"_source": {}}, {"_type": "x"}, {"_routing": "a"}, {"_version": 1}, {"_size": 1}, {"_x": 1}),
    *({"keyword.x": 1}, {"long.x": 1}, {"stored.x.y": 1}, {"flattened.x.y": 1}, {"names.a": 1}, {"names.a.b": 1}),
    *({"alias": "x"}, {"alias": None}, {"alias": []}, {"alias": {"a": 1}}, {}),
)

_VALUES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("long", "integer", "double", "float"), NUMBERS),
    **dict.fromkeys(("keyword", "unlimited", "text"), TEXTS),
    "binary": tuple(value for value in TEXTS if not isinstance(value, dict)),
    "boolean": BOOLEANS,
    "date": DATES,
    "flattened": FLATTENED,
    "stored": STORED,
    "object": OBJECTS,
    **dict.fromkeys(("names", "numbers"), DYNAMIC),
    "open": OPEN,
}

DOCUMENTS: tuple[dict[str, Any], ...] = (
    *itertools.chain.from_iterable(({name: value} for value in values) for name, values in _VALUES.items()),
    *ROOTS,
)
