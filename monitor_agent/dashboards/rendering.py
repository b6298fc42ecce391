"""The view of a panel's data: one renderer for each Lens visualization, and one for saved searches (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.charts import chart
from monitor_agent.dashboards.data_tables import data_table, table_view
from monitor_agent.dashboards.gauges import gauge
from monitor_agent.dashboards.heatmaps import heatmap
from monitor_agent.dashboards.metric_tiles import metric
from monitor_agent.dashboards.panel_views import NO_DATA, Notice, PanelBody, Renderer
from monitor_agent.dashboards.pies import pie
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import DOCUMENTS, LensPanelQuery, PanelData, PanelQuery
from monitor_agent.kibana.tables import Table

RENDERERS: Mapping[str, Renderer] = {
    "lnsXY": chart,
    "lnsMetric": metric,
    "lnsDatatable": data_table,
    "lnsHeatmap": heatmap,
    "lnsPie": pie,
    "lnsGauge": gauge,
}
"""Lens visualization -> its renderer."""


def render(query: PanelQuery, data: PanelData, colors: Mapping[str, str]) -> PanelBody:
    """Return the view of a panel's data.

    Parameters
    ----------
    colors : series name -> colour, the same for all panels of a dashboard.

    Raises
    ------
    UnsupportedPanelError
        If the panel uses a feature of its visualization that is not drawn.
    """
    if isinstance(query, LensPanelQuery):
        return render_lens(query.panel, data, colors)
    if data.empty:
        return Notice(NO_DATA, "empty")
    table = data.tables[DOCUMENTS]
    return table_view(table, fields=document_fields(table))


def document_fields(table: Table) -> dict[str, str]:
    """Return column -> field of a table of documents, for the columns that a control may filter."""
    return {column.id: column.id for column in table.columns if column.kind == "string"}


def render_lens(panel: LensPanel, data: PanelData, colors: Mapping[str, str]) -> PanelBody:
    """Return the view of a Lens panel's data.

    Raises
    ------
    UnsupportedPanelError
        If the panel uses a feature of its visualization that is not drawn.
    """
    return Notice(NO_DATA, "empty") if data.empty else RENDERERS[panel.visualization](panel, data, colors)


def split_values(panel: LensPanel, data: PanelData) -> list[str]:
    """Return the names of the panel's series or tiles that stand for values of a field."""
    names = []
    for layer in panel.state.get("layers") or [panel.state]:
        named = [layer.get("splitAccessor"), layer.get("breakdownByAccessor"), *(layer.get("primaryGroups") or ())]
        accessors = [name for name in named if name]
        for column in data.tables[layer["layerId"]].columns if any(accessors) else ():
            if column.id in accessors:
                rows = data.tables[layer["layerId"]].rows
                names += [formats.text(row[column.id], column.format, column.kind) for row in rows]
    return names
