"""A Lens panel as Elasticsearch searches (pure); `tables` turns the responses into rows.

Kibana's own requests may differ in form: `last_value` is a `top_hits` here, and a column with a time shift is a search
of its own. Nothing needs scripts, runtime fields or pipeline aggregations.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.durations import parse_duration
from monitor_agent.errors import DataError, UnsupportedPanelError
from monitor_agent.kibana.data_views import DataView
from monitor_agent.kibana.filters import DashboardContext, conjunction, search_query, within
from monitor_agent.kibana.lens import RECORDS, AnnotationQuery, Column, Layer, LensPanel
from monitor_agent.kibana.sample_sizes import sample_aggregations
from monitor_agent.kibana.searches import SearchRequest
from monitor_agent.kibana.times import TimeRange, interval
from monitor_agent.kibana.window_sizes import fitting_window, window_size, with_base_window, with_window_size
from monitor_agent.pipeline.instants import milliseconds

Views = Mapping[str, DataView]
"""Data views by id."""

MAX_ANNOTATIONS = 100
USUAL_SERIES = 5
"""So many versions have values at the same time, however many a panel has room for."""
PREVIOUS = "previous"
"""The time shift to the range of the same length before the range shown."""
_CALENDAR = ("1d", "1w", "1M", "1y")
_SIMPLE = {"sum": "sum", "average": "avg", "min": "min", "max": "max", "unique_count": "cardinality"}


@dataclass(frozen=True)
class LayerSearch:
    """One search of a layer.

    Attributes
    ----------
    shift : how much earlier its documents are than the time range.
    metrics : the columns that it computes.
    aggregation_of : column -> the column whose aggregation computes its value, too; a column that is not in it is the
        number of documents of its bucket.
    """

    request: SearchRequest
    shift: timedelta
    metrics: tuple[Column, ...]
    aggregation_of: Mapping[str, str]


@dataclass(frozen=True)
class LayerSearches:
    """A layer and its searches; a layer of fixed values has none."""

    layer: Layer
    view: DataView
    time: TimeRange
    interval: str
    searches: tuple[LayerSearch, ...]


@dataclass(frozen=True)
class AnnotationSearch:
    """The events that a chart marks, and the search for them."""

    query: AnnotationQuery
    request: SearchRequest


def layer_searches(panel: LensPanel, views: Views, context: DashboardContext) -> list[LayerSearches]:
    """Return the searches of each layer of a panel, in order.

    Raises
    ------
    UnsupportedPanelError
        If a layer uses an operation that is not translated to a search.
    DataError
        If the panel reads a data view that does not exist.
    """
    return [_layer(panel, layer, _view(panel, views, layer.view), context) for layer in panel.layers.values()]


def annotation_searches(panel: LensPanel, views: Views, context: DashboardContext) -> list[AnnotationSearch]:
    """Return the searches for the events that a panel marks.

    Raises
    ------
    DataError
        If the panel reads a data view that does not exist.
    """
    searches = []
    for query in panel.annotations:
        view = _view(panel, views, query.view)
        filters = [*within(context.time, query.time_field), *search_query(query.query, ())]
        if not query.ignores_filters:
            filters += context.filters
        body = {
            "size": MAX_ANNOTATIONS,
            "track_total_hits": False,
            "query": conjunction(filters),
            "sort": [{query.time_field: "asc"}],
            "_source": [query.time_field, *([query.text_field] if query.text_field else [])],
        }
        searches.append(AnnotationSearch(query, SearchRequest(view.index, body)))
    return searches


def _view(panel: LensPanel, views: Views, name: str) -> DataView:
    if name not in views:
        raise DataError(f"{panel.key} reads the data view {name}, which does not exist")
    return views[name]


def _layer(panel: LensPanel, layer: Layer, view: DataView, context: DashboardContext) -> LayerSearches:
    stored = next((column.params["interval"] for column in layer.buckets if column.operation == "date_histogram"), "")
    filters = [] if layer.ignores_filters else [*context.filters, *search_query(panel.query, panel.filters)]
    filters = with_base_window(filters, context.base_window)
    window = window_size(filters)
    if stored == "auto" and window and any(column.operation == "average" for column in layer.metrics):
        # Means cannot be added up: larger windows hold the values of a longer time.
        larger = fitting_window(window, context.window_sizes, context.time)
        filters, window = with_window_size(filters, window, larger), larger
        bar = max(interval(window, context.time, min(_series(layer), USUAL_SERIES)), window, key=parse_duration)
    else:
        bar = _bar(stored, window, interval(stored, context.time, _series(layer))) if stored else ""
    searches = []
    for shift in dict.fromkeys(column.shift for column in layer.metrics):
        metrics = tuple(column for column in layer.metrics if column.shift == shift)
        earlier = _earlier(shift, context.time)
        aggregations, aggregation_of = _metrics(panel, metrics)
        if not shift:
            aggregations |= sample_aggregations(layer, view)
        for column in reversed(layer.buckets):
            for name, grouped in reversed(_groupings(panel, layer, column, bar, context.time.moved(earlier)).items()):
                order = _metric(panel, column.order) if column.order else None
                if aggregations or order:
                    grouped["aggs"] = {**aggregations, **({f"{column.id}-order": order} if order else {})}
                aggregations = {name: grouped}
        body: dict[str, Any] = {
            "size": 0,
            "track_total_hits": not layer.buckets,
            "query": conjunction([*within(context.time, view.time_field, earlier), *filters]),
        }
        if aggregations:
            body["aggs"] = aggregations
        searches.append(LayerSearch(SearchRequest(view.index, body), earlier, metrics, aggregation_of))
    return LayerSearches(layer, view, context.time, bar, tuple(searches))


def _earlier(shift: str, time: TimeRange) -> timedelta:
    """Return how much earlier a shifted column reads: `previous` is the range of the same length before this one."""
    if shift == PREVIOUS:
        return time.length + timedelta(milliseconds=1)  # the first moment of the range is not before it
    return parse_duration(shift) if shift else timedelta()


def _bar(stored: str, window: str, bar: str) -> str:
    """Return the length of the bars: an automatic one is not shorter than a window."""
    return max(bar, window, key=parse_duration) if window and stored == "auto" else bar


def _series(layer: Layer) -> int:
    """Return how many lines a bar of time belongs to at most, if each group has one."""
    return math.prod(
        int(column.params["size"]) if column.operation == "terms" else len(column.params.get("filters") or [0])
        for column in layer.buckets
        if column.operation in ("terms", "filters")
    )


def _metrics(panel: LensPanel, columns: tuple[Column, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the aggregations by column, equal ones only once, and column -> the column whose aggregation it uses."""
    aggregations: dict[str, Any] = {}
    aggregation_of: dict[str, str] = {}
    first_column: dict[str, str] = {}
    for column in columns:
        aggregation = _metric(panel, column)
        if aggregation is None:
            continue
        text = json.dumps(aggregation, sort_keys=True)
        aggregation_of[column.id] = first_column.setdefault(text, column.id)
        if aggregation_of[column.id] == column.id:
            aggregations[column.id] = aggregation
    return aggregations, aggregation_of


