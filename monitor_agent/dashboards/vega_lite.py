"""Series and axes as Vega-Lite (pure).

Values are scaled to the axis' unit; each value carries the text that people read. The page and the reports add the
size, the legend, and the colours of text and lines.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor_agent.dashboards.chart_values import Axes, Point, Series, Threshold, category
from monitor_agent.dashboards.palette import WEAK
from monitor_agent.dashboards.panel_views import Spec
from monitor_agent.dashboards.time_layers import event_marks, hover_bands, time_axis, time_frame
from monitor_agent.dashboards.visible_text import tooltip_title
from monitor_agent.kibana.tables import Annotation
from monitor_agent.pipeline.instants import milliseconds

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MAX_DOTTED_POINTS = 60
"""A line of more points shows only those that stand alone; whiskers of more points are paler."""
BAR_SHARE = 0.86
"""The share of its interval that a bar over time fills."""
SPECK = 1e-4
"""A value below this share of the greatest value is drawn as 0."""
DASHES: tuple[list[int], ...] = ([], [5, 3], [1, 3], [8, 3, 2, 3])


def specification(
    series: Sequence[Series], axes: Axes, thresholds: Sequence[Threshold], events: Sequence[Annotation]
) -> Spec:
    """Return the specification of a chart."""
    layers = [_marks(group, series, axes) for group in _groups(series)]
    layers += [*_whiskers(series, axes), *_dots(series, axes)]
    layers += [layer for threshold in thresholds for layer in _threshold_line(threshold, axes)]
    if axes.time:
        layers += [time_frame(axes), hover_bands(series, axes)]
        layers += event_marks(events, axes) if events else []
    return {"$schema": SCHEMA, "layer": layers}


def _groups(series: Sequence[Series]) -> list[list[Series]]:
    """Return the series that one mark can draw together, dashed ones first.

    A series without a value is left out, because Vega-Lite warns of an axis without extent.
    """
    by_style: dict[tuple[float, int, str], list[Series]] = {}
    for entry in series:
        if any(point.value is not None for point in entry.points):
            by_style.setdefault((entry.width, -entry.dash, entry.kind), []).append(entry)
    return [by_style[style] for style in sorted(by_style)]


def _marks(group: Sequence[Series], series: Sequence[Series], axes: Axes) -> Spec:
    kind = group[0].kind
    bars, stacked = kind.startswith("bar"), "stacked" in kind
    steps = stacked and kind.startswith("area") and axes.time
    values = _values(group, axes)
    across, along = ("y", "x") if axes.sideways else ("x", "y")
    encoding: Spec = {
        across: _x_channel(axes, bars=bars),
        along: {"field": "y", "type": "quantitative", "stack": None, "scale": _extent(axes), "axis": _value_axis(axes)},
        "color": _colors(series),
    }
    if (bars or steps) and axes.time:
        # An area over time is made of steps: nothing is drawn where there is nothing.
        share = 1.0 if steps else BAR_SHARE
        _as_spans(values, axes, share=share, stacked=stacked, whole="percentage" in kind)
        encoding |= {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
        return {"data": {"values": values}, "mark": {"type": "rect", "clip": True}, "encoding": encoding}
    if stacked:
        # A series of zeros would look like the outline of the series below it.
        visible = {value["s"] for value in values if value["y"]}
        values = [value for value in values if value["s"] in visible] or values
        encoding[along]["stack"] = "normalize" if "percentage" in kind else "zero"
        encoding["order"] = {"field": "o", "type": "quantitative"}
        names = [entry.name for entry in series]
        for value in values:
            value["o"] = names.index(value["s"])
    if not axes.time:
        if bars and not stacked and len(group) > 1:
            # In the order of the data: Vega-Lite would put a list of names, which may be anything, into an expression.
            encoding[f"{across}Offset"] = {"field": "s", "sort": None}
        encoding["tooltip"] = _tooltip(axes)
    return {"data": {"values": values}, "mark": _mark(group, axes, bars=bars), "encoding": encoding}


def _colors(series: Sequence[Series]) -> Spec:
    names, colors = [entry.name for entry in series], [entry.color for entry in series]
    return {"field": "s", "type": "nominal", "scale": {"domain": names, "range": colors}, "legend": None}


def _tooltip(axes: Axes) -> list[Spec]:
    return [
        {"field": "n" if axes.numeric else "x", "type": "nominal", "title": tooltip_title(axes.title_x or "Group")},
        {"field": "s", "type": "nominal", "title": "Series"},
        {"field": "t", "type": "nominal", "title": "Value"},
    ]


def _whiskers(series: Sequence[Series], axes: Axes) -> list[Spec]:
    """Return the layer of the intervals: a line from the lower to the upper end of each."""
    least = axes.greatest * SPECK
    values = [
        {
            "x": point.x,
            "y": point.low * axes.scale.factor if abs(point.low) > least else 0,
            "y2": point.high * axes.scale.factor if abs(point.high) > least else 0,
            "s": entry.name,
            "c": WEAK if point.weak else entry.color,
        }
        for entry in series
        for point in entry.points
        if point.low is not None and point.high is not None
    ]
    if not values:
        return []
    across, along = ("y", "x") if axes.sideways else ("x", "y")
    encoding: Spec = {
        across: _x_channel(axes, bars=series[0].kind.startswith("bar")),
        along: {"field": "y", "type": "quantitative", "scale": _extent(axes), "axis": _value_axis(axes)},
        f"{along}2": {"field": "y2"},
        "color": {"field": "c", "type": "nominal", "scale": None},
        "detail": {"field": "s"},
    }
    bars = series[0].kind.startswith("bar")
    if bars and len(series) > 1:
        encoding[f"{across}Offset"] = {"field": "s", "sort": None}
    mark: Spec = {"type": "rule", "strokeWidth": 2 if bars else 1.5, "clip": True}
    many_points = any(len(entry.points) > MAX_DOTTED_POINTS for entry in series)
    mark |= {} if bars else {"opacity": 0.15 if many_points else 0.45}
    return [{"data": {"values": values}, "mark": mark, "encoding": encoding}]


def _dots(series: Sequence[Series], axes: Axes) -> list[Spec]:
    """Return the layer of the points of lines: all of a short line, else those that stand alone."""
    values = []
    for entry in series:
        if not entry.line:
            continue
        measured = sum(point.value is not None for point in entry.points)
        for before, point, after in zip(
            (None, *entry.points[:-1]), entry.points, (*entry.points[1:], None), strict=True
        ):
            alone = all(neighbour is None or neighbour.value is None for neighbour in (before, after))
            if point.value is not None and (measured <= MAX_DOTTED_POINTS or alone):
                color = WEAK if point.weak else entry.color
                values.append({**_value(entry, point, axes), "c": color, "f": "transparent" if point.weak else color})
    if not values:
        return []
    encoding: Spec = {
        "x": _x_channel(axes, bars=False),
        "y": {"field": "y", "type": "quantitative", "scale": _extent(axes), "axis": _value_axis(axes)},
        "stroke": {"field": "c", "type": "nominal", "scale": None},
        "fill": {"field": "f", "type": "nominal", "scale": None},
    }
    if not axes.time:
        encoding["tooltip"] = _tooltip(axes)
    clip = any(_leaves_chart([entry], axes) for entry in series)
    return [{"data": {"values": values}, "mark": {"type": "point", "size": 18, "clip": clip}, "encoding": encoding}]


def _value(entry: Series, point: Point, axes: Axes) -> Spec:
    """Return a point as Vega-Lite reads it; a value too small to see on the axis is 0."""
    visible = point.value is not None and abs(point.value) > axes.greatest * SPECK
    y = point.value if point.value is None else point.value * axes.scale.factor if visible else 0
    x = point.x if axes.time or axes.numeric else category(point.x)
    value: Spec = {"x": x, "y": y, "s": entry.name, "t": point.full_text}
    return {**value, "n": f"{point.x:g}"} if axes.numeric and isinstance(point.x, (int, float)) else value


def _values(group: Sequence[Series], axes: Axes) -> list[Spec]:
    """Return the points; a line keeps those without a value, because it must not be drawn across them."""
    return [
        _value(entry, point, axes)
        for entry in group
        for point in entry.points
        if point.value is not None or (entry.line and (axes.time or axes.numeric))
    ]


def _as_spans(values: list[Spec], axes: Axes, *, share: float, stacked: bool, whole: bool) -> None:
    """Set the ends of bars over time: a bar fills its interval; if it is stacked, it stands on the bar below it."""
    gap = axes.interval * (1 - share) / 2
    sums: dict[float, float] = {}
    for value in values:
        sums[value["x"]] = sums.get(value["x"], 0.0) + value["y"]
    tops: dict[float, float] = {}
    for value in values:
        start, height = value["x"], value["y"] / (sums[value["x"]] or 1.0) if whole else value["y"]
        value["y2"] = tops.get(start, 0.0) if stacked else 0.0
        value["y"] = tops[start] = value["y2"] + height
        value["x"], value["x2"] = start + gap, start + axes.interval - gap


def _mark(group: Sequence[Series], axes: Axes, *, bars: bool) -> Spec:
    first = group[0]
    clip = _leaves_chart(group, axes)
    if bars:
        return {"type": "bar", "clip": True, **({"opacity": 0.4} if first.ends else {})}
    if first.kind.startswith("area"):
        return {"type": "area", "fillOpacity": 0.55, "line": {"strokeWidth": 1.5}, "clip": clip}
    mark: Spec = {"type": "line", "strokeWidth": first.width, "clip": clip}
    if first.kind == "steps":
        mark |= {"interpolate": "step-after"}
    if first.dash:
        mark["strokeDash"] = DASHES[first.dash % len(DASHES)]
    return mark


def _leaves_chart(group: Sequence[Series], axes: Axes) -> bool:
    """Return whether a line leaves the chart; only then it is clipped, because clipping thins a line along an edge."""
    low, high = axes.extent or (float("-inf"), float("inf"))
    first, last = milliseconds(axes.range.start), milliseconds(axes.range.end)
    return any(
        (axes.time and not first <= float(point.x or 0) <= last)
        or (point.value is not None and not low <= point.value <= high)
        for entry in group
        for point in entry.points
    )


def _x_channel(axes: Axes, *, bars: bool) -> Spec:
    title = axes.title_x or None
    if axes.numeric:
        scale = {"zero": False, "nice": False}
        return {"field": "x", "type": "quantitative", "scale": scale, "axis": {"title": title, "labelOverlap": True}}
    if not axes.time:
        angle = {} if axes.sideways else {"labelAngle": 0}
        return {
            "field": "x",
            "type": "nominal",
            "sort": None,
            "scale": {"domain": list(axes.categories), **({"paddingInner": 0.25} if bars else {})},
            "axis": {"title": title, "labelLimit": 150, "labelOverlap": True, "ticks": False, **angle},
        }
    return {"field": "x", "type": "temporal", "scale": {"type": "utc"}, "axis": time_axis(axes)}


def _value_axis(axes: Axes) -> Spec:
    count = {"expr": f"max(2, floor({'width' if axes.sideways else 'height'} / 42))"}
    axis: Spec = {"title": axes.title_y or None, "labelExpr": axes.scale.label}
    axis |= {"tickCount": count, "labelOverlap": True}
    if axes.whole:
        axis["tickMinStep"] = 1
    return {**axis, "grid": True, "domain": False, "ticks": False} if axes.sideways else axis


def _extent(axes: Axes) -> Spec:
    if not axes.greatest:
        return {"domain": [0, 1]}
    if axes.extent is None:
        return {"zero": axes.from_zero, "nice": True}
    low, high = axes.extent
    return {"domain": [low * axes.scale.factor, high * axes.scale.factor]}


def _threshold_line(threshold: Threshold, axes: Axes) -> list[Spec]:
    along = "x" if axes.sideways else "y"
    at = {along: {"datum": threshold.value * axes.scale.factor, "type": "quantitative"}}
    label = {"value": threshold.text}
    return [
        {
            "data": {"values": [{}]},
            "mark": {"type": "rule", "strokeDash": [6, 4], "color": threshold.color},
            "encoding": at,
        },
        {
            "data": {"values": [{}]},
            "mark": {"type": "text", "align": "right", "baseline": "bottom", "dy": -3, "x": {"expr": "width - 2"}},
            "encoding": {**at, "text": label},
        },
    ]
