"""Points in time and intervals as documents and queries write them: parsed, written, compared, in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND, MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)

_LENGTHS_OF_TEXT = (20, 24, 27)
"""Lengths of a moment that `text` has written: most moments are, and they are parsed faster."""
_FRACTION = re.compile(r"\.(\d+)")


@dataclass(frozen=True, order=True)
class Interval:
    """A half-open interval of time, in UTC: `start` is in it, `end` is not."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """The real length: a day on which clocks change has 23 or 25 hours."""
        return (self.end - self.start).total_seconds()

    def holds(self, moment: datetime) -> bool:
        """Return whether a moment is in it."""
        return self.start <= moment < self.end

    def overlaps(self, other: Interval) -> bool:
        """Return whether some moment is in both."""
        return self.start < other.end and other.start < self.end


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same time as disjoint intervals, in order.

    >>> hours = [datetime(2026, 11, 23, number) for number in range(4)]
    >>> merged([Interval(hours[1], hours[3]), Interval(hours[0], hours[2])]) == [Interval(hours[0], hours[3])]
    True
    """
    disjoint: list[Interval] = []
    for interval in sorted(intervals):
        if disjoint and interval.start <= disjoint[-1].end:
            disjoint[-1] = Interval(disjoint[-1].start, max(disjoint[-1].end, interval.end))
        else:
            disjoint.append(interval)
    return disjoint


def parse(value: str | int | float) -> datetime:
    """Return the moment (UTC) of a document's date: ISO 8601 text, or milliseconds since 1970.

    Digits beyond microseconds are dropped; a time without an offset is UTC.

    Raises
    ------
    ValueError
        If the value is neither.

    >>> parse("2026-11-23T10:00:00.1234567Z").isoformat()
    '2026-11-23T10:00:00.123456+00:00'
    """
    if isinstance(value, (int, float)):
        return EPOCH + timedelta(milliseconds=value)
    if len(value) in _LENGTHS_OF_TEXT and value[-1] == "Z":
        return datetime.fromisoformat(value[:-1] + "+00:00")
    text = value.replace("Z", "+00:00")
    text = _FRACTION.sub(lambda match: "." + match[1][:6].ljust(6, "0"), text, count=1)
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


def range_filter(field: str, **bounds: datetime | None) -> dict[str, Any]:
    """Return the filter for documents whose date in `field` lies within bounds.

    Parameters
    ----------
    bounds : moments by Elasticsearch's names `gte`, `gt`, `lte`, `lt`; None = without that bound.

    >>> range_filter("@timestamp", gte=EPOCH, lt=None)
    {'range': {'@timestamp': {'gte': 0, 'format': 'epoch_millis'}}}
    """
    values = {name: milliseconds(moment) for name, moment in bounds.items() if moment is not None}
    return {"range": {field: {**values, "format": "epoch_millis"}}}


def in_calendar(field: str = "@timestamp") -> dict[str, Any]:
    """Return the filter for documents whose date in `field` lies in the years 1970 to 9998.

    An index takes milliseconds of any size. For the largest ones, Elasticsearch refuses a histogram of dates, and it
    closes the connection instead of writing the smallest or the greatest date.
    """
    return range_filter(field, gte=EPOCH, lt=datetime(9999, 1, 1, tzinfo=timezone.utc))


def within(interval: Interval, field: str = "@timestamp") -> dict[str, Any]:
    """Return the filter for documents whose date in `field` lies in an interval."""
    return range_filter(field, gte=interval.start, lt=interval.end)
