"""Series and axes as Vega-Lite (pure).

Values are scaled to the axis' unit; the text that people read travels beside each value. Size, the colours of text and
lines, and the legend are left to whoever draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from monitor_agent.dashboards import formats
from monitor_agent.kibana.tables import Annotation, TableColumn, Value
from monitor_agent.kibana.times import TimeRange
from monitor_agent.pipeline.instants import milliseconds

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MOST_POINTS = 60
BAR_SHARE = 0.86
"""The share of its interval that a bar over time fills."""
SPECK = 1e-4
"""The share of the greatest value below which a value is drawn as 0."""
LABEL_SHARE = 0.12
"""Marked events that are nearer than this share of the range share one label."""
HOVER = "hover"
"""The name of the layer that answers the pointer."""
DAY = 86_400.0


@dataclass(frozen=True)
class Series:
    """One line, area or set of bars: `points` are (place on the x axis, value, its text)."""

    name: str
    color: str
    dashed: bool
    width: float
    kind: str
    column: TableColumn
    points: tuple[tuple[Value, float | None, str], ...]


@dataclass(frozen=True)
class Axes:
    """What all series share.

    Attributes
    ----------
    time : the x axis is one of time, with bars of `interval` milliseconds.
    categories : else the groups on the x axis, in order.
    greatest : the greatest value, before it is scaled.
    whole : the values are whole numbers.
    extent : the ends of the y axis where they are fixed.
    """

    time: bool
    interval: int
    shown: TimeRange
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
    """Return the chart."""
    layers = [_drawn(group, series, axes) for group in _groups(series)]
    layers += [part for each in thresholds for part in _line(each, axes)]
    if axes.time:
        layers += [_frame(axes), _hover(series, axes)]
        layers += _events(events, axes) if events else []
    return {"$schema": SCHEMA, "layer": layers}


def _groups(series: Sequence[Series]) -> list[list[Series]]:
    """Return the series that one mark can draw: thin ones, such as the ends of an interval, below the others.

    One without a known value is left out: Vega-Lite warns of an axis that reaches nowhere.
    """
    by_look: dict[tuple[float, bool, str], list[Series]] = {}
    for each in series:
        if any(value is not None for _, value, _ in each.points):
            by_look.setdefault((each.width, not each.dashed, each.kind), []).append(each)
    return [by_look[look] for look in sorted(by_look)]


def _drawn(group: Sequence[Series], series: Sequence[Series], axes: Axes) -> Spec:
    kind = group[0].kind
    bars, stacked = kind.startswith("bar"), "stacked" in kind
    values = _values(group, axes)
    across, along = ("y", "x") if axes.sideways else ("x", "y")
    names, colors = [each.name for each in series], [each.color for each in series]
    encoding: Spec = {
        across: _places(axes, bars=bars),
        along: {"field": "y", "type": "quantitative", "stack": None, "scale": _extent(axes), "axis": _value_axis(axes)},
        "color": {"field": "s", "type": "nominal", "scale": {"domain": names, "range": colors}, "legend": None},
    }
    if bars and axes.time:
        _as_spans(values, axes, stacked=stacked, whole="percentage" in kind)
        encoding |= {"x2": {"field": "x2"}, "y2": {"field": "y2"}}
        return {"data": {"values": values}, "mark": {"type": "rect", "clip": True}, "encoding": encoding}
    if stacked:
        # What adds nothing to a pile would look like the outline of what is below it.
        values = [each for each in values if each["s"] in {one["s"] for one in values if one["y"]}] or values
        encoding[along]["stack"] = "normalize" if "percentage" in kind else "zero"
        encoding["order"] = {"field": "o", "type": "quantitative"}
        for each in values:
            each["o"] = names.index(each["s"])
    if not axes.time:
        if bars and not stacked and len(group) > 1:
            encoding[f"{across}Offset"] = {"field": "s", "sort": names}
        encoding["tooltip"] = [
            {"field": "x", "type": "nominal", "title": axes.title_x or "Group"},
            {"field": "s", "type": "nominal", "title": "Series"},
            {"field": "t", "type": "nominal", "title": "Value"},
        ]
    return {"data": {"values": values}, "mark": _mark(group, axes, bars=bars), "encoding": encoding}


def _values(group: Sequence[Series], axes: Axes) -> list[Spec]:
    """Return the points; a line goes on over what is unknown, and what cannot be told from 0 on the axis is 0."""
    least = axes.greatest * SPECK
    return [
        {"x": place, "y": value * axes.scale.factor if abs(value) > least else 0, "s": each.name, "t": told}
        for each in group
        for place, value, told in each.points
        if value is not None
    ]


def _as_spans(values: list[Spec], axes: Axes, *, stacked: bool, whole: bool) -> None:
    """Give bars over time their ends: a bar fills its interval, and stands on those below it."""
    gap = axes.interval * (1 - BAR_SHARE) / 2
    sums: dict[float, float] = {}
    for each in values:
        sums[each["x"]] = sums.get(each["x"], 0.0) + each["y"]
    reached: dict[float, float] = {}
    for each in values:
        start, height = each["x"], each["y"] / (sums[each["x"]] or 1.0) if whole else each["y"]
        each["y2"] = reached.get(start, 0.0) if stacked else 0.0
        each["y"] = reached[start] = each["y2"] + height
        each["x"], each["x2"] = start + gap, start + axes.interval - gap


def _mark(group: Sequence[Series], axes: Axes, *, bars: bool) -> Spec:
    first = group[0]
    clip = _reaches_out(group, axes)
    if bars:
        return {"type": "bar", "clip": True}
    if first.kind.startswith("area"):
        return {"type": "area", "fillOpacity": 0.55, "line": {"strokeWidth": 1.5}, "clip": clip}
    mark: Spec = {"type": "line", "strokeWidth": first.width, "clip": clip}
    if first.dashed:
        mark["strokeDash"] = [4, 3]
    elif max(len(each.points) for each in group) <= MOST_POINTS:
        mark["point"] = {"size": 18, "filled": True}
    return mark


def _reaches_out(group: Sequence[Series], axes: Axes) -> bool:
    """Return whether a line leaves the picture: one that stays inside is drawn whole, also along its edges."""
    low, high = axes.extent or (float("-inf"), float("inf"))
    first, last = milliseconds(axes.shown.start), milliseconds(axes.shown.end)
    return any(
        (axes.time and not first <= float(place or 0) <= last) or (value is not None and not low <= value <= high)
        for each in group
        for place, value, _ in each.points
    )


def _places(axes: Axes, *, bars: bool) -> Spec:
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
    """Return a moment by its parts: as a number, Vega's interpreter of expressions takes it for a year."""
    parts = ("hours", "minutes", "seconds")
    times = {name: getattr(moment, name.removesuffix("s")) for name in parts}
    return {"year": moment.year, "month": moment.month, "date": moment.day, **times, "utc": True}


