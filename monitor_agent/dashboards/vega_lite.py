"""Series and axes as Vega-Lite (pure).

Values are scaled to the axis' unit; each value carries the text that people read. The page and the reports add the
size, the legend, and the colours of text and lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.panel_views import Spec
from monitor_agent.dashboards.visible_text import tooltip_title, visible
from monitor_agent.kibana.tables import Annotation, TableColumn, Value
from monitor_agent.kibana.times import TimeRange
from monitor_agent.pipeline.instants import milliseconds

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MAX_DOTTED_POINTS = 60
BAR_SHARE = 0.86
"""The share of its interval that a bar over time fills."""
SPECK = 1e-4
"""A value below this share of the greatest value is drawn as 0."""
LABEL_SHARE = 0.12
"""An event gets a label only if it is at least this share of the range later than the last label."""
HOVER = "hover"
"""The name of the layer with the tooltips."""
DAY = 86_400.0


class Point(NamedTuple):
    """One point of a series: its place on the x axis, its value, and the value as text."""

    x: Value
    value: float | None
    text: str


@dataclass(frozen=True)
class Series:
    """One line, area or set of bars."""

    name: str
    color: str
    dashed: bool
    width: float
    kind: str
    column: TableColumn
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Axes:
    """The axes of a chart.

    Attributes
    ----------
    time : whether the x axis is time.
    interval : length of a bar over time, in milliseconds.
    range : the time that the x axis covers.
    categories : the groups on the x axis, in order, if it is not time.
    greatest : the greatest value, before it is scaled.
    whole : whether all values are whole numbers.
    extent : the ends of the y axis; None = they follow from the values.
    """

    time: bool
    interval: int
    range: TimeRange
    categories: tuple[str, ...]
    sideways: bool
    title_x: str
    title_y: str
    scale: formats.Scale
    greatest: float
    whole: bool
    extent: tuple[float, float] | None
    from_zero: bool


@dataclass(frozen=True)
class Threshold:
    """A fixed line across a chart."""

    value: float
    text: str
    color: str


def specification(
    series: Sequence[Series], axes: Axes, thresholds: Sequence[Threshold], events: Sequence[Annotation]
) -> Spec:
    """Return the specification of a chart."""
    layers = [_marks(group, series, axes) for group in _groups(series)]
    layers += [layer for threshold in thresholds for layer in _threshold_line(threshold, axes)]
    if axes.time:
        layers += [_frame(axes), _hover(series, axes)]
        layers += _events(events, axes) if events else []
    return {"$schema": SCHEMA, "layer": layers}


def _groups(series: Sequence[Series]) -> list[list[Series]]:
    """Return the series that one mark can draw together: thin ones, such as the ends of an interval, come first.

    A series without a value is left out, because Vega-Lite warns of an axis without extent.
    """
    by_style: dict[tuple[float, bool, str], list[Series]] = {}
    for entry in series:
        if any(point.value is not None for point in entry.points):
            by_style.setdefault((entry.width, not entry.dashed, entry.kind), []).append(entry)
    return [by_style[style] for style in sorted(by_style)]


def _marks(group: Sequence[Series], series: Sequence[Series], axes: Axes) -> Spec:
    kind = group[0].kind
    bars, stacked = kind.startswith("bar"), "stacked" in kind
    values = _values(group, axes)
    across, along = ("y", "x") if axes.sideways else ("x", "y")
    names, colors = [entry.name for entry in series], [entry.color for entry in series]
    encoding: Spec = {
        across: _x_channel(axes, bars=bars),
        along: {"field": "y", "type": "quantitative", "stack": None, "scale": _extent(axes), "axis": _value_axis(axes)},
        "color": {"field": "s", "type": "nominal", "scale": {"domain": names, "range": colors}, "legend": None},
    }
    if bars and axes.time:
        _as_spans(values, axes, stacked=stacked, whole="percentage" in kind)
        encoding |= {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
        return {"data": {"values": values}, "mark": {"type": "rect", "clip": True}, "encoding": encoding}
    if stacked:
        # A series of zeros would look like the outline of the series below it.
        visible = {value["s"] for value in values if value["y"]}
        values = [value for value in values if value["s"] in visible] or values
        encoding[along]["stack"] = "normalize" if "percentage" in kind else "zero"
        encoding["order"] = {"field": "o", "type": "quantitative"}
        for value in values:
            value["o"] = names.index(value["s"])
    if not axes.time:
        if bars and not stacked and len(group) > 1:
            # In the order of the data: Vega-Lite would put a list of names, which may be anything, into an expression.
            encoding[f"{across}Offset"] = {"field": "s", "sort": None}
        encoding["tooltip"] = [
            {"field": "x", "type": "nominal", "title": tooltip_title(axes.title_x or "Group")},
            {"field": "s", "type": "nominal", "title": "Series"},
            {"field": "t", "type": "nominal", "title": "Value"},
        ]
    return {"data": {"values": values}, "mark": _mark(group, axes, bars=bars), "encoding": encoding}


def _values(group: Sequence[Series], axes: Axes) -> list[Spec]:
    """Return the points that have a value; a value too small to see on the axis is 0."""
    least = axes.greatest * SPECK
    return [
        {"x": x, "y": value * axes.scale.factor if abs(value) > least else 0, "s": entry.name, "t": text}
        for entry in group
        for x, value, text in entry.points
        if value is not None
    ]


def _as_spans(values: list[Spec], axes: Axes, *, stacked: bool, whole: bool) -> None:
    """Set the ends of bars over time: a bar fills its interval; if it is stacked, it stands on the bar below it."""
    gap = axes.interval * (1 - BAR_SHARE) / 2
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
        return {"type": "bar", "clip": True}
    if first.kind.startswith("area"):
        return {"type": "area", "fillOpacity": 0.55, "line": {"strokeWidth": 1.5}, "clip": clip}
    mark: Spec = {"type": "line", "strokeWidth": first.width, "clip": clip}
    if first.dashed:
        mark["strokeDash"] = [4, 3]
    elif max(len(entry.points) for entry in group) <= MAX_DOTTED_POINTS:
        mark["point"] = {"size": 18, "filled": True}
    return mark


def _leaves_chart(group: Sequence[Series], axes: Axes) -> bool:
    """Return whether a line leaves the chart; only then it is clipped, because clipping thins a line along an edge."""
    low, high = axes.extent or (float("-inf"), float("inf"))
    first, last = milliseconds(axes.range.start), milliseconds(axes.range.end)
    return any(
        (axes.time and not first <= float(x or 0) <= last) or (value is not None and not low <= value <= high)
        for entry in group
        for x, value, _ in entry.points
    )


def _x_channel(axes: Axes, *, bars: bool) -> Spec:
    title = axes.title_x or None
    if not axes.time:
        angle = {} if axes.sideways else {"labelAngle": 0}
        return {
            "field": "x",
            "type": "nominal",
            "sort": None,
            "scale": {"domain": list(axes.categories), **({"paddingInner": 0.25} if bars else {})},
            "axis": {"title": title, "labelLimit": 150, "labelOverlap": True, "ticks": False, **angle},
        }
    return {"field": "x", "type": "temporal", "scale": {"type": "utc"}, "axis": _time_axis(axes)}


def _moment(moment: datetime) -> Spec:
    """Return a moment by its units, because Vega's interpreter of expressions reads a number as a year."""
    times = {name: getattr(moment, name.removesuffix("s")) for name in ("hours", "minutes", "seconds")}
    return {"year": moment.year, "month": moment.month, "date": moment.day, **times, "utc": True}


