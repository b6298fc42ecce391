"""Lens' XY charts: which series and axes they have (pure); `drawing` makes Vega-Lite of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.palette import SERIES
from monitor_agent.dashboards.panel_views import (
    NO_DATA,
    Body,
    Chart,
    Grid,
    GridColumn,
    LegendEntry,
    Notice,
    Shown,
    empty,
)
from monitor_agent.dashboards.vega_lite import Axes, Series, Threshold, specification
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.tables import Table, TableColumn, Value
from monitor_agent.kibana.times import TimeRange

_KINDS = ("bar", "bar_stacked", "bar_percentage_stacked", "line", "area", "area_stacked", "area_percentage_stacked")
_SIDEWAYS = {
    "bar_horizontal": "bar",
    "bar_horizontal_stacked": "bar_stacked",
    "bar_horizontal_percentage_stacked": "bar_percentage_stacked",
}


def chart(panel: LensPanel, shown: Shown) -> Body:
    """Return what an XY panel shows; UnsupportedPanelError for what is not drawn."""
    layers = [each for each in panel.state["layers"] if each["layerType"] == "data"]
    if empty(Shown(shown.time, {each["layerId"]: shown.tables[each["layerId"]] for each in layers})):
        return Notice(NO_DATA, "empty")
    series = [found for layer in layers for found in _series(panel, layer, shown)]
    thresholds = _thresholds(panel, shown.tables)
    axes = _axes(panel, layers, shown, series, thresholds)
    legend = panel.state.get("legend", {})
    wanted = legend.get("isVisible", True) and (len(series) > 1 or legend.get("showSingleSeries"))
    entries = tuple(LegendEntry(each.name, each.color, each.dashed) for each in series) if wanted else ()
    return Chart(
        spec=specification(series, axes, thresholds, shown.annotations),
        legend=entries,
        legend_place=legend.get("position", "bottom"),
        grid=_numbers(series, axes),
        summary=_summary(series, axes),
        time=axes.time,
    )


def _series(panel: LensPanel, layer: Mapping[str, Any], shown: Shown) -> list[Series]:
    table = shown.tables[layer["layerId"]]
    columns = {column.id: column for column in table.columns}
    own = {each["forAccessor"]: each for each in layer.get("yConfig") or ()}
    if any(each.get("axisMode") == "right" for each in own.values()):
        raise UnsupportedPanelError(panel.key, "a second y axis")
    kind = _SIDEWAYS.get(layer["seriesType"], layer["seriesType"])
    if kind not in _KINDS:
        raise UnsupportedPanelError(panel.key, f"series of type {layer['seriesType']}")
    x, split = layer.get("xAccessor"), columns.get(layer.get("splitAccessor") or "")
    found = []
    for number, accessor in enumerate(layer["accessors"]):
        column, style = columns[accessor], own.get(accessor, {})
        by_name: dict[str, list[tuple[Value, float | None, str]]] = {}
        for row in table.rows:
            name = formats.text(row[split.id], split.format, split.kind) if split else column.label
            value = row[accessor]
            place = _place(row, columns[x]) if x else ""
            told = formats.text(value, column.format, column.kind)
            number_ = float(value) if isinstance(value, (int, float)) else None
            by_name.setdefault(name, []).append((place, number_, told))
        for name, points in by_name.items():
            several = split is not None and len(layer["accessors"]) > 1
            color = shown.colors.get(name) if split else style.get("color")
            found.append(
                Series(
                    name=f"{name} \N{MIDDLE DOT} {column.label}" if several else name,
                    color=color or SERIES[number % len(SERIES)],
                    dashed=style.get("lineStyle") in ("dashed", "dotted") or (several and number > 0),
                    width=float(style.get("lineWidth", 2)),
                    kind=kind,
                    column=column,
                    points=tuple(points),
                )
            )
    return found


def _place(row: Mapping[str, Value], column: TableColumn) -> Value:
    value = row[column.id]
    return value if column.kind == "date" else formats.text(value, column.format, column.kind)


def _thresholds(panel: LensPanel, tables: Mapping[str, Table]) -> list[Threshold]:
    found = []
    for layer in panel.state["layers"]:
        if layer["layerType"] != "referenceLine":
            continue
        own = {each["forAccessor"]: each for each in layer.get("yConfig") or ()}
        for column in tables[layer["layerId"]].columns:
            value = tables[layer["layerId"]].rows[0][column.id]
            if isinstance(value, (int, float)):
                found.append(Threshold(float(value), column.label, own.get(column.id, {}).get("color", "#98A2B3")))
    return found


def _axes(
    panel: LensPanel, layers: Sequence[Mapping[str, Any]], shown: Shown, series: list[Series], lines: list[Threshold]
) -> Axes:
    state, first = panel.state, layers[0]
    columns = {column.id: column for column in shown.tables[first["layerId"]].columns}
    x = columns.get(first.get("xAccessor") or "")
    titles = state.get("axisTitlesVisibilitySettings") or {}
    extent = state.get("yLeftExtent") or {}
    values = [abs(value) for each in series for _, value, _ in each.points if value is not None]
    stacked = any("percentage" in each.kind for each in series)
    greatest = max([*values, *(abs(line.value) for line in lines)], default=0.0)
    # Places in the order in which they come, each once; what Kibana leaves as a name of its own stays a name.
    places = dict.fromkeys(str(place) for each in series for place, _, _ in each.points)
    return Axes(
        time=x is not None and x.kind == "date",
        interval=shown.intervals.get(first["layerId"], 0),
        shown=_reach(series, shown.intervals[first["layerId"]]) if first["layerId"] in shown.own_time else shown.time,
        categories=() if x is not None and x.kind == "date" else tuple(places),
        sideways=first["seriesType"] in _SIDEWAYS,
        title_x=(state.get("xTitle") or (x.label if x else "")) if titles.get("x", True) else "",
        title_y=_title_y(panel, series[0].column),
        scale=formats.SHARES if stacked else formats.scale(series[0].column.format, greatest),
        greatest=greatest,
        whole=not stacked and all(value == int(value) for value in values),
        extent=(float(extent["lowerBound"]), float(extent["upperBound"])) if extent.get("mode") == "custom" else None,
        from_zero=extent.get("mode") != "dataBounds",
    )


def _title_y(panel: LensPanel, column: TableColumn) -> str:
    """Return the y axis' title; none where it says a unit of time, as each of its labels does."""
    title = panel.state.get("yTitle") or column.label
    told = (column.format or {}).get("id") == "duration" and title in formats.UNITS_OF_TIME
    shown = (panel.state.get("axisTitlesVisibilitySettings") or {}).get("yLeft", True)
    return title if shown and not told else ""


