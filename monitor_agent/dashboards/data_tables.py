"""Tables for people: Lens' data tables, lists of documents, and the numbers of a chart (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.panel_views import DEFAULT_PAGE_ROWS, PanelBody, TableView, TableViewColumn
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.all_groups import has_all_groups
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.tables import Table, TableColumn


def table_view(
    table: Table, state: Mapping[str, Any] | None = None, fields: Mapping[str, str] | None = None
) -> TableView:
    """Return a table for people.

    Parameters
    ----------
    state : the state of a data table, as Lens stores it.
    fields : column -> the field whose values it holds.
    """
    aged = state is not None
    state, fields = state or {}, fields or {}
    stored = _stored_columns(state)
    columns = visible_columns(table, state)
    grouped = any(column.bucketed for column in table.columns)
    ids = [column.id for column in columns]
    sorting, paging = state.get("sorting") or {}, state.get("paging") or {}
    return TableView(
        columns=tuple(
            TableViewColumn(
                column.label,
                column.kind,
                stored.get(column.id, {}).get("alignment") or ("right" if column.kind == "number" else "left"),
                fields.get(column.id, ""),
                formats.unit(column.format) if column.kind == "number" else "",
                aged=aged and column.kind == "date" and not column.bucketed,
            )
            for column in columns
        ),
        rows=tuple(tuple(row[name] for name in ids) for row in table.rows),
        texts=tuple(
            tuple(formats.text(row[column.id], column.format, column.kind) for column in columns) for row in table.rows
        ),
        sort=(ids.index(sorting["columnId"]), sorting["direction"] == "desc")
        if sorting.get("columnId") in ids
        else None,
        weak=_weak_rows(table),
        total=0 if grouped else table.total,
        note=f"The largest groups; {table.total:,} documents are in others" if grouped and table.total else "",
        page=paging.get("size", DEFAULT_PAGE_ROWS) if paging.get("enabled", True) else max(len(table.rows), 1),
    )


def visible_columns(table: Table, state: Mapping[str, Any]) -> list[TableColumn]:
    """Return the columns that a data table shows, in its order."""
    stored = _stored_columns(state)
    columns = [column for column in table.columns if not stored.get(column.id, {}).get("hidden")]
    order = list(stored)
    return sorted(columns, key=lambda column: order.index(column.id) if column.id in stored else len(order))


def _stored_columns(state: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {column["columnId"]: column for column in state.get("columns", ())}


def _weak_rows(table: Table) -> tuple[int, ...]:
    """Return the numbers of the rows whose shares and means come from few events, or that alerts may not use."""
    if all(column.bucketed or column.counted for column in table.columns):
        return ()
    return tuple(number for number, sample in enumerate(table.samples) if sample.weak)


def data_table(panel: LensPanel, data: PanelData, _colors: Mapping[str, str]) -> PanelBody:
    """Return the view of a Lens data table.

    Raises
    ------
    UnsupportedPanelError
        If the table has a column for each value of a field.
    """
    if any(column.get("isTransposed") for column in panel.state["columns"]):
        raise UnsupportedPanelError(panel.key, "a table with columns by value")
    layer = panel.layers[panel.state["layerId"]]
    fields = {column.id: column.field for column in layer.buckets}
    view = table_view(data.tables[layer.id], panel.state, fields)
    return replace(view, paged=bool(view.note) and has_all_groups(layer))
