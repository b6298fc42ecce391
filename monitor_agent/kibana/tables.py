"""Responses to a panel's searches as rows (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from monitor_agent.durations import parse_duration
from monitor_agent.kibana.arithmetic import Computation, compiled
from monitor_agent.kibana.data_views import DataView, Format
from monitor_agent.kibana.lens import RECORDS, AnnotationQuery, Column, Layer
from monitor_agent.kibana.lens_searches import LayerSearch, LayerSearches, grouping_names, labelled_filters
from monitor_agent.kibana.sample_sizes import Sample, read_sample
from monitor_agent.kibana.searches import SearchResponse
from monitor_agent.kibana.times import TimeRange

Value = float | int | str | bool | None

JOIN = "/"
"""Stands between the values of a group of several fields."""
COUNTED = ("count", "sum", "unique_count")
_KEEP_FORMAT = ("sum", "average", "min", "max", "median", "percentile", "last_value", "terms", "range")


@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    Attributes
    ----------
    kind : `date`, `string`, `number` or `boolean`; dates are milliseconds since 1970.
    bucketed : whether it groups; else it is a value.
    counted : whether it counts or adds up, so that 0 stands for nothing.
    """

    id: str
    label: str
    kind: str
    bucketed: bool
    format: Format | None
    counted: bool = False


@dataclass(frozen=True)
class Table:
    """Rows by column id; helper columns of formulas are left out.

    Attributes
    ----------
    samples : the events behind each row; empty if they are unknown.
    left_out : number of groups that had no place.
    total : number of all rows, if there are more than these; documents of left out groups if it has groups.
    """

    columns: tuple[TableColumn, ...]
    rows: tuple[Mapping[str, Value], ...]
    samples: tuple[Sample, ...] = ()
    left_out: int = 0
    total: int = 0

    def sample(self, row: int) -> Sample | None:
        """Return the events behind a row; None if they are unknown."""
        return self.samples[row] if self.samples else None

    def empty(self, main: Collection[str] = ()) -> bool:
        """Return whether there is nothing to show: no value, or in a chart no count but 0.

        A single number says something if it is 0, such as no errors. A chart whose counts are all 0 shows no document.

        Parameters
        ----------
        main : ids of the columns that count; none = all columns of values.
        """
        single = not any(column.bucketed for column in self.columns) and len(self.rows) == 1
        return not any(
            value or (value is not None and (single or not column.counted)) for column, value in self._values(main)
        )

    def only_zeros(self, main: Collection[str] = ()) -> bool:
        """Return whether there is no value but 0."""
        return not any(value for _, value in self._values(main))

    def _values(self, main: Collection[str]) -> Iterator[tuple[TableColumn, Value]]:
        for column in self.columns:
            if not column.bucketed and (not main or column.id in main):
                yield from ((column, row[column.id]) for row in self.rows)


@dataclass(frozen=True)
class Annotation:
    """An event that a chart marks: milliseconds since 1970, and its text."""

    at: int
    text: str


def layer_table(searches: LayerSearches, responses: Sequence[SearchResponse]) -> Table:
    """Return the rows of a layer.

    Parameters
    ----------
    responses : to `searches.searches`, in order.
    """
    layer = searches.layer
    groups = layer.buckets
    names = [column.id for column in groups]
    rows: dict[tuple[Value, ...], dict[str, Value]] = {} if groups else {(): {}}
    samples: dict[tuple[Value, ...], Sample] = {}
    for search, response in zip(searches.searches, responses, strict=True):
        top = {"doc_count": _total(response), **response.get("aggregations", {})}
        for key, bucket in _leaves(groups, top, search.shift):
            row = rows.get(key)
            if row is None:
                row = rows[key] = dict(zip(names, key, strict=True))
            if not search.shift:
                samples[key] = read_sample(bucket, bucket["doc_count"], searches.view)
            for column in search.metrics:
                row[column.id] = _scaled(column, _value(column, search, bucket), key, searches)
    metrics, derived = [column.id for column in layer.metrics], layer.derived
    formulas = {column.id: compiled(column.params["tinymathAst"]) for column in derived if column.operation == "math"}
    for row in rows.values():
        for name in metrics:
            row.setdefault(name, None)
        for column in derived:
            _derive(layer, column, row, formulas)
    visible = [column for column in layer.columns.values() if not _is_helper(layer, column)]
    columns = tuple(table_column(column, searches.view) for column in visible)
    keys, left_out = _largest_groups(layer, rows, samples)
    return Table(
        columns,
        tuple({column.id: rows[key][column.id] for column in visible} for key in keys),
        tuple(samples.get(key, Sample(0)) for key in keys) if searches.searches else (),
        left_out,
        sum(_omitted(groups, response.get("aggregations", {})) for response in responses[:1]),
    )


