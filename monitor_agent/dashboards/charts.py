"""Lens' XY charts: their series and axes (pure); `vega_lite` turns them into a specification."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.chart_numbers import numbers, summary
from monitor_agent.dashboards.chart_values import Axes, Point, Series, Threshold, category
from monitor_agent.dashboards.palette import SERIES
from monitor_agent.dashboards.panel_views import NOT_MEASURED, Chart, LegendEntry, PanelBody, left_out_note, sample_text
from monitor_agent.dashboards.vega_lite import specification
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.sample_sizes import Sample
from monitor_agent.kibana.tables import Table, TableColumn, Value
from monitor_agent.kibana.times import TimeRange

_KINDS = ("bar", "bar_stacked", "bar_percentage_stacked", "line", "area", "area_stacked", "area_percentage_stacked")
_SIDEWAYS = {
    "bar_horizontal": "bar",
    "bar_horizontal_stacked": "bar_stacked",
    "bar_horizontal_percentage_stacked": "bar_percentage_stacked",
}
GAP = 1.5
"""Two points of a line that lie further apart than this many bars are not joined."""


def chart(panel: LensPanel, data: PanelData, colors: Mapping[str, str]) -> PanelBody:
    """Return the chart of an XY panel.

    Raises
    ------
    UnsupportedPanelError
        If the panel has a second y axis, or series of a type that is not drawn.
    """
    layers = [layer for layer in panel.state["layers"] if layer["layerType"] == "data"]
    series = [
        _with_gaps(entry, data.intervals[layer["layerId"]])
        if entry.line and layer["layerId"] in data.intervals
        else entry
        for layer in layers
        for entry in _series(panel, layer, data, colors)
    ]
    thresholds = _thresholds(panel, data.tables)
    axes = _axes(panel, data, series, thresholds)
    if axes.numeric:  # bars would stand side by side: the outlines of a scale's bins lie where their bins are
        series = [replace(entry, kind="steps") if entry.kind == "bar" else entry for entry in series]
    legend = panel.state.get("legend", {})
    has_legend = legend.get("isVisible", True) and (len(series) > 1 or legend.get("showSingleSeries"))
    entries = tuple(LegendEntry(entry.name, entry.color, entry.dash > 0) for entry in series) if has_legend else ()
    return Chart(
        spec=specification(series, axes, thresholds, data.annotations),
        legend=entries,
        legend_place=legend.get("position", "bottom"),
        table=numbers(series, axes),
        summary=summary(series, axes),
        time=axes.time,
        note=left_out_note(table.left_out for table in data.tables.values()),
    )


def _series(panel: LensPanel, layer: Mapping[str, Any], data: PanelData, colors: Mapping[str, str]) -> list[Series]:
    table = data.tables[layer["layerId"]]
    columns = {column.id: column for column in table.columns}
    styles = {style["forAccessor"]: style for style in layer.get("yConfig") or ()}
    if any(style.get("axisMode") == "right" for style in styles.values()):
        raise UnsupportedPanelError(panel.key, "a second y axis")
    kind = _SIDEWAYS.get(layer["seriesType"], layer["seriesType"])
    if kind not in _KINDS:
        raise UnsupportedPanelError(panel.key, f"series of type {layer['seriesType']}")
    split, accessors = columns.get(layer.get("splitAccessor") or ""), layer["accessors"]
    ends = (columns["low"], columns["high"]) if {"low", "high"} < set(accessors) else None
    measures = [name for name in accessors if ends is None or name not in ("low", "high")]
    several = split is not None and len(measures) > 1
    series = []
    for number, accessor in enumerate(measures):
        column, style = columns[accessor], styles.get(accessor, {})
        of_column = ends if accessor == measures[-1] else None
        for name, points in _points(layer, table, column, split, of_column).items():
            color = colors.get(name) if split else style.get("color")
            dashed = style.get("lineStyle") in ("dashed", "dotted")
            series.append(
                Series(
                    name=f"{name} \N{MIDDLE DOT} {column.label}" if several else name,
                    color=color or SERIES[number % len(SERIES)],
                    dash=number if several else int(dashed),
                    width=float(style.get("lineWidth", 2)),
                    kind=kind,
                    column=column,
                    points=tuple(points),
                    ends=of_column,
                )
            )
    return series


def _points(
    layer: Mapping[str, Any],
    table: Table,
    column: TableColumn,
    split: TableColumn | None,
    ends: tuple[TableColumn, TableColumn] | None,
) -> dict[str, list[Point]]:
    """Return the points of one column by the name of their series."""
    x = next((candidate for candidate in table.columns if candidate.id == layer.get("xAccessor")), None)
    points: dict[str, list[Point]] = {}
    names: dict[Value, str] = {}
    for number, row in enumerate(table.rows):
        group = row[split.id] if split else None
        if group not in names:
            names[group] = formats.text(group, split.format, split.kind) if split else column.label
        value, sample = row[column.id], None if column.counted else table.sample(number)
        low, high = (row[end.id] for end in ends) if ends else (None, None)
        measured = isinstance(value, (int, float))
        points.setdefault(names[group], []).append(
            Point(
                x=_x_value(row, x) if x else "",
                value=float(value) if isinstance(value, (int, float)) else None,
                text=formats.text(value, column.format, column.kind) if measured else NOT_MEASURED,
                low=float(low) if isinstance(low, (int, float)) else None,
                high=float(high) if isinstance(high, (int, float)) else None,
                details=_details(column, low, high, sample) if measured else "",
                weak=sample is not None and sample.weak,
            )
        )
    return points


def _details(column: TableColumn, low: Value, high: Value, sample: Sample | None) -> str:
    """Return a value's interval and the number of events behind it, in words."""
    between = ""
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        ends = [formats.text(end, column.format, column.kind) for end in (low, high)]
        between = f"({ends[0]} to {ends[1]})"
    return " ".join(filter(None, [between, sample_text(sample) if sample else ""]))


