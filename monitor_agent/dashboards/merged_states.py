"""Values of a range that are no sums, such as AUC: merged from the states of its windows, as in `monitor-agent totals`.

A column of a tile or of a table is merged if its label ends with `(mean of windows)`: that mean is what Kibana shows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE
from monitor_agent.durations import parse_duration
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.search_outcomes import SearchOutcome
from monitor_agent.kibana.filters import DashboardContext, Query, conjunction
from monitor_agent.kibana.lens import Column, Layer, LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.searches import SearchRequest, SearchResponse
from monitor_agent.kibana.tables import JOIN, Table, TableColumn, Value
from monitor_agent.kibana.times import TimeRange
from monitor_agent.kibana.window_sizes import window_size
from monitor_agent.metrics import WindowState, measure, merge_all
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import range_filter

MARK = " (mean of windows)"
MOST_STATES = 1500
"""Of more windows, the panel shows the mean of their values, and its label says so."""
LARGER = "1d"
"""Inside of a range, a window of this size stands for the smaller ones in it."""
_SOURCE = ("model_name", "model_version", "window_size", "window_start", "window_end", "state_blob", "judged_by")

MergedValues = Mapping[str, Mapping[str, Any]]
"""`model/version` -> its metrics by name."""


@dataclass(frozen=True)
class MergedRange:
    """The metrics of a range and of the range of the same length before it; None = too many windows, or not read."""

    now: MergedValues | None = None
    before: MergedValues | None = None


def is_merged(source: object) -> bool:
    """Return whether a panel has values that are merged from states."""
    return isinstance(source, LensPanel) and any(_marked(column) for column in _columns(source))


def state_searches(context: DashboardContext) -> list[SearchRequest]:
    """Return the searches for the states of a range, and of the range before it."""
    filters = [query for query in context.filters if not window_size([query])]
    if not any("segment" in str(query) for query in filters):
        filters.append({"term": {"segment": ALL_SEGMENT}})
    filters.append({"bool": {"must_not": [{"term": {"model_version": ALL_VERSIONS}}]}})
    size = window_size(context.filters) or context.base_window
    before = context.time.moved(context.time.length + timedelta(milliseconds=1))
    return [_request(filters, time, size, context.window_sizes) for time in (context.time, before)]


def counting(searches: Sequence[SearchRequest]) -> list[SearchRequest]:
    """Return the searches for the numbers of windows that others read: states are long, and too many are not read."""
    bodies = ((indices, body["query"]) for indices, body in searches)
    return [SearchRequest(indices, {"size": 0, "track_total_hits": True, "query": query}) for indices, query in bodies]


def few_enough(count: SearchOutcome) -> bool:
    """Return whether a search has found windows, and not more than are merged."""
    return not isinstance(count, ElasticsearchError) and 0 < count["hits"]["total"]["value"] <= MOST_STATES


def read_states(outcomes: Sequence[SearchOutcome]) -> MergedRange:
    """Return the metrics of the responses to `state_searches`."""
    now, before = (None if isinstance(outcome, ElasticsearchError) else _merged(outcome) for outcome in outcomes)
    return MergedRange(now, before)


def with_merged(panel: LensPanel, data: PanelData, merged: MergedRange) -> PanelData:
    """Return the data of a panel with merged values in the place of means."""
    if merged.now is None:
        return data
    tables = {
        name: _with_merged(panel.layers[name], table, merged) if name in panel.layers else table
        for name, table in data.tables.items()
    }
    return replace(data, tables=tables)


def _columns(panel: LensPanel) -> Iterator[Column]:
    for layer in panel.layers.values():
        if not any(column.operation == "date_histogram" for column in layer.buckets):
            yield from layer.columns.values()


def _marked(column: Column) -> bool:
    return column.label.endswith(MARK) and not column.label.startswith("Part of ")


def _request(filters: Sequence[Query], time: TimeRange, size: str, stored: Sequence[str]) -> SearchRequest:
    """Return the search for windows that lie in a range: larger ones, and small ones at its ends."""
    larger = LARGER in stored and bool(size) and parse_duration(size) < parse_duration(LARGER)
    small: Query = {"term": {"window_size": size}} if size else {"term": {"is_base_window": True}}
    sizes: list[Query] = [small]
    if larger:
        edge = timedelta(days=1)
        ends: list[Query] = [
            range_filter("window_start", lt=min(time.start + edge, time.end)),
            range_filter("window_start", gte=max(time.end - edge * 2, time.start)),
        ]
        sizes = [
            {"bool": {"filter": [small, {"bool": {"should": ends, "minimum_should_match": 1}}]}},
            {"bool": {"filter": [{"term": {"window_size": LARGER}}, range_filter("window_end", lte=time.end)]}},
        ]
    query = [
        range_filter("window_start", gte=time.start, lte=time.end),
        *filters,
        {"bool": {"should": sizes, "minimum_should_match": 1}},
    ]
    body = {"size": MOST_STATES, "track_total_hits": True, "query": conjunction(query), "_source": list(_SOURCE)}
    return SearchRequest(PERFORMANCE.pattern, body)


def _merged(response: SearchResponse) -> MergedValues | None:
    hits = response["hits"]["hits"]
    if response["hits"]["total"]["value"] > len(hits):
        return None
    windows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for hit in hits:
        source = hit["_source"]
        windows[f"{source['model_name']}{JOIN}{source['model_version']}"].append(source)
    return {name: _metrics(of_name) for name, of_name in windows.items()}


def _metrics(windows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the metrics of the windows of one version; a window inside of a larger one is not counted twice."""
    starts: list[datetime] = []
    longest: list[tuple[datetime, Mapping[str, Any]]] = []
    for source in sorted(windows, key=lambda window: -parse_duration(window["window_size"])):
        start, end = instants.parse(source["window_start"]), instants.parse(source["window_end"])
        place = bisect_right(starts, start)
        if not place or end > longest[place - 1][0]:
            starts.insert(place, start)
            longest.insert(place, (end, source))
    state = merge_all(WindowState.from_blobs([source["state_blob"] for _, source in longest]))
    return measure(state, judged_by=longest[-1][1].get("judged_by") or "click")


