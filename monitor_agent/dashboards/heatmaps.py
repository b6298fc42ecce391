"""Lens' heat maps as Vega-Lite: the deeper the colour, the greater the value (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.data_tables import table_view
from monitor_agent.dashboards.panel_views import Chart, PanelBody, Spec
from monitor_agent.dashboards.vega_lite import SCHEMA
from monitor_agent.dashboards.visible_text import tooltip_title
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.tables import Value

PALE, DEEP = "#E1ECF9", "#1D5FB4"
ON_PALE, ON_DEEP = "#1D2A3E", "#FFFFFF"
DEEP_SHARE = 0.55
"""A cell above this share of the greatest value is so dark that its text must be light."""
DAY = 86_400_000


def heatmap(panel: LensPanel, data: PanelData, _colors: Mapping[str, str]) -> PanelBody:
    """Return the chart of a heat map; it needs no legend, because the cells hold their values as text."""
    state = panel.state
    table = data.tables[state["layerId"]]
    columns = {column.id: column for column in table.columns}
    x, value = columns[state["xAccessor"]], columns[state["valueAccessor"]]
    y = columns.get(state.get("yAccessor") or "")
    # Bars that all begin at midnight are labelled with their day.
    days = x.kind == "date" and all(float(row[x.id] or 0) % DAY == 0 for row in table.rows)
    cells = []
    for row in table.rows:
        number = row[value.id]
        if isinstance(number, (int, float)):
            cells.append(
                {
                    "x": _day(row[x.id]) if days else formats.text(row[x.id], x.format, x.kind),
                    "y": formats.text(row[y.id], y.format, y.kind) if y else "",
                    "v": number,
                    "t": formats.text(number, value.format, value.kind),
                }
            )
    summary = "; ".join(f"{cell['y']} {cell['x']}: {cell['t']}" for cell in cells[:40])
    spec = _specification(cells, (x.label, y.label if y else "", value.label))
    return Chart(spec, (), "right", table_view(table), summary)


def _day(at: Value) -> str:
    """Return a moment's date as the time axes write it."""
    moment = datetime.fromtimestamp(float(at or 0) / 1000, timezone.utc)
    return f"{moment.day} {moment:%b}"


def _specification(cells: list[Spec], labels: tuple[str, str, str]) -> Spec:
    greatest = max((float(cell["v"]) for cell in cells), default=0.0)
    places: dict[str, Spec] = {
        name: {
            "field": name,
            "type": "nominal",
            "sort": None,
            "axis": {"title": label or None, "labelAngle": 0, "ticks": False, "domain": False, "labelLimit": 140},
        }
        for name, label in zip("xy", labels[:2], strict=True)
    }
    color: Spec = {"field": "v", "type": "quantitative", "legend": None}
    color["scale"] = {"range": [PALE, DEEP], "domain": [0, greatest or 1]}
    light = {"condition": {"test": f"datum.v > {greatest * DEEP_SHARE!r}", "value": ON_DEEP}, "value": ON_PALE}
    tooltip = [
        {"field": name, "type": "nominal", "title": tooltip_title(label or "Group")}
        for name, label in zip("xyt", labels, strict=True)
        if label
    ]
    return {
        "$schema": SCHEMA,
        "data": {"values": cells},
        "encoding": {**places, "tooltip": tooltip},
        "layer": [
            {"mark": {"type": "rect", "cornerRadius": 2, "stroke": None}, "encoding": {"color": color}},
            {"mark": {"type": "text"}, "encoding": {"text": {"field": "t"}, "color": light}},
        ],
    }
