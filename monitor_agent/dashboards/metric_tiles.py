"""Lens' metrics as tiles: one number, or one for each group (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.data_tables import table_view
from monitor_agent.dashboards.palette import WEAK
from monitor_agent.dashboards.panel_views import NOT_MEASURED, PanelBody, Tile, Tiles, left_out_note, sample_text
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.sample_sizes import Sample
from monitor_agent.kibana.tables import TableColumn, Value

NO_EARLIER = "no data"
"""Stands in the place of a change where nothing was measured before."""


def metric(panel: LensPanel, data: PanelData, colors: Mapping[str, str]) -> PanelBody:
    """Return the tiles of a Lens metric: a tile for each group."""
    state = panel.state
    table = data.tables[state["layerId"]]
    columns = {column.id: column for column in table.columns}
    main, secondary = columns[state["metricAccessor"]], columns.get(state.get("secondaryMetricAccessor", ""))
    group = columns.get(state.get("breakdownByAccessor", ""))
    tiles = []
    for number, row in enumerate(table.rows):
        detail, trend = (state.get("subtitle", ""), 0) if secondary is None else _detail(panel, secondary, row)
        label = formats.text(row[group.id], group.format, group.kind) if group else main.label
        sample = None if main.counted or main.kind == "date" or group is None else table.sample(number)
        measured = row[main.id] is not None and not _counts_nothing(main, table.sample(number))
        tiles.append(
            Tile(
                label=label,
                text=formats.text(row[main.id], main.format, main.kind) if measured else NOT_MEASURED,
                detail=detail if measured else "",
                color=colors.get(label, WEAK) if group else WEAK,
                trend=trend if measured else 0,
                sample=sample_text(sample) if sample else "",
                at=_moment(row[main.id]) if main.kind == "date" else None,
                weak=not measured or (sample is not None and sample.weak),
            )
        )
    return Tiles(tuple(tiles), table_view(table), left_out_note([table.left_out]))


def _counts_nothing(main: TableColumn, sample: Sample | None) -> bool:
    """Return whether a count of 0 is no result, because the windows hold nothing that could be counted."""
    return main.counted and sample is not None and sample.windows is not None and sample.n == 0


def _moment(value: Value) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _detail(panel: LensPanel, secondary: TableColumn, row: Mapping[str, Value]) -> tuple[str, int]:
    """Return the text of the second number, and its direction if it is a change."""
    state: Mapping[str, Any] = panel.state
    value, is_change = row[secondary.id], _is_change(panel, state["layerId"], secondary.id)
    text = (formats.signed if is_change else formats.text)(value, secondary.format, secondary.kind)
    if is_change and value is None:
        text = NO_EARLIER
    trend = (value > 0) - (value < 0) if is_change and isinstance(value, (int, float)) else 0
    return f"{state.get('secondaryPrefix', secondary.label)} {text}".strip(), trend


def _is_change(panel: LensPanel, layer: str, column: str) -> bool:
    """Return whether a formula compares with earlier documents."""
    columns = panel.layers[layer].columns.items()
    return any(name.startswith(f"{column}X") and operand.shift for name, operand in columns)
