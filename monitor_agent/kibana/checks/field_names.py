"""Every field of an object is in the contract of an index that the object reads, with a type that fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitor_agent.alerting import kql
from monitor_agent.errors import DataError
from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.lens import RECORDS, Column, LensPanel
from monitor_agent.kibana.objects import SavedObject

_NUMBERS = ("long", "integer", "double")
_FITS = {
    **dict.fromkeys(("sum", "average", "range"), _NUMBERS),
    **dict.fromkeys(("min", "max", "median", "percentile"), (*_NUMBERS, "date")),
    "date_histogram": ("date",),
    "terms": ("keyword", "boolean", "date", *_NUMBERS),
}
_NOT_AGGREGATED = ("text", "object", "binary", "flattened")


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield fields that no index has, and operations that do not fit a field's type."""
    if saved.type == "index-pattern":
        yield from _view(bundle, saved)
    if panel := bundle.panel(saved):
        yield from _panel(bundle, panel)
    if search := bundle.search(saved):
        named = [*search.columns, *(name for name, _ in search.sort)]
        yield from _unknown_fields(bundle, search.view, [*named, *_of_kql(search.query)])
    if dashboard := bundle.dashboard(saved):
        for control in dashboard.controls:
            yield from _unknown_fields(bundle, control.view, [control.field])
        for stored in dashboard.filters:
            view = saved.target(stored["meta"]["indexRefName"])
            yield from _unknown_fields(bundle, view, [stored["meta"]["key"]])


def _view(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    view = bundle.views[saved.id]
    if not bundle.fields(saved.id):
        yield f"no index of this project is named {view.index}"
        return
    named = [*view.formats, *view.labels, *([view.time_field] if view.time_field else [])]
    yield from _unknown_fields(bundle, saved.id, named)


def _panel(bundle: Bundle, panel: LensPanel) -> Iterator[str]:
    for layer in panel.layers.values():
        for column in layer.columns.values():
            yield from _column(bundle, layer.view, column)
        yield from _unknown_fields(bundle, layer.view, _of_kql(panel.query))
    for marks in panel.annotations:
        named = [marks.time_field, *([marks.text_field] if marks.text_field else []), *_of_kql(marks.query)]
        yield from _unknown_fields(bundle, marks.view, named)


def _column(bundle: Bundle, view: str, column: Column) -> Iterator[str]:
    texts = [column.filter, *(entry["input"]["query"] for entry in column.params.get("filters", ()))]
    yield from _unknown_fields(bundle, view, [name for text in texts for name in _of_kql(text)])
    if column.order:
        yield from _column(bundle, view, column.order)
    if not column.field or column.field == RECORDS:
        return
    yield from _unknown_fields(bundle, view, [column.field, *column.secondary_fields])
    kind = bundle.type_of(view, column.field)
    if kind in _NOT_AGGREGATED:
        yield f"{column.id}: {column.field} has the type {kind}, which cannot be grouped or counted"
    elif kind and kind not in _FITS.get(column.operation, (kind,)):
        yield f"{column.id}: {column.operation} does not fit {column.field}, which has the type {kind}"


def _unknown_fields(bundle: Bundle, view: str, names: Iterable[str]) -> Iterator[str]:
    if view in bundle.views:
        yield from (f"{view} has no field {name}" for name in names if bundle.type_of(view, name) is None)


def _of_kql(text: str) -> list[str]:
    try:
        return sorted(kql.fields(text))
    except DataError:
        return []
