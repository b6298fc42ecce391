"""Answers to a panel's searches as rows (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from monitor_agent.durations import parse_duration
from monitor_agent.kibana.arithmetic import evaluate
from monitor_agent.kibana.data_views import DataView, Format
from monitor_agent.kibana.lens import RECORDS, AnnotationQuery, Column, Layer
from monitor_agent.kibana.lens_searches import LayerSearches, Search, labelled_filters
from monitor_agent.kibana.times import TimeRange

Value = float | int | str | bool | None
Answer = Mapping[str, Any]

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
    """Rows by column id; helper columns of formulas are left out."""

    columns: tuple[TableColumn, ...]
    rows: tuple[Mapping[str, Value], ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see: no value, or in a chart no count but 0."""
        alone = not any(column.bucketed for column in self.columns) and len(self.rows) == 1
        return not any(
            row[column.id] or (row[column.id] is not None and (alone or not column.counted))
            for row in self.rows
            for column in self.columns
            if not column.bucketed
        )


@dataclass(frozen=True)
class Annotation:
    """An event to be marked: milliseconds since 1970, and its text."""

    at: int
    text: str


def table(searches: LayerSearches, answers: Sequence[Answer]) -> Table:
    """Return the rows of a layer.

    Parameters
    ----------
    answers : to `searches.searches`, in order.
    """
    layer = searches.layer
    rows: dict[tuple[Value, ...], dict[str, Value]] = {} if layer.buckets else {(): {}}
    for search, answer in zip(searches.searches, answers, strict=True):
        top = {"doc_count": _total(answer), **answer.get("aggregations", {})}
        for key, bucket in _walk(layer.buckets, top, search.shift):
            row = rows.setdefault(key, dict(zip((column.id for column in layer.buckets), key, strict=True)))
            for column in search.metrics:
                row[column.id] = _scaled(column, _value(column, search, bucket), key, searches)
    for row in rows.values():
        for column in layer.metrics:
            row.setdefault(column.id, None)
        _derive(layer, row)
    shown = [column for column in layer.columns.values() if not _part(layer, column)]
    columns = tuple(table_column(column, searches.view) for column in shown)
    return Table(columns, tuple({column.id: row[column.id] for column in shown} for row in rows.values()))


def annotations_of(query: AnnotationQuery, answer: Answer) -> list[Annotation]:
    """Return the events of a panel's marks."""
    return [
        Annotation(hit["sort"][0], str(source_value(hit["_source"], query.text_field) or query.label))
        for hit in answer["hits"]["hits"]
    ]


def source_value(source: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path of a document, whether it is nested or flat; None where there is none."""
    if not path or path in source:
        return source.get(path)
    head, _, rest = path.partition(".")
    inner = source.get(head)
    return source_value(inner, rest) if rest and isinstance(inner, Mapping) else None


def table_column(column: Column, view: DataView) -> TableColumn:
    """Return what a table says about a column: its own format, else its field's."""
    own = column.format
    inherited = view.formats.get(column.field) if column.operation in _KEEP_FORMAT else None
    counted = column.operation in COUNTED
    return TableColumn(column.id, column.label, column.data_type, column.bucketed, own or inherited, counted)


def _part(layer: Layer, column: Column) -> bool:
    return any(column.id.startswith(f"{other.id}X") for other in layer.columns.values() if other.operation == "formula")


def _total(answer: Answer) -> int:
    total = answer["hits"].get("total")
    return int(total["value"]) if isinstance(total, Mapping) else int(total or 0)


def _walk(columns: Sequence[Column], bucket: Answer, shift: timedelta) -> Iterator[tuple[tuple[Value, ...], Answer]]:
    if not columns:
        yield (), bucket
        return
    column, rest = columns[0], columns[1:]
    if column.id not in bucket:
        return
    for key, inner in _buckets(column, bucket[column.id]["buckets"], shift):
        for keys, leaf in _walk(rest, inner, shift):
            yield (key, *keys), leaf


def _buckets(column: Column, buckets: Any, shift: timedelta) -> Iterator[tuple[Value, Answer]]:
    if column.operation == "filters":
        for name, _ in labelled_filters(column):
            yield name, buckets[name]
    elif column.operation == "range":
        # Elasticsearch orders ranges by their bounds.
        labels = {(each.get("from"), each.get("to")): each.get("label") for each in column.params["ranges"]}
        for each in buckets:
            yield labels.get((each.get("from"), each.get("to"))) or each["key"], each
    elif column.operation == "date_histogram":
        for each in buckets:
            yield each["key"] + round(shift.total_seconds() * 1000), each
    else:
        for each in buckets:
            yield each.get("key_as_string", each["key"]) if column.data_type == "boolean" else each["key"], each


def _value(column: Column, search: Search, bucket: Answer) -> Value:
    found: Any
    if column.id not in search.same:
        found = bucket["doc_count"]
    else:
        inner = bucket.get(search.same[column.id], {})
        if column.filter:
            found = inner.get("doc_count", 0) if column.field == RECORDS else _read(column, inner.get("value", {}))
        else:
            found = _read(column, inner)
    return None if found == 0 and column.operation in COUNTED and column.params.get("emptyAsNull") else found


def _read(column: Column, inner: Answer) -> Value:
    if column.operation in ("percentile", "median"):
        values: Mapping[str, Value] = inner.get("values", {})
        return next(iter(values.values()), None)
    if column.operation == "last_value":
        hits = inner.get("hits", {}).get("hits", [])
        found: Value = hits[0].get("fields", {}).get(column.field, [None])[0] if hits else None
        return found
    value: Value = inner.get("value")
    return value


def _scaled(column: Column, value: Value, key: tuple[Value, ...], searches: LayerSearches) -> Value:
    """Return a count per unit of time: bars at the ends of the range are as long as the range lets them be."""
    if not column.scale or not isinstance(value, (int, float)):
        return value
    seconds = _length(key, searches)
    return value / (seconds / parse_duration(f"1{column.scale}").total_seconds()) if seconds else None


def _length(key: tuple[Value, ...], searches: LayerSearches) -> float:
    time: TimeRange = searches.time
    for column, start in zip(searches.layer.buckets, key, strict=True):
        if column.operation == "date_histogram" and isinstance(start, (int, float)):
            first = max(start / 1000, time.start.timestamp())
            last = min(start / 1000 + parse_duration(searches.interval).total_seconds(), time.end.timestamp())
            return last - first
    return time.length.total_seconds()


def _derive(layer: Layer, row: dict[str, Value]) -> None:
    """Add the columns that follow from others."""
    for column in layer.derived:
        _follow(layer, column, row)


def _follow(layer: Layer, column: Column, row: dict[str, Value]) -> Value:
    if column.id in row:
        return row[column.id]
    parts = {name: _follow(layer, layer.columns[name], row) for name in column.references}
    if column.operation == "static_value":
        row[column.id] = float(column.params["value"])
    elif column.operation == "math":
        row[column.id] = evaluate(column.params["tinymathAst"], parts)  # type: ignore[arg-type]
    else:
        row[column.id] = parts[column.references[0]]
    return row[column.id]
