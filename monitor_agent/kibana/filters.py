"""The filters of a panel's documents: time range, queries, Kibana's filter pills, controls (pure)."""

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
    """The time range and the filters that a dashboard gives to each of its panels.

    Attributes
    ----------
    time : the range of the time picker.
    filters : Elasticsearch queries of the dashboard's query, pills and controls.
    window_sizes : the sizes of the stored windows; none = unknown.
    base_window : the size of the base windows; empty = unknown, or models have several.
    """

    time: TimeRange
    filters: tuple[Query, ...] = ()
    window_sizes: tuple[str, ...] = ()
    base_window: str = ""


def within(time: TimeRange, field: str, shift: timedelta = timedelta()) -> list[Query]:
    """Return the filter for a time range; no filter for a data view without a time field."""
    if not field:
        return []
    moved = time.moved(shift)
    return [range_filter(field, gte=moved.start, lte=moved.end)]


def pill(stored: Mapping[str, Any]) -> Query | None:
    """Return the query of a Kibana filter; None if it is disabled.

    Raises
    ------
    DataError
        If the filter holds no query.
    """
    meta = stored["meta"]
    if meta.get("disabled"):
        return None
    if "query" not in stored:
        raise DataError(f"the filter on {meta.get('key')} holds no query", "write the filter with a `query`")
    query = dict(stored["query"])
    return {"bool": {"must_not": [query]}} if meta.get("negate") else query


def pills(stored: Iterable[Mapping[str, Any]]) -> list[Query]:
    """Return the queries of the Kibana filters that are not disabled."""
    return [query for query in map(pill, stored) if query is not None]


def search_query(text: str, stored: Iterable[Mapping[str, Any]]) -> list[Query]:
    """Return the queries of a KQL text and of Kibana filters."""
    return ([kql.query(text)] if text.strip() else []) + pills(stored)


def conjunction(queries: Iterable[Query]) -> Query:
    """Return the query for the documents that match all queries."""
    filters = list(queries)
    return {"bool": {"filter": filters}} if filters else {"match_all": {}}
