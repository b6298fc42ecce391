"""Points in time as documents write them: parsed, written, in UTC."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)

_OWN_LENGTHS = (20, 24, 27)
"""Of a moment in UTC as `text` writes it: by far the most, and read without further ado."""
_FRACTION = re.compile(r"\.(\d+)")


def parse(value: str | int | float) -> datetime:
    """Return the moment (UTC) of a document's date: ISO 8601 text, or milliseconds since 1970.

    Digits beyond microseconds are dropped; a time without an offset is UTC. ValueError for anything else.

    >>> parse("2026-11-23T10:00:00.1234567Z").isoformat()
    '2026-11-23T10:00:00.123456+00:00'
    """
    if isinstance(value, (int, float)):
        return EPOCH + timedelta(milliseconds=value)
    if len(value) in _OWN_LENGTHS and value[-1] == "Z":
        return datetime.fromisoformat(value[:-1] + "+00:00")
    text = value.replace("Z", "+00:00")
    text = _FRACTION.sub(lambda found: "." + found[1][:6].ljust(6, "0"), text, count=1)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)


def text(moment: datetime) -> str:
    """Return a moment as documents write it: UTC, with as many digits as it needs.

    >>> text(parse("2026-11-23T12:00:00+02:00")), text(parse(1500))
    ('2026-11-23T10:00:00Z', '1970-01-01T00:00:01.500Z')
    """
    moment = moment.astimezone(timezone.utc)
    digits = "auto" if moment.microsecond % 1000 or not moment.microsecond else "milliseconds"
    return moment.isoformat(timespec=digits).removesuffix("+00:00") + "Z"


def milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since 1970: the resolution in which Elasticsearch compares dates."""
    return (moment - EPOCH) // MILLISECOND