def annotations_of(query: AnnotationQuery, response: SearchResponse) -> list[Annotation]:
    """Return the events that a response holds."""
    return [
        Annotation(hit["sort"][0], str(source_value(hit["_source"], query.text_field) or query.label))
        for hit in response["hits"]["hits"]
    ]


def source_value(source: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path of a document, whether it is nested or flat; None if it is missing."""
    if not path or path in source:
        return source.get(path)
    head, _, rest = path.partition(".")
    inner = source.get(head)
    return source_value(inner, rest) if rest and isinstance(inner, Mapping) else None


def table_column(column: Column, view: DataView) -> TableColumn:
    """Return the column of a table for a column of a layer, with its own format or else with its field's."""
    inherited = view.formats.get(column.field) if column.operation in _KEEP_FORMAT else None
    counted = column.operation in COUNTED
    return TableColumn(column.id, column.label, column.data_type, column.bucketed, column.format or inherited, counted)


def _is_helper(layer: Layer, column: Column) -> bool:
    formulas = [formula for formula in layer.columns.values() if formula.operation == "formula"]
    return any(column.id.startswith(f"{formula.id}X") for formula in formulas)


def _total(response: SearchResponse) -> int:
    total = response["hits"].get("total")
    return int(total["value"]) if isinstance(total, Mapping) else int(total or 0)


def _leaves(
    columns: Sequence[Column], bucket: SearchResponse, shift: timedelta
) -> Iterator[tuple[tuple[Value, ...], SearchResponse]]:
    """Yield the innermost buckets with the keys of all buckets around them."""
    if not columns:
        yield (), bucket
        return
    column, rest = columns[0], columns[1:]
    if column.id not in bucket:
        return
    for key, inner in _grouped(column, grouping_names(column), bucket, shift):
        for keys, leaf in _leaves(rest, inner, shift):
            yield (key, *keys), leaf


def _grouped(
    column: Column, names: Sequence[str], bucket: SearchResponse, shift: timedelta
) -> Iterator[tuple[Value, SearchResponse]]:
    """Yield the buckets of a column; the key of several fields joins their values, such as `churn/2`."""
    for key, inner in _buckets(column, bucket[names[0]]["buckets"], shift):
        if len(names) == 1:
            yield key, inner
        else:
            for further, leaf in _grouped(column, names[1:], inner, shift):
                yield f"{key}{JOIN}{further}", leaf


def _omitted(columns: Sequence[Column], bucket: SearchResponse) -> int:
    """Return how many documents are in groups that Elasticsearch left out, because a panel has room for so many."""
    return _omitted_of([name for column in columns for name in grouping_names(column)], bucket)


def _omitted_of(names: Sequence[str], bucket: SearchResponse) -> int:
    if not names or names[0] not in bucket:
        return 0
    node = bucket[names[0]]
    buckets = node["buckets"].values() if isinstance(node["buckets"], Mapping) else node["buckets"]
    return int(node.get("sum_other_doc_count", 0)) + sum(_omitted_of(names[1:], inner) for inner in buckets)


def _largest_groups(
    layer: Layer, rows: Mapping[tuple[Value, ...], Any], samples: Mapping[tuple[Value, ...], Sample]
) -> tuple[list[tuple[Value, ...]], int]:
    """Return the keys of rows without the smallest groups of several fields, and the number of groups left out.

    Each field of such a group has `size` values, so that there may be more combinations than the panel has room for.
    """
    keys, left_out = list(rows), 0
    for place, column in enumerate(layer.buckets):
        if not column.secondary_fields:
            continue
        sums: dict[Value, int] = {}
        for key in keys:
            sums[key[place]] = sums.get(key[place], 0) + samples.get(key, Sample(0)).n
        largest = sorted(sums, key=lambda name: -sums[name])[: int(column.params["size"])]
        left_out += len(sums) - len(largest)
        keys = [key for key in keys if key[place] in largest]
        if place == 0 and column.params["orderBy"]["type"] != "alphabetical":
            keys.sort(key=lambda key: largest.index(key[0]))
    return keys, left_out


def _buckets(column: Column, buckets: Any, shift: timedelta) -> Iterator[tuple[Value, SearchResponse]]:
    if column.operation == "filters":
        for name, _ in labelled_filters(column):
            yield name, buckets[name]
    elif column.operation == "range":
        # Elasticsearch orders ranges by their bounds.
        labels = {(bounds.get("from"), bounds.get("to")): bounds.get("label") for bounds in column.params["ranges"]}
        for bucket in buckets:
            yield labels.get((bucket.get("from"), bucket.get("to"))) or bucket["key"], bucket
    elif column.operation == "date_histogram":
        for bucket in buckets:
            yield bucket["key"] + round(shift.total_seconds() * 1000), bucket
    else:
        boolean = column.data_type == "boolean"
        for bucket in buckets:
            yield bucket.get("key_as_string", bucket["key"]) if boolean else bucket["key"], bucket


def _value(column: Column, search: LayerSearch, bucket: SearchResponse) -> Value:
    value: Any
    if column.id not in search.aggregation_of:
        value = bucket["doc_count"]
    else:
        aggregation = bucket.get(search.aggregation_of[column.id], {})
        if not column.filter:
            value = _aggregated(column, aggregation)
        elif column.field == RECORDS:
            value = aggregation.get("doc_count", 0)
        else:
            value = _aggregated(column, aggregation.get("value", {}))
    return None if value == 0 and column.operation in COUNTED and column.params.get("emptyAsNull") else value


def _aggregated(column: Column, aggregation: SearchResponse) -> Value:
    if column.operation in ("percentile", "median"):
        percentiles: Mapping[str, Value] = aggregation.get("values", {})
        return next(iter(percentiles.values()), None)
    if column.operation == "last_value":
        hits = aggregation.get("hits", {}).get("hits", [])
        last: Value = hits[0].get("fields", {}).get(column.field, [None])[0] if hits else None
        return last
    value: Value = aggregation.get("value")
    return value


def _scaled(column: Column, value: Value, key: tuple[Value, ...], searches: LayerSearches) -> Value:
    """Return a count per unit of time; a bar at an end of the range counts only with its length inside the range."""
    if not column.scale or not isinstance(value, (int, float)):
        return value
    seconds = _seconds(key, searches)
    return value / (seconds / parse_duration(f"1{column.scale}").total_seconds()) if seconds else None


def _seconds(key: tuple[Value, ...], searches: LayerSearches) -> float:
    """Return the length of a row's bar inside the range."""
    time: TimeRange = searches.time
    for column, start in zip(searches.layer.buckets, key, strict=True):
        if column.operation == "date_histogram" and isinstance(start, (int, float)):
            first = max(start / 1000, time.start.timestamp())
            last = min(start / 1000 + parse_duration(searches.interval).total_seconds(), time.end.timestamp())
            return last - first
    return time.length.total_seconds()


def _derive(layer: Layer, column: Column, row: dict[str, Value], formulas: Mapping[str, Computation]) -> Value:
    """Return the value of a column computed from others; add this value and the values of the others to the row."""
    if column.id in row:
        return row[column.id]
    for name in column.references:
        if name not in row:
            _derive(layer, layer.columns[name], row, formulas)
    if column.operation == "static_value":
        row[column.id] = float(column.params["value"])
    elif column.operation == "math":
        row[column.id] = formulas[column.id](row)  # type: ignore[arg-type]
    else:
        row[column.id] = row[column.references[0]]
    return row[column.id]