def _time_axis(axes: Axes) -> Spec:
    days = axes.range.length.total_seconds() / DAY
    hours = "utcFormat(datum.value, '%H:%M')"
    date = "utcFormat(datum.value, '%e %b')"
    midnight = "utchours(datum.value) == 0 && utcminutes(datum.value) == 0"
    if days <= 3:
        label = f"{midnight} ? [{hours}, {date}] : {hours}" if days > 0.25 else hours
    else:
        label = date if days <= 400 else "utcFormat(datum.value, '%b %Y')"
    count = {"expr": "max(2, floor(width / 95))"}
    return {"title": axes.title_x or None, "labelExpr": label, "labelOverlap": True, "tickCount": count}


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


def _events(events: Sequence[Annotation], axes: Axes) -> list[Spec]:
    """Return the layers that mark events; an event close to the last label has its text in the tooltip only."""
    gap = axes.range.length.total_seconds() * 1000 * LABEL_SHARE
    values, last = [], float("-inf")
    for event in events:
        labelled = event.at - last >= gap
        last = event.at if labelled else last
        when = formats.date_text(event.at)
        words = visible(event.text)
        values.append({"x": event.at, "t": words, "w": f"{when} UTC", "l": words if labelled else ""})
    at: Spec = {"x": {"field": "x", "type": "temporal", "scale": {"type": "utc"}}}
    tooltip = [{"field": "t", "type": "nominal", "title": "Release"}, {"field": "w", "type": "nominal", "title": "At"}]
    rule: Spec = {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5}
    label: Spec = {"type": "text", "align": "left", "baseline": "top", "dx": 4, "y": 1, "limit": 110, "fontWeight": 600}
    return [
        {"data": {"values": values}, "mark": rule, "encoding": {**at, "tooltip": tooltip}},
        {"data": {"values": values}, "mark": label, "encoding": {**at, "text": {"field": "l"}, "tooltip": tooltip}},
    ]


