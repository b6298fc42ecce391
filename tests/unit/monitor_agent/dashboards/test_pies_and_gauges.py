"""Pies and gauges: from literal rows to the values that Vega-Lite draws."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from monitor_agent.dashboards.assets import VEGA_LITE, charts_library
from monitor_agent.dashboards.panel_views import Chart, Notice, PanelBody
from monitor_agent.dashboards.pies import pie
from monitor_agent.dashboards.rendering import render_lens
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.tables import Table, TableColumn
from monitor_agent.kibana.times import TimeRange

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
PERCENT = {"id": "percent", "params": {"decimals": 0}}
COUNT = {"id": "number", "params": {"decimals": 0}}
VERSION = TableColumn("version", "Version", "string", True, None)


COLORS = {"2": "#000000"}


def panel_data(columns: tuple[TableColumn, ...], rows: list[dict[str, Any]], **main: str) -> PanelData:
    """Return the data of a panel with one layer; `main` is layer -> the column that a panel of one number is about."""
    time = TimeRange(START, START + timedelta(hours=4))
    return PanelData(time, {"data": Table(columns, tuple(rows))}, main_columns=main)


def slices(rows: list[dict[str, Any]], shape: str = "pie", **layer: Any) -> PanelBody:
    """Return the pie of rows with a version and a count."""
    stored = {"layerId": "data", "layerType": "data", "primaryGroups": ["version"], "metrics": ["n"]}
    state = {"shape": shape, "layers": [stored | layer]}
    columns = (VERSION, TableColumn("n", "Predictions", "number", False, COUNT))
    return pie(LensPanel("lens:x", "X", "", "lnsPie", state, {}, (), "", ()), panel_data(columns, rows), COLORS)


def gauge(row: dict[str, Any], **state: Any) -> PanelBody:
    """Return the gauge of a row of values, all of them shares."""
    columns = tuple(TableColumn(name, name.title(), "number", False, PERCENT) for name in row)
    stored = {"shape": "arc", "layerId": "data", "layerType": "data", "metricAccessor": "share", **state}
    panel = LensPanel("lens:x", "X", "", "lnsGauge", stored, {}, (), "", ())
    return render_lens(panel, panel_data(columns, [row], data="share"), COLORS)


def svg(body: PanelBody) -> str:
    """Return the SVG image that the chart library makes of a chart."""
    assert isinstance(body, Chart)
    sized = body.spec | {"width": 300, "height": 120}
    return str(charts_library().vegalite_to_svg(sized, vl_version=VEGA_LITE))


def test_a_slice_is_labelled_with_its_share() -> None:
    """A slice has the colour of its value and its percentage; a thin slice has no label, an empty one is left out."""
    body = slices(
        [{"version": "1", "n": 72}, {"version": "2", "n": 25}, {"version": "3", "n": 3}, {"version": "4", "n": 0}]
    )

    assert isinstance(body, Chart)
    assert [(cell["s"], cell["y"], cell["l"]) for cell in body.spec["data"]["values"]] == [
        ("1", 72.0, "72.0 %"),
        ("2", 25.0, "25.0 %"),
        ("3", 3.0, ""),
    ]
    assert [entry.color for entry in body.legend][1] == "#000000"
    assert body.summary == "1: 72 (72.0 %); 2: 25 (25.0 %); 3: 3 (3.0 %)"
    assert ">72.0 %<" in svg(body)


def test_a_donut_can_be_labelled_with_values() -> None:
    """`numberDisplay` chooses between value and share; a hidden legend is hidden."""
    body = slices([{"version": "1", "n": 1234}], "donut", numberDisplay="value", legendDisplay="hide")

    assert isinstance(body, Chart)
    assert body.spec["data"]["values"][0]["l"] == "1,234"
    assert body.legend == ()
    assert ">1,234<" in svg(body)


def test_a_pie_without_data_or_with_rings_is_refused() -> None:
    """A pie without values is a notice; other shapes and rings are not supported."""
    assert slices([{"version": "1", "n": None}]) == Notice("No data in this time range", "empty")
    with pytest.raises(UnsupportedPanelError, match="the shape treemap"):
        slices([], "treemap")
    with pytest.raises(UnsupportedPanelError, match="several values or rings"):
        slices([], secondaryGroups=["version"])


def test_a_gauge_fills_its_range_up_to_the_value() -> None:
    """Its ends come from its columns, in the unit of the axis; the goal has a mark; the text is the value."""
    row = {"share": 0.25, "least": 0.0, "most": 0.5, "aim": 0.4}
    body = gauge(row, minAccessor="least", maxAccessor="most", goalAccessor="aim")

    assert isinstance(body, Chart)
    assert body.spec["data"]["values"] == [{"low": 0.0, "high": 50.0, "value": 25.0, "t": "25 %"}]
    assert body.spec["layer"][-1]["data"]["values"] == [{"goal": 40.0}]
    assert body.summary == "Share 25 %, goal 40 %"
    assert ">25 %<" in svg(body)


def test_a_gauge_without_ends_reaches_beyond_its_value() -> None:
    """It begins at 0 and ends above its value; without a value it is a notice, whatever its goal."""
    body = gauge({"share": 0.4})

    assert isinstance(body, Chart)
    assert body.spec["data"]["values"][0]["low"] == 0.0
    assert body.spec["data"]["values"][0]["high"] == pytest.approx(50.0)
    assert gauge({"share": None, "aim": 0.4}, goalAccessor="aim") == Notice("No data in this time range", "empty")
