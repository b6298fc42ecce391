"""Heat maps: from literal rows to the cells that Vega-Lite draws."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from monitor_agent.dashboards.panel_views import Chart
from monitor_agent.dashboards.rendering import render_lens
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.tables import Table, TableColumn, Value
from monitor_agent.kibana.times import TimeRange

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
COLUMNS = (
    TableColumn("time", "Time", "date", True, None),
    TableColumn("feature", "Feature", "string", True, None),
    TableColumn("psi", "PSI", "number", False, {"id": "number", "params": {"decimals": 3}}),
)


def cells(hours: list[int]) -> list[tuple[str, str, str]]:
    """Return time, feature and text of the cells of one feature at these hours."""
    rows: tuple[dict[str, Value], ...] = tuple(
        {"time": int((START + timedelta(hours=at)).timestamp() * 1000), "feature": "price", "psi": 0.1} for at in hours
    )
    state = {"layerId": "data", "xAccessor": "time", "yAccessor": "feature", "valueAccessor": "psi"}
    data = PanelData(TimeRange(START, START + timedelta(days=7)), {"data": Table(COLUMNS, rows)})
    body = render_lens(LensPanel("lens:x", "X", "", "lnsHeatmap", state, {}, (), "", ()), data, {})
    assert isinstance(body, Chart)
    return [(cell["x"], cell["y"], cell["t"]) for cell in body.spec["data"]["values"]]


def test_columns_of_whole_days_are_labelled_with_the_date() -> None:
    """If all columns begin at midnight, their labels need no time of day, which would not fit."""
    assert cells([0, 24]) == [("2 Mar", "price", "0.100"), ("3 Mar", "price", "0.100")]


def test_columns_of_hours_are_labelled_with_date_and_time() -> None:
    """If one column begins at another time, all labels have a time of day."""
    assert [time for time, _, _ in cells([0, 3])] == ["2026-03-02 00:00", "2026-03-02 03:00"]
