"""Lens' metrics as tiles: one number, or one for each group (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.data_tables import table_view
from monitor_agent.dashboards.palette import SERIES
from monitor_agent.dashboards.panel_views import PanelBody, Tile, Tiles
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.tables import TableColumn, Value


def metric(panel: LensPanel, data: PanelData, _colors: Mapping[str, str]) -> PanelBody:
    """Return the tiles of a Lens metric."""
    state = panel.state
    table = data.tables[state["layerId"]]
    columns = {column.id: column for column in table.columns}
    main, secondary = columns[state["metricAccessor"]], columns.get(state.get("secondaryMetricAccessor", ""))
    group = columns.get(state.get("breakdownByAccessor", ""))
    tiles = []
    for row in table.rows[: state.get("maxCols") or len(table.rows)]:
        detail, trend = (state.get("subtitle", ""), 0) if secondary is None else _detail(panel, secondary, row)
        tiles.append(
            Tile(
                label=formats.text(row[group.id], group.format, group.kind) if group else main.label,
                text=formats.text(row[main.id], main.format, main.kind),
                detail=detail,
                color=state.get("color", SERIES[1]),
                trend=trend,
            )
        )
    return Tiles(tuple(tiles), table_view(table))


def _detail(panel: LensPanel, secondary: TableColumn, row: Mapping[str, Value]) -> tuple[str, int]:
    """Return the text of the second number, and its direction if it is a change."""
    state: Mapping[str, Any] = panel.state
    value, is_change = row[secondary.id], _is_change(panel, state["layerId"], secondary.id)
    text = (formats.signed if is_change else formats.text)(value, secondary.format, secondary.kind)
    trend = (value > 0) - (value < 0) if is_change and isinstance(value, (int, float)) else 0
    return f"{state.get('secondaryPrefix', secondary.label)} {text}".strip(), trend


def _is_change(panel: LensPanel, layer: str, column: str) -> bool:
    """Return whether a formula compares with earlier documents."""
    columns = panel.layers[layer].columns.items()
    return any(name.startswith(f"{column}X") and operand.shift for name, operand in columns)
