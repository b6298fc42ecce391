"""The strip of disturbed times on a chart over time (pure)."""

from __future__ import annotations

from dataclasses import replace

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.panel_views import Chart, LegendEntry, Spec
from monitor_agent.dashboards.time_layers import HOVER
from monitor_agent.dashboards.time_strip import ALERT, COLORS, OUTAGE, TimeStrip
from monitor_agent.kibana.times import TimeRange
from monitor_agent.pipeline.instants import milliseconds

HEIGHT = 6
"""Pixels of the strip."""
ALERT_HEIGHT = 4
"""Pixels of the strip of alerts, which lies below the axis of time."""
SHADE = 0.08
"""The opacity of the shade over a time without events."""


def with_strip(chart: Chart, strip: TimeStrip, time: TimeRange) -> Chart:
    """Return a chart over time with the strip above its marks, in its tooltips, its legend and its text."""
    start, end = milliseconds(time.start), milliseconds(time.end)
    spans: list[Spec] = [
        {"x": max(span.start, start), "x2": min(span.end, end), "k": span.kind, "c": COLORS[span.kind], "t": span.text}
        for span in strip.spans
        if span.start < end and start < span.end
    ]
    if not spans:
        return chart
    layers = [_with_notes(layer, strip) for layer in chart.spec["layer"]]
    hover = next(number for number, layer in enumerate(layers) if layer.get("name") == HOVER)
    shaded = [span for span in spans if span["k"] == OUTAGE]
    below = [_rectangles(shaded, {"opacity": SHADE}, {})] if shaded else []
    alerts, disturbed = ([span for span in spans if (span["k"] == ALERT) is alert] for alert in (True, False))
    top = [_rectangles(disturbed, {"opacity": 0.85}, {"y": {"value": 0}, "y2": {"value": HEIGHT}})] if disturbed else []
    if alerts:
        # Below the axis: releases have their names at the top.
        place = {"y": {"value": {"expr": "height"}}, "y2": {"value": {"expr": f"height + {ALERT_HEIGHT}"}}}
        top.append(_rectangles(alerts, {"opacity": 0.85, "clip": False}, place))
    kinds = [kind for kind in COLORS if any(span["k"] == kind for span in spans)]
    words = "; ".join(
        f"{span['t']} from {formats.date_text(span['x'])} to {formats.moment_text(span['x2'])}" for span in spans
    )
    return replace(
        chart,
        spec={**chart.spec, "layer": [*below, *layers[:hover], *top, *layers[hover:]]},
        legend=(*chart.legend, *(LegendEntry(kind, COLORS[kind], dashed=False, strip=True) for kind in kinds)),
        summary=f"{chart.summary}; {words}",
    )


def _rectangles(spans: list[Spec], mark: Spec, place: Spec) -> Spec:
    encoding: Spec = {
        "x": {"field": "x", "type": "temporal", "scale": {"type": "utc"}},
        "x2": {"field": "x2"},
        "color": {"field": "c", "type": "nominal", "scale": None},
        **place,
    }
    return {"data": {"values": spans}, "mark": {"type": "rect", "clip": True, **mark}, "encoding": encoding}


def _with_notes(layer: Spec, strip: TimeStrip) -> Spec:
    """Return the layer of the tooltips with what disturbs the numbers of each moment."""
    if layer.get("name") != HOVER:
        return layer
    values = [
        {**band, "w": f"{band['w']}: {note}"}
        if (note := strip.at(band["x"], band["x"] + band["to"] - band["from"]))
        else band
        for band in layer["data"]["values"]
    ]
    return {**layer, "data": {"values": values}}
