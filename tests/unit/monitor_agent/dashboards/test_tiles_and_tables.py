"""Metrics and data tables: from literal rows to tiles and to the texts of cells."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from monitor_agent.dashboards.data_tables import table_view
from monitor_agent.dashboards.panel_views import Notice, PanelBody, TableView, Tiles, sample_text
from monitor_agent.dashboards.rendering import RENDERERS, render_lens
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import VISUALIZATIONS, Column, Layer, LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.sample_sizes import Sample
from monitor_agent.kibana.tables import Table, TableColumn
from monitor_agent.kibana.times import TimeRange

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
PERCENT = {"id": "percent", "params": {"decimals": 0}}
COLUMNS = (
    TableColumn("version", "Version", "string", True, None),
    TableColumn("rate", "Rate", "number", False, PERCENT),
    TableColumn("change", "Change", "number", False, PERCENT),
)
ROWS = ({"version": "1", "rate": 0.5, "change": 0.1}, {"version": "2", "rate": 0.25, "change": -0.1})


def view(visualization: str, rows: tuple[dict[str, Any], ...], **state: Any) -> PanelBody:
    """Return the view of rows; `change` is a formula that compares with the day before."""
    columns = {
        "version": Column("version", "terms", "Version", "model_version", {}, "string"),
        "changeX0": Column("changeX0", "average", "", "rate", {}, "number", shift="1d"),
    }
    layers = {"data": Layer("data", "view", columns)}
    panel = LensPanel("lens:x", "X", "", visualization, {"layerId": "data", **state}, layers, (), "", ())
    time = TimeRange(START, START + timedelta(hours=4))
    main = {"data": "rate"} if visualization == "lnsMetric" else {}
    return render_lens(panel, PanelData(time, {"data": Table(COLUMNS, rows)}, main_columns=main), {})


def test_every_supported_visualization_has_a_renderer() -> None:
    """A panel that can be searched can also be drawn."""
    assert set(RENDERERS) == set(VISUALIZATIONS)


def test_a_metric_has_a_tile_for_each_group() -> None:
    """The second number of a tile has its prefix and its sign; its direction follows from the sign."""
    accessors = {"metricAccessor": "rate", "secondaryMetricAccessor": "change", "breakdownByAccessor": "version"}
    body = view("lnsMetric", ROWS, **accessors, secondaryPrefix="since yesterday")

    assert isinstance(body, Tiles)
    assert [(tile.label, tile.text, tile.detail, tile.trend) for tile in body.tiles] == [
        ("1", "50 %", "since yesterday +10 %", 1),
        ("2", "25 %", "since yesterday \N{MINUS SIGN}10 %", -1),
    ]


def test_a_metric_without_its_number_is_a_notice() -> None:
    """A second number alone explains nothing."""
    rows = ({"version": "1", "rate": None, "change": 0.1},)

    assert view("lnsMetric", rows, metricAccessor="rate") == Notice("No data in this time range", "empty")


def test_a_data_table_follows_its_stored_state() -> None:
    """Order, hidden columns, sorting and page size are those that Lens stores; a group knows its field."""
    columns = [{"columnId": "rate"}, {"columnId": "version"}, {"columnId": "change", "hidden": True}]
    sorting, paging = {"columnId": "rate", "direction": "desc"}, {"size": 5, "enabled": True}
    body = view("lnsDatatable", ROWS, columns=columns, sorting=sorting, paging=paging)

    assert isinstance(body, TableView)
    assert [(column.label, column.align, column.field) for column in body.columns] == [
        ("Rate", "right", ""),
        ("Version", "left", "model_version"),
    ]
    assert body.texts == (("50 %", "1"), ("25 %", "2"))
    assert (body.sort, body.page) == ((0, True), 5)


def test_a_table_with_columns_by_value_is_refused() -> None:
    """Such a table is not drawn."""
    with pytest.raises(UnsupportedPanelError, match="a table with columns by value"):
        view("lnsDatatable", ROWS, columns=[{"columnId": "version", "isTransposed": True}])


def test_a_row_is_grey_if_few_events_are_behind_it_or_alerts_may_not_use_them() -> None:
    """The number of verdicts, cycles or alerts in a row says nothing about how sure its values are."""
    samples = (Sample(29), Sample(30), Sample(500, 1, alertable=False), Sample(12, of_events=False))
    table = table_view(Table(COLUMNS, ROWS + ROWS, samples))

    assert table.weak == (0, 2)
    assert [sample_text(sample) for sample in samples[1:]] == ["n = 30", "n = 500 (not alertable)", ""]