def _metric(panel: LensPanel, column: Column) -> dict[str, Any] | None:
    """Return a column's aggregation, inside its filter if it has one; None if the value is the count of the bucket."""
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


def _groupings(panel: LensPanel, layer: Layer, column: Column, bar: str, time: TimeRange) -> dict[str, dict[str, Any]]:
    """Return the aggregations of a column that groups, outermost first: one for each field of `terms`."""
    outer = _bucket(panel, layer, column, bar, time)
    inner = [{"terms": {**outer["terms"], "field": field}} for field in column.secondary_fields]
    return dict(zip(grouping_names(column), [outer, *inner], strict=True))


def grouping_names(column: Column) -> list[str]:
    """Return the names of the aggregations of a column that groups, outermost first."""
    return [column.id, *(f"{column.id}-{number}" for number, _ in enumerate(column.secondary_fields, 1))]


def _bucket(panel: LensPanel, layer: Layer, column: Column, bar: str, time: TimeRange) -> dict[str, Any]:
    params = column.params
    if column.operation == "date_histogram":
        return {"date_histogram": _dates(column, bar, time)}
    if column.operation == "filters":
        return {"filters": {"filters": {name: kql.query(text) for name, text in labelled_filters(column)}}}
    if column.operation == "range":
        if params["type"] != "range":
            raise UnsupportedPanelError(panel.key, "intervals that follow from the data")
        return {"range": {"field": column.field, "ranges": [dict(_bounds(stored)) for stored in params["ranges"]]}}
    for name in ("otherBucket", "missingBucket", "includeIsRegex", "excludeIsRegex", "accuracyMode"):
        if params.get(name):
            raise UnsupportedPanelError(panel.key, f"`{name}` of terms")
    terms: dict[str, Any] = {"field": column.field, "size": params["size"], "order": _order(panel, layer, column)}
    for name in ("include", "exclude"):
        if params.get(name):
            terms[name] = list(params[name])
    return {"terms": terms}


def labelled_filters(column: Column) -> list[tuple[str, str]]:
    """Return the name and KQL text of each group of a `filters` column."""
    return [
        (stored.get("label") or stored["input"]["query"], stored["input"]["query"])
        for stored in column.params["filters"]
    ]


def _bounds(stored: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("from", "to"):
        if stored.get(name) is not None:
            yield name, stored[name]


def _dates(column: Column, bar: str, time: TimeRange) -> dict[str, Any]:
    kind = "calendar_interval" if bar in _CALENDAR else "fixed_interval"
    histogram: dict[str, Any] = {"field": column.field, kind: bar, "time_zone": "UTC", "min_doc_count": 1}
    if column.params.get("includeEmptyRows"):
        histogram["min_doc_count"] = 0
        histogram["extended_bounds"] = {"min": milliseconds(time.start), "max": milliseconds(time.end)}
    return histogram


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