def _with_gaps(entry: Series, interval: int) -> Series:
    """Return a line over time with a point without a value in each place where a bar is missing."""
    ordered = sorted(entry.points, key=lambda point: float(point.x or 0))
    step = _usual_step([float(point.x or 0) for point in ordered], interval)
    points: list[Point] = []
    for point in ordered:
        if points and float(point.x or 0) - float(points[-1].x or 0) > step * GAP:
            at = float(points[-1].x or 0) + step
            points.append(Point(int(at), None, formats.NOTHING))
        points.append(point)
    return replace(entry, points=tuple(points))


def _usual_step(moments: Sequence[float], interval: int) -> float:
    """Return the distance of the points of a line: that of its windows if they are longer than the chart's bars.

    >>> _usual_step([0, 24, 48, 120], 3), _usual_step([0, 3, 30, 60], 3), _usual_step([0, 24], 3)
    (24, 3, 3)
    """
    steps = [after - before for before, after in itertools.pairwise(moments)]
    least = min(steps, default=interval)
    regular = sum(step < least * GAP for step in steps)
    return max(interval, least) if regular > 1 and 2 * regular >= len(steps) else interval


def _x_value(row: Mapping[str, Value], column: TableColumn) -> Value:
    value = row[column.id]
    numeric = column.kind == "number" and isinstance(value, float) and column.bucketed
    return value if column.kind == "date" or numeric else formats.text(value, column.format, column.kind)


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
    numeric = _is_numeric(x, series)
    stacked = any("percentage" in entry.kind for entry in series)
    greatest = max([*values, *(abs(threshold.value) for threshold in thresholds)], default=0.0)
    # In the order of the rows, without repetition, because Kibana does not sort names either.
    categories = dict.fromkeys(category(point.x) for entry in series for point in entry.points)
    in_other_time = layer in data.layers_in_other_time
    return Axes(
        time=is_time,
        interval=data.intervals.get(layer, 0),
        range=_bars_range(series, data.intervals[layer]) if in_other_time else data.time,
        categories=() if is_time or numeric else tuple(categories),
        sideways=first["seriesType"] in _SIDEWAYS,
        title_x=(state.get("xTitle") or (x.label if x else "")) if titles.get("x", True) else "",
        title_y=_title_y(panel, series[0].column),
        scale=formats.SHARES if stacked else formats.scale(series[0].column.format, greatest),
        greatest=greatest,
        whole=not stacked and all(value == int(value) for value in values),
        extent=(float(extent["lowerBound"]), float(extent["upperBound"])) if extent.get("mode") == "custom" else None,
        from_zero=extent.get("mode") != "dataBounds",
        numeric=numeric,
    )


def _is_numeric(x: TableColumn | None, series: Sequence[Series]) -> bool:
    """Return whether the x axis is a scale, as for thresholds; whole numbers, such as positions, are groups."""
    at = [point.x for entry in series for point in entry.points]
    numbers_only = all(isinstance(value, (int, float)) for value in at)
    return x is not None and x.kind == "number" and numbers_only and any(value != int(value) for value in at)  # type: ignore[arg-type]


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
