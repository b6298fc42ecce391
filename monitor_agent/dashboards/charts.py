"""Lens' XY charts: their series and axes (pure); `vega_lite` turns them into a specification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.palette import SERIES
from monitor_agent.dashboards.panel_views import Chart, LegendEntry, PanelBody, TableView, TableViewColumn
from monitor_agent.dashboards.vega_lite import Axes, Point, Series, Threshold, specification
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.tables import Table, TableColumn, Value
from monitor_agent.kibana.times import TimeRange

_KINDS = ("bar", "bar_stacked", "bar_percentage_stacked", "line", "area", "area_stacked", "area_percentage_stacked")
_SIDEWAYS = {
    "bar_horizontal": "bar",
    "bar_horizontal_stacked": "bar_stacked",
    "bar_horizontal_percentage_stacked": "bar_percentage_stacked",
}
_SUMMARY_POINTS = 8


def chart(panel: LensPanel, data: PanelData, colors: Mapping[str, str]) -> PanelBody:
    """Return the chart of an XY panel.

    Raises
    ------
    UnsupportedPanelError
        If the panel has a second y axis, or series of a type that is not drawn.
    """
    layers = [layer for layer in panel.state["layers"] if layer["layerType"] == "data"]
    series = [entry for layer in layers for entry in _series(panel, layer, data, colors)]
    thresholds = _thresholds(panel, data.tables)
    axes = _axes(panel, data, series, thresholds)
    legend = panel.state.get("legend", {})
    has_legend = legend.get("isVisible", True) and (len(series) > 1 or legend.get("showSingleSeries"))
    entries = tuple(LegendEntry(entry.name, entry.color, entry.dashed) for entry in series) if has_legend else ()
    return Chart(
        spec=specification(series, axes, thresholds, data.annotations),
        legend=entries,
        legend_place=legend.get("position", "bottom"),
        table=_numbers(series, axes),
        summary=_summary(series, axes),
        time=axes.time,
    )


def _series(panel: LensPanel, layer: Mapping[str, Any], data: PanelData, colors: Mapping[str, str]) -> list[Series]:
    columns = {column.id: column for column in data.tables[layer["layerId"]].columns}
    styles = {style["forAccessor"]: style for style in layer.get("yConfig") or ()}
    if any(style.get("axisMode") == "right" for style in styles.values()):
        raise UnsupportedPanelError(panel.key, "a second y axis")
    kind = _SIDEWAYS.get(layer["seriesType"], layer["seriesType"])
    if kind not in _KINDS:
        raise UnsupportedPanelError(panel.key, f"series of type {layer['seriesType']}")
    split, accessors = columns.get(layer.get("splitAccessor") or ""), layer["accessors"]
    several = split is not None and len(accessors) > 1
    series = []
    for number, accessor in enumerate(accessors):
        column, style = columns[accessor], styles.get(accessor, {})
        for name, points in _points(layer, data.tables[layer["layerId"]], column, split).items():
            color = colors.get(name) if split else style.get("color")
            series.append(
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
    return series


def _points(
    layer: Mapping[str, Any], table: Table, column: TableColumn, split: TableColumn | None
) -> dict[str, list[Point]]:
    """Return the points of one column by the name of their series."""
    x = next((candidate for candidate in table.columns if candidate.id == layer.get("xAccessor")), None)
    points: dict[str, list[Point]] = {}
    for row in table.rows:
        name = formats.text(row[split.id], split.format, split.kind) if split else column.label
        value = row[column.id]
        points.setdefault(name, []).append(
            Point(
                x=_x_value(row, x) if x else "",
                value=float(value) if isinstance(value, (int, float)) else None,
                text=formats.text(value, column.format, column.kind),
            )
        )
    return points


def _x_value(row: Mapping[str, Value], column: TableColumn) -> Value:
    value = row[column.id]
    return value if column.kind == "date" else formats.text(value, column.format, column.kind)


def _thresholds(panel: LensPanel, tables: Mapping[str, Table]) -> list[Threshold]:
    thresholds = []
    for layer in panel.state["layers"]:
        if layer["layerType"] != "referenceLine":
            continue
        styles = {style["forAccessor"]: style for style in layer.get("yConfig") or ()}
        for column in tables[layer["layerId"]].columns:
            value = tables[layer["layerId"]].rows[0][column.id]
            if isinstance(value, (int, float)):
                color = styles.get(column.id, {}).get("color", "#98A2B3")
                thresholds.append(Threshold(float(value), column.label, color))
    return thresholds


def _axes(panel: LensPanel, data: PanelData, series: list[Series], thresholds: list[Threshold]) -> Axes:
    state = panel.state
    first = next(layer for layer in state["layers"] if layer["layerType"] == "data")
    layer, columns = first["layerId"], {column.id: column for column in data.tables[first["layerId"]].columns}
    x = columns.get(first.get("xAccessor") or "")
    is_time = x is not None and x.kind == "date"
    titles = state.get("axisTitlesVisibilitySettings") or {}
    extent = state.get("yLeftExtent") or {}
    values = [abs(point.value) for entry in series for point in entry.points if point.value is not None]
    stacked = any("percentage" in entry.kind for entry in series)
    greatest = max([*values, *(abs(threshold.value) for threshold in thresholds)], default=0.0)
    # In the order of the rows, without repetition, because Kibana does not sort names either.
    categories = dict.fromkeys(str(point.x) for entry in series for point in entry.points)
    in_other_time = layer in data.layers_in_other_time
    return Axes(
        time=is_time,
        interval=data.intervals.get(layer, 0),
        range=_bars_range(series, data.intervals[layer]) if in_other_time else data.time,
        categories=() if is_time else tuple(categories),
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
    """Return the y axis' title; none if the title would only repeat the unit of time of the labels."""
    title = panel.state.get("yTitle") or column.label
    repeated = (column.format or {}).get("id") == "duration" and title in formats.UNITS_OF_TIME
    visible = (panel.state.get("axisTitlesVisibilitySettings") or {}).get("yLeft", True)
    return title if visible and not repeated else ""


