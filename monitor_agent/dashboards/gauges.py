"""Lens' gauges as Vega-Lite: a bar from the least to the greatest value, and a mark at the goal (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.data_tables import table_view
from monitor_agent.dashboards.palette import SERIES
from monitor_agent.dashboards.panel_views import NO_DATA, Chart, Notice, PanelBody, Spec
from monitor_agent.dashboards.vega_lite import SCHEMA
from monitor_agent.dashboards.visible_text import tooltip_title
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.tables import Value

HEADROOM = 1.25
"""A gauge without a greatest value ends at this multiple of its value or goal."""
BACK, GOAL = "#98A2B3", "#343741"


def gauge(panel: LensPanel, data: PanelData, _colors: Mapping[str, str]) -> PanelBody:
    """Return the chart of a gauge; a round gauge is drawn as a bar, too."""
    state = panel.state
    table = data.tables[state["layerId"]]
    columns = {column.id: column for column in table.columns}
    column, row = columns[state["metricAccessor"]], table.rows[0] if table.rows else {}
    value, goal = row.get(column.id), _number(row, state.get("goalAccessor"))
    if not isinstance(value, (int, float)):
        return Notice(NO_DATA, "empty")
    least = _number(row, state.get("minAccessor"))
    greatest = _number(row, state.get("maxAccessor"))
    low = min(0.0, float(value)) if least is None else least
    high = max(float(value), goal or 0.0) * HEADROOM or 1.0 if greatest is None else greatest
    scale = formats.scale(column.format, max(abs(low), abs(high)))
    text = formats.text(value, column.format, column.kind)
    aim = f", goal {formats.text(goal, column.format, column.kind)}" if goal is not None else ""
    ends = {"low": low, "high": max(high, low), "value": min(max(float(value), low), high)}
    spec = _specification({name: at * scale.factor for name, at in ends.items()}, scale, text, column.label)
    if goal is not None:
        spec["layer"].append(_goal(goal * scale.factor))
    return Chart(spec, (), "bottom", table_view(table), f"{column.label} {text}{aim}")


def _number(row: Mapping[str, Value], column: str | None) -> float | None:
    value = row.get(column or "")
    return float(value) if isinstance(value, (int, float)) else None


def _specification(ends: Mapping[str, float], scale: formats.Scale, text: str, title: str) -> Spec:
    domain = {"domain": [ends["low"], ends["high"]], "nice": False, "zero": False}
    axis = {"title": None, "labelExpr": scale.label, "labelOverlap": True, "tickCount": 4, "grid": False}
    cell = {**ends, "t": text}
    tooltip = [{"field": "t", "type": "nominal", "title": tooltip_title(title)}]
    start = {"field": "low", "type": "quantitative", "scale": domain, "axis": axis}
    size = {"expr": "min(height * 0.5, 60)"}
    return {
        "$schema": SCHEMA,
        "data": {"values": [cell]},
        "encoding": {"tooltip": tooltip},
        "layer": [
            {
                "mark": {"type": "bar", "height": size, "color": BACK, "opacity": 0.25},
                "encoding": {"x": start, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "bar", "height": size, "color": SERIES[0]},
                "encoding": {"x": start, "x2": {"field": "value"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 8, "fontSize": 16, "fontWeight": 600},
                "encoding": {"x": start, "text": {"field": "t", "type": "nominal"}},
            },
        ],
    }


def _goal(at: float) -> Spec:
    return {
        "data": {"values": [{"goal": at}]},
        "mark": {"type": "tick", "color": GOAL, "thickness": 3, "height": {"expr": "min(height * 0.65, 80)"}},
        "encoding": {"x": {"field": "goal", "type": "quantitative"}},
    }
