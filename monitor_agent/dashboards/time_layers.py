"""What charts over time add to their marks: the axis, marked events, and the tooltips of each moment (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.chart_values import Axes, Series
from monitor_agent.dashboards.panel_views import Spec
from monitor_agent.dashboards.visible_text import short_name, tooltip_title, visible
from monitor_agent.kibana.tables import Annotation
from monitor_agent.kibana.times import TimeRange
from monitor_agent.pipeline.instants import milliseconds

MOST_LETTERS, LETTER_WIDTH = 14, 7.5
"""Of the label of an event: its length, and the pixels of a letter."""
HOVER = "hover"
"""The name of the layer with the tooltips."""
DAY = 86_400.0
DAYS_WITH_NOONS = 10
MOST_STEPS = 4000


def _moment(moment: datetime) -> Spec:
    """Return a moment by its units, because Vega's interpreter of expressions reads a number as a year."""
    times = {name: getattr(moment, name.removesuffix("s")) for name in ("hours", "minutes", "seconds")}
    return {"year": moment.year, "month": moment.month, "date": moment.day, **times, "utc": True}


def time_axis(axes: Axes) -> Spec:
    days = axes.range.length.total_seconds() / DAY
    at = f"(time(datum.value) + {_offset(axes.range)})"
    hours, date = f"utcFormat({at}, '%H:%M')", f"utcFormat({at}, '%e %b')"
    midnight = f"utchours({at}) == 0 && utcminutes({at}) == 0"
    if days <= 3:
        label = f"{midnight} ? [{hours}, {date}] : {hours}" if days > 0.25 else hours
    else:
        label = date if days <= 400 else f"utcFormat({at}, '%b %Y')"
    if 3 < days <= DAYS_WITH_NOONS:  # there may be ticks between those of the days
        label = f"utchours(datum.value) == 0 ? {date} : {hours}"
    count = {"expr": "max(2, floor(width / 95))"}
    return {"title": axes.title_x or None, "labelExpr": label, "labelOverlap": True, "tickCount": count}


def _offset(time: TimeRange) -> str:
    """Return the expression of the zone's distance from UTC in milliseconds, which clock changes alter in a range."""
    zone = formats.reader_zone()
    step = timedelta(hours=1) if time.length <= timedelta(days=8) else timedelta(days=1)
    moments = [time.start + number * step for number in range(min(time.length // step, MOST_STEPS) + 1)]
    distances = [
        round((moment.astimezone(zone).utcoffset() or timedelta()).total_seconds() * 1000) for moment in moments
    ]
    text = str(distances[-1])
    for (later, earlier), moment in zip(pairwise(reversed(distances)), reversed(moments), strict=False):
        if later != earlier:
            text = f"(time(datum.value) < {milliseconds(moment)} ? {earlier} : {text})"
    return text


def event_marks(events: Sequence[Annotation], axes: Axes) -> list[Spec]:
    """Return the layers that mark events; an event too close to the one before has its text in the tooltip only."""
    span = axes.range.length.total_seconds() * 1000
    values, last = [], float("-inf")
    for event in events:
        words = visible(event.text)
        values.append(
            {
                "x": event.at,
                "t": words,
                "w": formats.moment_text(event.at),
                "l": short_name(words, MOST_LETTERS),
                "g": min(1.0, (event.at - last) / span),
            }
        )
        last = event.at
    room = LETTER_WIDTH * max((len(str(value["l"])) for value in values), default=0)
    label_text = {"condition": {"test": f"datum.g == 1 || datum.g * width >= {room:g}", "field": "l"}, "value": ""}
    at: Spec = {"x": {"field": "x", "type": "temporal", "scale": {"type": "utc"}}}
    tooltip = [{"field": "t", "type": "nominal", "title": "Release"}, {"field": "w", "type": "nominal", "title": "At"}]
    rule: Spec = {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5}
    label: Spec = {"type": "text", "align": "left", "baseline": "top", "dx": 4, "y": 1, "limit": 110, "fontWeight": 600}
    return [
        {"data": {"values": values}, "mark": rule, "encoding": {**at, "tooltip": tooltip}},
        {"data": {"values": values}, "mark": label, "encoding": {**at, "text": label_text, "tooltip": tooltip}},
    ]


def time_frame(axes: Axes) -> Spec:
    """Return an invisible layer that sets the ends of the time axis: Vega-Lite reads them from one layer only."""
    domain = [_moment(axes.range.start), _moment(axes.range.end)]
    scale = {"type": "utc", "domain": domain, "nice": False}
    return {
        "data": {"values": [{"x": milliseconds(axes.range.start)}]},
        "mark": {"type": "point", "opacity": 0, "tooltip": None},
        "encoding": {"x": {"field": "x", "type": "temporal", "scale": scale}},
    }


def hover_bands(series: Sequence[Series], axes: Axes) -> Spec:
    """Return the layer of bands, one for each moment, whose tooltips hold all values of the moment."""
    bands: dict[float, Spec] = {}
    nothing = {f"v{number}": formats.NOTHING for number, _ in enumerate(series)}
    for number, entry in enumerate(series):
        for point in entry.points:
            at = float(point.x or 0)
            if at not in bands:
                bands[at] = {"x": at, "w": formats.moment_text(point.x), **nothing}
            bands[at][f"v{number}"] = point.full_text
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
