"""Pies and gauges: literal rows in, what Vega-Lite draws out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from monitor_agent.dashboards.assets import VEGA_LITE, charts_library
from monitor_agent.dashboards.gauges import gauge
from monitor_agent.dashboards.panel_views import Body, Chart, Notice, Shown
from monitor_agent.dashboards.pies import pie
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.tables import Table, TableColumn
from monitor_agent.kibana.times import TimeRange

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
PERCENT = {"id": "percent", "params": {"decimals": 0}}
COUNT = {"id": "number", "params": {"decimals": 0}}
VERSION = TableColumn("version", "Version", "string", True, None)


def shown(columns: tuple[TableColumn, ...], rows: list[dict[str, Any]]) -> Shown:
    """Return rows of one layer."""
    time = TimeRange(START, START + timedelta(hours=4))
    return Shown(time, {"data": Table(columns, tuple(rows))}, colors={"2": "#000000"})


def slices(rows: list[dict[str, Any]], shape: str = "pie", **layer: Any) -> Body:
    """Return the pie of rows with a version and a count."""
    whole = {"layerId": "data", "layerType": "data", "primaryGroups": ["version"], "metrics": ["n"]}
    state = {"shape": shape, "layers": [whole | layer]}
    columns = (VERSION, TableColumn("n", "Predictions", "number", False, COUNT))
    return pie(LensPanel("lens:x", "X", "", "lnsPie", state, {}, (), "", ()), shown(columns, rows))


def measured(row: dict[str, Any], **state: Any) -> Body:
    """Return the gauge of a row of values, all of them shares."""
    columns = tuple(TableColumn(name, name.title(), "number", False, PERCENT) for name in row)
    whole = {"shape": "arc", "layerId": "data", "layerType": "data", "metricAccessor": "share", **state}
    return gauge(LensPanel("lens:x", "X", "", "lnsGauge", whole, {}, (), "", ()), shown(columns, [row]))


def drawn(body: Body) -> str:
    """Return the picture that the chart library makes of a chart, as text."""
    assert isinstance(body, Chart)
    sized = body.spec | {"width": 300, "height": 120}
    return str(charts_library().vegalite_to_svg(sized, vl_version=VEGA_LITE))


def test_a_pie_tells_each_share_of_the_whole() -> None:
    """A slice has its value's own colour and its percentage; thin ones have no text, empty ones are left out."""
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
    assert ">72.0 %<" in drawn(body)


def test_a_donut_tells_values_where_it_is_told_to() -> None:
    """`numberDisplay` chooses between value and share; a hidden legend is hidden."""
    body = slices([{"version": "1", "n": 1234}], "donut", numberDisplay="value", legendDisplay="hide")

    assert isinstance(body, Chart)
    assert body.spec["data"]["values"][0]["l"] == "1,234"
    assert body.legend == ()
    assert ">1,234<" in drawn(body)


def test_what_is_no_pie_is_told() -> None:
    """Nothing to share is no data; other shapes and rings are not supported."""
    assert slices([{"version": "1", "n": None}]) == Notice("No data in this time range", "empty")
    with pytest.raises(UnsupportedPanelError, match="the shape treemap"):
        slices([], "treemap")
    with pytest.raises(UnsupportedPanelError, match="several values or rings"):
        slices([], secondaryGroups=["version"])


def test_a_gauge_fills_its_range_up_to_the_value() -> None:
    """The ends are those of its columns, in the unit of the axis; the goal has a mark; the text says the value."""
    row = {"share": 0.25, "least": 0.0, "most": 0.5, "aim": 0.4}
    body = measured(row, minAccessor="least", maxAccessor="most", goalAccessor="aim")

    assert isinstance(body, Chart)
    assert body.spec["data"]["values"] == [{"low": 0.0, "high": 50.0, "value": 25.0, "t": "25 %"}]
    assert body.spec["layer"][-1]["data"]["values"] == [{"goal": 40.0}]
    assert body.summary == "Share 25 %, goal 40 %"
    assert ">25 %<" in drawn(body)


def test_a_gauge_without_ends_reaches_beyond_its_value() -> None:
    """It begins at 0 and has room above its value; without a value there is no data."""
    body = measured({"share": 0.4})

    assert isinstance(body, Chart)
    assert body.spec["data"]["values"][0]["low"] == 0.0
    assert body.spec["data"]["values"][0]["high"] == pytest.approx(50.0)
    assert measured({"share": None}) == Notice("No data in this time range", "empty")
