"""A second reader of state blobs, written from docs/state-blob.md alone: slow and simple."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

VERSION = 2
RETIRED = {2, 3, 9}


def integers(text: str) -> Iterator[int]:
    """Yield the integers of a blob."""
    bits, value = 0, 0
    for byte in base64.b64decode(text, validate=True):
        value |= (byte & 0x7F) << bits
        bits += 7
        if byte < 0x80:
            yield -(value + 1) // 2 if value % 2 else value // 2
            bits, value = 0, 0
    assert bits == 0, "the last integer is not complete"


def histogram(source: Iterator[int]) -> dict[int, int]:
    """Read a histogram."""
    counts, key = {}, 0
    for _ in range(next(source)):
        key += next(source)
        counts[key] = next(source)
    return counts


def times(source: Iterator[int]) -> dict[str, Any]:
    """Read a histogram of times."""
    counts, total, minimum, maximum = histogram(source), next(source), next(source), next(source)
    return {
        "counts": counts,
        "total": total,
        "minimum": minimum - 1 if minimum else None,
        "maximum": maximum - 1 if maximum else None,
    }


def scores(source: Iterator[int]) -> dict[int, int]:
    """Read single scores: the number of zero bits that the keys lack, and a histogram."""
    bits = next(source)
    return {key << bits: count for key, count in histogram(source).items()}


def names(source: Iterator[int]) -> dict[str, int]:
    """Read names and their values."""
    values = {}
    for _ in range(next(source)):
        name = next(source)
        raw = name.to_bytes((name.bit_length() + 7) // 8, "big")
        assert raw[0] == 1
        values[raw[1:].decode()] = next(source)
    return values


def read(text: str, fields: dict[int, tuple[str, str]]) -> dict[str, Any]:
    """Return the fields of a blob that are not zero.

    Parameters
    ----------
    fields : name and type of each tag, as the table in docs/state-blob.md lists them.
    """
    readers: dict[str, Callable[[Iterator[int]], Any]] = {
        "integer": next,
        "fixed point": next,
        "histogram": histogram,
        "scores": scores,
        "times": times,
        "names": names,
    }
    source = integers(text)
    assert next(source) == VERSION
    state = {}
    for tag in source:
        if tag in RETIRED:
            next(source)
            continue
        name, kind = fields[tag]
        state[name] = readers[kind](source)
    return state
