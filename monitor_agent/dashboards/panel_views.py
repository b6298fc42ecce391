"""What a panel shows: a chart, tiles, a table, a text, or one line that says why there is nothing (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.palette import SERIES
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.tables import Annotation, Table, Value
from monitor_agent.kibana.times import TimeRange

Spec = dict[str, Any]

NO_DATA = "No data in this time range"
ALL_ROWS = 10


@dataclass(frozen=True)
class LegendEntry:
    """A series' name, colour and kind of line."""

    name: str
    color: str
    dashed: bool


@dataclass(frozen=True)
class GridColumn:
    """A column: `kind` is `date`, `number`, `string` or `boolean`; `field` is what its groups are values of."""

    label: str
    kind: str
    align: str
    field: str = ""


@dataclass(frozen=True)
class Grid:
    """A table: `rows` hold values, `texts` the same for people.

    Attributes
    ----------
    sort : column that it is sorted by, and whether the greatest comes first; None = as it is.
    page : rows on a page.
    """

    columns: tuple[GridColumn, ...]
    rows: tuple[tuple[Value, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    sort: tuple[int, bool] | None = None
    page: int = ALL_ROWS
    kind: str = "table"


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite chart without size and look; `grid` are its numbers; `time` tells that it is drawn over time."""

    spec: Spec
    legend: tuple[LegendEntry, ...]
    legend_place: str
    grid: Grid
    summary: str
    time: bool = False
    kind: str = "chart"


@dataclass(frozen=True)
class Tile:
    """One number: its name, text, colour, and a second number beside it."""

    label: str
    text: str
    detail: str
    color: str
    trend: int = 0


@dataclass(frozen=True)
class Tiles:
    """One or several numbers."""

    tiles: tuple[Tile, ...]
    grid: Grid
    kind: str = "tiles"


@dataclass(frozen=True)
class Notice:
    """Why there is no picture: `tone` is `empty`, `good`, `unsupported` or `error`."""

    text: str
    tone: str
    kind: str = "notice"


Body = Chart | Tiles | Grid | Notice


@dataclass(frozen=True)
class PanelView:
    """A panel's title, what it means, and what it shows."""

    title: str
    description: str
    body: Body


@dataclass(frozen=True)
class Shown:
    """What a Lens panel's searches have found.

    Attributes
    ----------
    tables : rows by layer.
    intervals : layer -> length of a bar in milliseconds; 0 where it has no bars of time.
    own_time : layers whose bars are of another time than the one that the range is about.
    colors : the colour of each value that series are split by.
    """

    time: TimeRange
    tables: Mapping[str, Table]
    intervals: Mapping[str, int] = field(default_factory=dict)
    own_time: frozenset[str] = frozenset()
    annotations: Sequence[Annotation] = ()
    colors: Mapping[str, str] = field(default_factory=dict)


def grid(table: Table, state: Mapping[str, Any] | None = None, fields: Mapping[str, str] | None = None) -> Grid:
    """Return a table for people.

    Parameters
    ----------
    state : how Lens stores a data table.
    fields : column -> the field whose values it holds.
    """
    state, fields = state or {}, fields or {}
    stored: dict[str, Mapping[str, Any]] = {each["columnId"]: each for each in state.get("columns", ())}
    columns = [column for column in table.columns if not stored.get(column.id, {}).get("hidden")]
    order = list(stored)
    columns.sort(key=lambda column: order.index(column.id) if column.id in stored else len(order))
    ids = [column.id for column in columns]
    sorting, paging = state.get("sorting") or {}, state.get("paging") or {}
    return Grid(
        columns=tuple(
            GridColumn(
                column.label,
                column.kind,
                stored.get(column.id, {}).get("alignment") or ("right" if column.kind == "number" else "left"),
                fields.get(column.id, ""),
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
        page=paging.get("size", ALL_ROWS) if paging.get("enabled", True) else max(len(table.rows), 1),
    )


def data_table(panel: LensPanel, shown: Shown) -> Body:
    """Return what a Lens data table shows."""
    if any(column.get("isTransposed") for column in panel.state["columns"]):
        raise UnsupportedPanelError(panel.key, "a table with columns by value")
    table = shown.tables[panel.state["layerId"]]
    groups = {column.id: column.field for column in panel.layers[panel.state["layerId"]].buckets}
    return grid(table, panel.state, groups) if table.rows else Notice(NO_DATA, "empty")


def metric(panel: LensPanel, shown: Shown) -> Body:
    """Return what a Lens metric shows: one tile, or one for each group."""
    state = panel.state
    table = shown.tables[state["layerId"]]
    columns = {column.id: column for column in table.columns}
    first, second = columns[state["metricAccessor"]], columns.get(state.get("secondaryMetricAccessor", ""))
    group = columns.get(state.get("breakdownByAccessor", ""))
    if all(row[first.id] is None for row in table.rows):
        return Notice(NO_DATA, "empty")
    tiles = []
    for row in table.rows[: state.get("maxCols") or len(table.rows)]:
        detail, trend = state.get("subtitle", ""), 0
        if second is not None:
            prefix = state.get("secondaryPrefix", second.label)
            value, changes = row[second.id], _is_change(panel, state["layerId"], second.id)
            shown_value = (formats.signed if changes else formats.text)(value, second.format, second.kind)
            detail = f"{prefix} {shown_value}".strip()
            trend = (value > 0) - (value < 0) if changes and isinstance(value, (int, float)) else 0
        tiles.append(
            Tile(
                label=formats.text(row[group.id], group.format, group.kind) if group else first.label,
                text=formats.text(row[first.id], first.format, first.kind),
                detail=detail,
                color=state.get("color", SERIES[1]),
                trend=trend,
            )
        )
    return Tiles(tuple(tiles), grid(table)) if tiles else Notice(NO_DATA, "empty")


def _is_change(panel: LensPanel, layer: str, column: str) -> bool:
    """Return whether a formula compares with earlier documents."""
    parts = panel.layers[layer].columns.items()
    return any(name.startswith(f"{column}X") and part.shift for name, part in parts)


def empty(shown: Shown) -> bool:
    """Return whether no search found anything."""
    return not any(
        value is not None
        for table in shown.tables.values()
        for row in table.rows
        for column, value in row.items()
        if not next(each.bucketed for each in table.columns if each.id == column)
    )
