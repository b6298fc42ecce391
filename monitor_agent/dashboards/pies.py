"""Lens' pies and donuts as Vega-Lite (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.data_tables import table_view
from monitor_agent.dashboards.palette import SERIES
from monitor_agent.dashboards.panel_views import NO_DATA, Chart, LegendEntry, Notice, PanelBody, Spec
from monitor_agent.dashboards.vega_lite import SCHEMA
from monitor_agent.dashboards.visible_text import tooltip_title
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData

SHAPES = ("pie", "donut")
HOLE = 0.55
"""The share of a donut's radius that is empty."""
LEAST_LABELLED = 0.04
"""A slice below this share of the whole is too thin for a label."""
RADIUS = "min(width, height) / 2"


def pie(panel: LensPanel, data: PanelData, colors: Mapping[str, str]) -> PanelBody:
    """Return the chart of a pie or donut.

    Raises
    ------
    UnsupportedPanelError
        If it has another shape, several values, or rings.
    """
    layer, shape = panel.state["layers"][0], panel.state["shape"]
    groups = layer.get("primaryGroups") or []
    if shape not in SHAPES:
        raise UnsupportedPanelError(panel.key, f"the shape {shape}")
    if len(layer["metrics"]) != 1 or len(groups) > 1 or layer.get("secondaryGroups"):
        raise UnsupportedPanelError(panel.key, "a pie of several values or rings")
    table = data.tables[layer["layerId"]]
    columns = {column.id: column for column in table.columns}
    value, group = columns[layer["metrics"][0]], columns[groups[0]] if groups else None
    slices = [
        (formats.text(row[group.id], group.format, group.kind) if group else value.label, float(amount), row)
        for row in table.rows
        if isinstance(amount := row[value.id], (int, float)) and amount > 0
    ]
    whole = sum(amount for _, amount, _ in slices)
    if not whole:
        return Notice(NO_DATA, "empty")
    label_kind = layer.get("numberDisplay", "percent")
    percent = {"id": "percent", "params": {"decimals": layer.get("percentDecimals", 1)}}
    cells, legend = [], []
    for number, (name, amount, row) in enumerate(slices):
        color = colors.get(name) or SERIES[number % len(SERIES)]
        share, text = formats.text(amount / whole, percent), formats.text(row[value.id], value.format, value.kind)
        label = {"percent": share, "value": text}.get(label_kind, "") if amount / whole >= LEAST_LABELLED else ""
        cells.append({"s": name, "y": amount, "o": number, "t": f"{text} ({share})", "l": label})
        legend.append(LegendEntry(name, color, dashed=False))
    summary = "; ".join(f"{cell['s']}: {cell['t']}" for cell in cells)
    entries = tuple(legend) if layer.get("legendDisplay") != "hide" else ()
    title = group.label if group else "Group"
    spec = _specification(cells, legend, title, HOLE if shape == "donut" else 0.0)
    return Chart(spec, entries, layer.get("legendPosition", "right"), table_view(table), summary)


def _specification(cells: list[Spec], legend: list[LegendEntry], title: str, hole: float) -> Spec:
    scale = {"domain": [entry.name for entry in legend], "range": [entry.color for entry in legend]}
    tooltip = [
        {"field": "s", "type": "nominal", "title": tooltip_title(title)},
        {"field": "t", "type": "nominal", "title": "Value"},
    ]
    arc = {"type": "arc", "outerRadius": {"expr": RADIUS}, "innerRadius": {"expr": f"{hole} * {RADIUS}"}}
    text = {"type": "text", "radius": {"expr": f"{(1 + hole) / 2 or 0.5} * {RADIUS}"}, "color": "#FFFFFF"}
    return {
        "$schema": SCHEMA,
        "data": {"values": cells},
        "encoding": {
            "theta": {"field": "y", "type": "quantitative", "stack": "zero"},
            "order": {"field": "o", "type": "quantitative"},
            "tooltip": tooltip,
        },
        "layer": [
            {
                "mark": arc,
                "encoding": {"color": {"field": "s", "type": "nominal", "scale": scale, "legend": None}},
            },
            {"mark": text, "encoding": {"text": {"field": "l", "type": "nominal"}}},
        ],
    }
