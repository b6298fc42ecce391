"""A Lens panel as Elasticsearch searches (pure); `tables` reads what comes back.

Kibana's own requests may differ in form: `last_value` is a `top_hits` here, and a column with a time shift is a search
of its own. Nothing needs scripts, runtime fields or pipeline aggregations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.durations import parse_duration
from monitor_agent.errors import DataError, UnsupportedPanelError
from monitor_agent.kibana.data_views import DataView
from monitor_agent.kibana.filters import DashboardContext, conjunction, search_query, within
from monitor_agent.kibana.lens import RECORDS, AnnotationQuery, Column, Layer, LensPanel
from monitor_agent.kibana.times import TimeRange, interval
from monitor_agent.pipeline.instants import milliseconds

Views = Mapping[str, DataView]
"""Data views by id."""

MAX_ANNOTATIONS = 100
_CALENDAR = ("1d", "1w", "1M", "1y")
_SIMPLE = {"sum": "sum", "average": "avg", "min": "min", "max": "max", "unique_count": "cardinality"}


@dataclass(frozen=True)
class Search:
    """One search of a layer: the documents `shift` earlier than shown, for the columns `metrics`.

    Attributes
    ----------
    same : column -> the column whose aggregation says the same.
    """

    index: str
    body: Mapping[str, Any]
    shift: timedelta = timedelta()
    metrics: tuple[Column, ...] = ()
    same: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerSearches:
    """A layer and the searches that answer it; none where it holds fixed values only."""

    layer: Layer
    view: DataView
    time: TimeRange
    interval: str
    searches: tuple[Search, ...]


@dataclass(frozen=True)
class AnnotationSearch:
    """Events to be marked and the search that finds them."""

    query: AnnotationQuery
    search: Search


def layer_searches(panel: LensPanel, views: Views, context: DashboardContext) -> list[LayerSearches]:
    """Return the searches of each layer of a panel, in order.

    Raises UnsupportedPanelError where a layer uses what cannot be asked.
    """
    return [_layer(panel, layer, _view(panel, views, layer.view), context) for layer in panel.layers.values()]


def annotation_searches(panel: LensPanel, views: Views, context: DashboardContext) -> list[AnnotationSearch]:
    """Return the searches for the events that a panel marks."""
    found = []
    for marks in panel.annotations:
        view = _view(panel, views, marks.view)
        filters = [*within(context.time, marks.time_field), *search_query(marks.query, ())]
        if not marks.alone:
            filters += context.filters
        body = {
            "size": MAX_ANNOTATIONS,
            "track_total_hits": False,
            "query": conjunction(filters),
            "sort": [{marks.time_field: "asc"}],
            "_source": [marks.time_field, *([marks.text_field] if marks.text_field else [])],
        }
        found.append(AnnotationSearch(marks, Search(view.index, body)))
    return found


def _view(panel: LensPanel, views: Views, name: str) -> DataView:
    if name not in views:
        raise DataError(f"{panel.key} reads the data view {name}, which does not exist")
    return views[name]


def _layer(panel: LensPanel, layer: Layer, view: DataView, context: DashboardContext) -> LayerSearches:
    wanted = next((column.params["interval"] for column in layer.buckets if column.operation == "date_histogram"), "")
    bar = interval(wanted, context.time) if wanted else ""
    narrowed = [] if layer.alone else [*context.filters, *search_query(panel.query, panel.filters)]
    searches = []
    for shift in dict.fromkeys(column.shift for column in layer.metrics):
        metrics = tuple(column for column in layer.metrics if column.shift == shift)
        earlier = parse_duration(shift) if shift else timedelta()
        aggregations, same = _metrics(panel, metrics)
        for column in reversed(layer.buckets):
            grouped: dict[str, Any] = _bucket(panel, layer, column, bar, context.time.moved(earlier))
            order = _metric(panel, column.order) if column.order else None
            if aggregations or order:
                grouped["aggs"] = {**aggregations, **({f"{column.id}-order": order} if order else {})}
            aggregations = {column.id: grouped}
        body: dict[str, Any] = {
            "size": 0,
            "track_total_hits": not layer.buckets,
            "query": conjunction([*within(context.time, view.time_field, earlier), *narrowed]),
        }
        if aggregations:
            body["aggs"] = aggregations
        searches.append(Search(view.index, body, earlier, metrics, same))
    return LayerSearches(layer, view, context.time, bar, tuple(searches))


def _metrics(panel: LensPanel, columns: tuple[Column, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the aggregations by column, each one once, and which columns share one."""
    found: dict[str, Any] = {}
    same: dict[str, str] = {}
    first: dict[str, str] = {}
    for column in columns:
        aggregation = _metric(panel, column)
        if aggregation is None:
            continue
        text = json.dumps(aggregation, sort_keys=True).replace(f'"{column.id}"', '""')
        same[column.id] = first.setdefault(text, column.id)
        if same[column.id] == column.id:
            found[column.id] = aggregation
    return found, same