def _bars_range(series: Sequence[Series], interval: int) -> TimeRange:
    """Return the time that the bars themselves reach over."""
    starts = [float(point.x) for entry in series for point in entry.points if isinstance(point.x, (int, float))]
    first, last = (datetime.fromtimestamp(at / 1000, timezone.utc) for at in (min(starts), max(starts) + interval))
    return TimeRange(first, last)


def _numbers(series: Sequence[Series], axes: Axes) -> TableView:
    """Return a chart's numbers as a table: one row for each value of the x axis, one column for each series."""
    points: dict[Value, dict[str, Point]] = {}
    for entry in series:
        for point in entry.points:
            points.setdefault(point.x, {})[entry.name] = point
    order = sorted(points, key=lambda x: x if isinstance(x, (int, float)) else 0) if axes.time else list(points)
    names = [entry.name for entry in series]
    missing = Point(None, None, formats.NOTHING)
    kind = "date" if axes.time else "string"
    return TableView(
        columns=(
            TableViewColumn("Time (UTC)" if axes.time else axes.title_x or "Group", kind, "left"),
            *(TableViewColumn(name, "number", "right") for name in names),
        ),
        rows=tuple((x, *(points[x].get(name, missing).value for name in names)) for x in order),
        texts=tuple(
            (formats.text(x, None, kind), *(points[x].get(name, missing).text for name in names)) for x in order
        ),
        sort=(0, True) if axes.time else None,
    )


def _summary(series: Sequence[Series], axes: Axes) -> str:
    """Return a chart's values in words, for people who cannot see it."""
    if not axes.time:
        return "; ".join(
            f"{entry.name}: {', '.join(f'{point.x} {point.text}' for point in entry.points[:_SUMMARY_POINTS])}"
            for entry in series
        )
    latest = []
    for entry in series:
        texts = [point.text for point in entry.points if point.value is not None]
        latest.append(f"{entry.name} {texts[-1] if texts else formats.NOTHING}")
    return "latest: " + ", ".join(latest)