def _time_axis(axes: Axes) -> Spec:
    days = axes.shown.length.total_seconds() / DAY
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
    found: Spec = {"title": axes.title_y or None, "labelExpr": axes.scale.label}
    found |= {"tickCount": count, "labelOverlap": True}
    if axes.whole:
        found["tickMinStep"] = 1
    return {**found, "grid": True, "domain": False, "ticks": False} if axes.sideways else found


def _extent(axes: Axes) -> Spec:
    if not axes.greatest:
        return {"domain": [0, 1]}
    if axes.extent is None:
        return {"zero": axes.from_zero, "nice": True}
    low, high = axes.extent
    return {"domain": [low * axes.scale.factor, high * axes.scale.factor]}


def _line(threshold: Threshold, axes: Axes) -> list[Spec]:
    along = "x" if axes.sideways else "y"
    at = {along: {"datum": threshold.value * axes.scale.factor, "type": "quantitative"}}
    told = {"value": threshold.text}
    return [
        {
            "data": {"values": [{}]},
            "mark": {"type": "rule", "strokeDash": [6, 4], "color": threshold.color},
            "encoding": at,
        },
        {
            "data": {"values": [{}]},
            "mark": {"type": "text", "align": "right", "baseline": "bottom", "dy": -3, "x": {"expr": "width - 2"}},
            "encoding": {**at, "text": told},
        },
    ]