def _metric(panel: LensPanel, column: Column) -> dict[str, Any] | None:
    """Return a column's aggregation, below a filter where it has one; None where the bucket's own count is it."""
    inner: dict[str, Any] | None
    if column.operation in _SIMPLE:
        inner = {_SIMPLE[column.operation]: {"field": column.field}}
    elif column.operation in ("percentile", "median"):
        inner = {"percentiles": {"field": column.field, "percents": [percent(column)]}}
    elif column.operation == "last_value":
        sort = {column.params["sortField"]: {"order": "desc"}}
        inner = {"top_hits": {"size": 1, "_source": False, "docvalue_fields": [column.field], "sort": [sort]}}
    elif column.operation == "count":
        inner = None if column.field == RECORDS else {"value_count": {"field": column.field}}
    else:
        raise UnsupportedPanelError(panel.key, f"the operation {column.operation}")
    if not column.filter:
        return inner
    filtered: dict[str, Any] = {"filter": kql.query(column.filter)}
    if inner is not None:
        filtered["aggs"] = {"value": inner}
    return filtered


def percent(column: Column) -> float:
    """Return the percentile that a column shows."""
    return 50.0 if column.operation == "median" else float(column.params["percentile"])


def _bucket(panel: LensPanel, layer: Layer, column: Column, bar: str, time: TimeRange) -> dict[str, Any]:
    params = column.params
    if column.operation == "date_histogram":
        return {"date_histogram": _dates(column, bar, time)}
    if column.operation == "filters":
        return {"filters": {"filters": {name: kql.query(text) for name, text in labelled_filters(column)}}}
    if column.operation == "range":
        if params["type"] != "range":
            raise UnsupportedPanelError(panel.key, "intervals that follow from the data")
        return {"range": {"field": column.field, "ranges": [dict(_bounds(each)) for each in params["ranges"]]}}
    for name in ("otherBucket", "missingBucket", "secondaryFields", "includeIsRegex", "excludeIsRegex", "accuracyMode"):
        if params.get(name):
            raise UnsupportedPanelError(panel.key, f"`{name}` of terms")
    terms: dict[str, Any] = {"field": column.field, "size": params["size"], "order": _order(panel, layer, column)}
    for name in ("include", "exclude"):
        if params.get(name):
            terms[name] = list(params[name])
    return {"terms": terms}


def labelled_filters(column: Column) -> list[tuple[str, str]]:
    """Return the name and KQL text of each group of a `filters` column."""
    return [(each.get("label") or each["input"]["query"], each["input"]["query"]) for each in column.params["filters"]]


def _bounds(stored: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("from", "to"):
        if stored.get(name) is not None:
            yield name, stored[name]


def _dates(column: Column, bar: str, time: TimeRange) -> dict[str, Any]:
    kind = "calendar_interval" if bar in _CALENDAR else "fixed_interval"
    found: dict[str, Any] = {"field": column.field, kind: bar, "time_zone": "UTC", "min_doc_count": 1}
    if column.params.get("includeEmptyRows"):
        found["min_doc_count"] = 0
        found["extended_bounds"] = {"min": milliseconds(time.start), "max": milliseconds(time.end)}
    return found


def _order(panel: LensPanel, layer: Layer, terms: Column) -> dict[str, str]:
    by, direction = terms.params["orderBy"], terms.params["orderDirection"]
    if by["type"] == "alphabetical":
        return {"_key": direction}
    column = terms.order if by["type"] == "custom" else layer.columns.get(by.get("columnId", ""))
    if column is None:
        raise UnsupportedPanelError(panel.key, f"terms ordered by {by['type']}")
    if column.operation == "count" and column.field == RECORDS:
        return {column.id if column.filter else "_count": direction}
    path = f"{column.id}>value" if column.filter else column.id
    if column.operation in ("percentile", "median"):
        return {f"{path}.{percent(column):g}": direction}
    if column.operation in _SIMPLE or column.operation == "count":
        return {path: direction}
    raise UnsupportedPanelError(panel.key, f"terms ordered by {column.operation}")
