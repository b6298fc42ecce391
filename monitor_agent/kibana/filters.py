"""What narrows a panel's documents: time, queries, filter pills, controls (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.errors import DataError
from monitor_agent.kibana.times import TimeRange
from monitor_agent.pipeline.instants import range_filter

Query = dict[str, Any]


@dataclass(frozen=True)
class DashboardContext:
    """What a dashboard says to each of its panels.

    Attributes
    ----------
    time : the range of the time picker.
    filters : Elasticsearch queries of the dashboard's query, pills and controls.
    """

    time: TimeRange
    filters: tuple[Query, ...] = ()


def within(time: TimeRange, field: str, shift: timedelta = timedelta()) -> list[Query]:
    """Return the filter for a time range, none for a data view without time."""
    if not field:
        return []
    moved = time.moved(shift)
    return [range_filter(field, gte=moved.start, lte=moved.end)]


def pill(stored: Mapping[str, Any]) -> Query | None:
    """Return the query of a Kibana filter; None where it is switched off."""
    meta = stored["meta"]
    if meta.get("disabled"):
        return None
    if "query" not in stored:
        raise DataError(f"the filter on {meta.get('key')} holds no query", "filters need the form with `query`")
    found = dict(stored["query"])
    return {"bool": {"must_not": [found]}} if meta.get("negate") else found


def pills(stored: Iterable[Mapping[str, Any]]) -> list[Query]:
    """Return the queries of Kibana filters that are switched on."""
    return [found for found in map(pill, stored) if found is not None]


def search_query(text: str, stored: Iterable[Mapping[str, Any]]) -> list[Query]:
    """Return the queries of a KQL text and of Kibana filters."""
    return ([kql.query(text)] if text.strip() else []) + pills(stored)


def conjunction(queries: Iterable[Query]) -> Query:
    """Return the query that matches where all do."""
    found = list(queries)
    return {"bool": {"filter": found}} if found else {"match_all": {}}