def _events(events: Sequence[Annotation], axes: Axes) -> list[Spec]:
    """Return the layers that mark events; the text of one that is close to the one before is told by its tooltip."""
    apart = axes.shown.length.total_seconds() * 1000 * LABEL_SHARE
    values, last = [], float("-inf")
    for each in events:
        labelled = each.at - last >= apart
        last = each.at if labelled else last
        when = formats.date_text(each.at)
        values.append({"x": each.at, "t": each.text, "w": f"{when} UTC", "l": each.text if labelled else ""})
    at: Spec = {"x": {"field": "x", "type": "temporal", "scale": {"type": "utc"}}}
    told = [{"field": "t", "type": "nominal", "title": "Release"}, {"field": "w", "type": "nominal", "title": "At"}]
    rule: Spec = {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5}
    label: Spec = {"type": "text", "align": "left", "baseline": "top", "dx": 4, "y": 1, "limit": 110, "fontWeight": 600}
    return [
        {"data": {"values": values}, "mark": rule, "encoding": {**at, "tooltip": told}},
        {"data": {"values": values}, "mark": label, "encoding": {**at, "text": {"field": "l"}, "tooltip": told}},
    ]


def _frame(axes: Axes) -> Spec:
    """Return an invisible layer that says which time is shown: Vega-Lite takes that from one layer only."""
    shown = [_moment(axes.shown.start), _moment(axes.shown.end)]
    scale = {"type": "utc", "domain": shown, "nice": False}
    return {
        "data": {"values": [{"x": milliseconds(axes.shown.start)}]},
        "mark": {"type": "point", "opacity": 0, "tooltip": None},
        "encoding": {"x": {"field": "x", "type": "temporal", "scale": scale}},
    }


def _hover(series: Sequence[Series], axes: Axes) -> Spec:
    """Return the layer of bands, one for each moment, that tell all values of it when they are pointed at."""
    moments: dict[float, Spec] = {}
    for number, each in enumerate(series):
        for place, _, told in each.points:
            at = float(place or 0)
            row = moments.setdefault(at, {"x": at, "w": f"{formats.date_text(place)} UTC"})
            row[f"v{number}"] = told
    # A bar begins at its moment, a point of a line is there: the band lies around what is drawn.
    middle = axes.interval / 2 if series[0].kind.startswith("bar") else 0.0
    places = sorted(moments)
    edges = [(one + other) / 2 + middle for one, other in pairwise(places)]
    half = axes.interval / 2
    for at, left, right in zip(
        places, [places[0] + middle - half, *edges], [*edges, places[-1] + middle + half], strict=True
    ):
        moments[at] |= {"from": left, "to": right}
    pointed = {"type": "point", "fields": ["x"], "on": "pointerover", "clear": "pointerout"}
    told_series = [{"field": f"v{number}", "type": "nominal", "title": each.name} for number, each in enumerate(series)]
    return {
        "name": HOVER,
        "data": {"values": list(moments.values())},
        "params": [{"name": "at", "select": pointed}],
        "mark": {"type": "rect", "clip": True, "color": "#98A2B3"},
        "encoding": {
            "x": {"field": "from", "type": "temporal", "scale": {"type": "utc"}},
            "x2": {"field": "to"},
            "opacity": {"condition": {"param": "at", "empty": False, "value": 0.2}, "value": 0},
            "tooltip": [{"field": "w", "type": "nominal", "title": "Time"}, *told_series],
        },
    }