def _reach(series: Sequence[Series], interval: int) -> TimeRange:
    """Return the time that the bars themselves reach over."""
    places = [float(place) for each in series for place, _, _ in each.points if isinstance(place, (int, float))]
    first, last = (datetime.fromtimestamp(at / 1000, timezone.utc) for at in (min(places), max(places) + interval))
    return TimeRange(first, last)


def _numbers(series: Sequence[Series], axes: Axes) -> Grid:
    """Return a chart's numbers as a table: one row for each place on the x axis, one column for each series."""
    told: dict[Value, dict[str, tuple[float | None, str]]] = {}
    for each in series:
        for place, value, text in each.points:
            told.setdefault(place, {})[each.name] = (value, text)
    order = sorted(told, key=lambda place: place if isinstance(place, (int, float)) else 0) if axes.time else list(told)
    names = [each.name for each in series]
    nothing = (None, formats.NOTHING)
    kind = "date" if axes.time else "string"
    return Grid(
        columns=(
            GridColumn("Time (UTC)" if axes.time else axes.title_x or "Group", kind, "left"),
            *(GridColumn(name, "number", "right") for name in names),
        ),
        rows=tuple((place, *(told[place].get(name, nothing)[0] for name in names)) for place in order),
        texts=tuple(
            (formats.text(place, None, kind), *(told[place].get(name, nothing)[1] for name in names)) for place in order
        ),
        sort=(0, True) if axes.time else None,
    )


def _summary(series: Sequence[Series], axes: Axes) -> str:
    """Return what a chart says, for those who cannot see it."""
    if not axes.time:
        return "; ".join(
            f"{each.name}: {', '.join(f'{x} {text}' for x, _, text in each.points[:8])}" for each in series
        )
    latest = []
    for each in series:
        known = [text for _, value, text in each.points if value is not None]
        latest.append(f"{each.name} {known[-1] if known else formats.NOTHING}")
    return "latest: " + ", ".join(latest)