def _frame(axes: Axes) -> Spec:
    """Return an invisible layer that sets the ends of the time axis: Vega-Lite reads them from one layer only."""
    domain = [_moment(axes.range.start), _moment(axes.range.end)]
    scale = {"type": "utc", "domain": domain, "nice": False}
    return {
        "data": {"values": [{"x": milliseconds(axes.range.start)}]},
        "mark": {"type": "point", "opacity": 0, "tooltip": None},
        "encoding": {"x": {"field": "x", "type": "temporal", "scale": scale}},
    }


def _hover(series: Sequence[Series], axes: Axes) -> Spec:
    """Return the layer of bands, one for each moment, whose tooltips hold all values of the moment."""
    bands: dict[float, Spec] = {}
    for number, entry in enumerate(series):
        for x, _, text in entry.points:
            at = float(x or 0)
            band = bands.setdefault(at, {"x": at, "w": f"{formats.date_text(x)} UTC"})
            band[f"v{number}"] = text
    # The band lies around its mark: a bar begins at its moment, a point of a line is there.
    half = axes.interval / 2
    middle = half if series[0].kind.startswith("bar") else 0.0
    moments = sorted(bands)
    edges = [(start + end) / 2 + middle for start, end in pairwise(moments)]
    lefts, rights = [moments[0] + middle - half, *edges], [*edges, moments[-1] + middle + half]
    for at, left, right in zip(moments, lefts, rights, strict=True):
        bands[at] |= {"from": left, "to": right}
    pointed = {"type": "point", "fields": ["x"], "on": "pointerover", "clear": "pointerout"}
    values = [
        {"field": f"v{number}", "type": "nominal", "title": tooltip_title(entry.name)}
        for number, entry in enumerate(series)
    ]
    return {
        "name": HOVER,
        "data": {"values": list(bands.values())},
        "params": [{"name": "at", "select": pointed}],
        "mark": {"type": "rect", "clip": True, "color": "#98A2B3"},
        "encoding": {
            "x": {"field": "from", "type": "temporal", "scale": {"type": "utc"}},
            "x2": {"field": "to"},
            "opacity": {"condition": {"param": "at", "empty": False, "value": 0.2}, "value": 0},
            "tooltip": [{"field": "w", "type": "nominal", "title": "Time"}, *values],
        },
    }
