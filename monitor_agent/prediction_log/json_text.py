"""Pieces of JSON text, with the digits and the escapes of orjson."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson


def text_of(value: Any) -> str:
    """Return the JSON text of a value."""
    return orjson.dumps(value).decode()


def members_of(members: Mapping[str, Any]) -> str:
    """Return the JSON text of the members of an object, without its braces.

    >>> members_of({"id": "p1", "rank": 2})
    '"id":"p1","rank":2'
    """
    return orjson.dumps(members)[1:-1].decode()


def number_text(number: float) -> str:
    """Return the JSON text of a finite number.

    Python writes the shortest digits, as orjson does, and is faster; it uses an exponent for other numbers than orjson.

    >>> number_text(0.25), number_text(1e-7), number_text(0.00005)
    ('0.25', '1e-7', '0.00005')
    """
    text = repr(number)
    return text if "e" not in text else text_of(number)


def iso(moment: datetime) -> str:
    """Return a UTC time in the form of the events, with microseconds."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