def _with_merged(layer: Layer, table: Table, merged: MergedRange) -> Table:
    marked = {name: column for name, column in layer.columns.items() if _marked(column)}
    fields = {name: field for name, column in layer.columns.items() if (field := _field(layer, column))}
    values = {name: fields[name] for name in marked if name in fields}
    changes = {name: field for name, field in fields.items() if field in values.values() and _is_change(layer, name)}
    if not values:
        return table
    rows = [_row(layer, row, values, changes, merged) for row in table.rows]
    columns = tuple(
        replace(column, label=_label(column)) if column.id in values else column for column in table.columns
    )
    return replace(table, columns=columns, rows=tuple(rows))


def _row(
    layer: Layer, row: Mapping[str, Value], values: Mapping[str, str], changes: Mapping[str, str], merged: MergedRange
) -> Mapping[str, Value]:
    name = _name(layer, row)
    now, before = ((of_range or {}).get(name, {}) for of_range in (merged.now, merged.before))
    new: dict[str, Value] = {column: now.get(field) for column, field in values.items()}
    for column, field in changes.items():
        value, earlier = now.get(field), before.get(field)
        factor = 100 if str(layer.columns[column].params.get("formula", "")).startswith("100 *") else 1
        new[column] = None if value is None or earlier is None else factor * (value - earlier)
    return {**row, **new}


def _name(layer: Layer, row: Mapping[str, Value]) -> str:
    """Return the model and version of a row: one group of both fields, or a group of each."""
    by_field = {column.field: str(row[column.id]) for column in layer.buckets}
    groups = [column.id for column in layer.buckets if column.secondary_fields[:1] == ("model_version",)]
    return (
        str(row[groups[0]]) if groups else JOIN.join(by_field.get(name, "") for name in ("model_name", "model_version"))
    )


def _field(layer: Layer, column: Column) -> str:
    """Return the only field whose means a column is made of; empty if it is not made of means of one field."""
    operands = [layer.columns[name] for name in layer.columns if name.startswith(f"{column.id}X")]
    metrics = [operand for operand in operands or [column] if operand.operation != "math"]
    fields = {metric.field for metric in metrics}
    return fields.pop() if len(fields) == 1 and all(metric.operation == "average" for metric in metrics) else ""


def _is_change(layer: Layer, name: str) -> bool:
    return any(other.startswith(f"{name}X") and column.shift for other, column in layer.columns.items())


def _label(column: TableColumn) -> str:
    return column.label.removesuffix(MARK)
