"""Heat maps: literal rows in, the cells that Vega-Lite draws out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from monitor_agent.dashboards.heatmaps import heatmap
from monitor_agent.dashboards.panel_views import Chart, Shown
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.tables import Table, TableColumn, Value
from monitor_agent.kibana.times import TimeRange

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
COLUMNS = (
    TableColumn("time", "Time", "date", True, None),
    TableColumn("feature", "Feature", "string", True, None),
    TableColumn("psi", "PSI", "number", False, {"id": "number", "params": {"decimals": 3}}),
)


def places(hours: list[int]) -> list[tuple[str, str, str]]:
    """Return place, feature and text of the cells of one feature at these hours."""
    rows: tuple[dict[str, Value], ...] = tuple(
        {"time": int((START + timedelta(hours=at)).timestamp() * 1000), "feature": "price", "psi": 0.1} for at in hours
    )
    state = {"layerId": "data", "xAccessor": "time", "yAccessor": "feature", "valueAccessor": "psi"}
    shown = Shown(TimeRange(START, START + timedelta(days=7)), {"data": Table(COLUMNS, rows)})
    body = heatmap(LensPanel("lens:x", "X", "", "lnsHeatmap", state, {}, (), "", ()), shown)
    assert isinstance(body, Chart)
    return [(cell["x"], cell["y"], cell["t"]) for cell in body.spec["data"]["values"]]


def test_days_are_told_by_their_date() -> None:
    """Columns that all begin at midnight need no time of day, which would not fit below them."""
    assert places([0, 24]) == [("2 Mar", "price", "0.100"), ("3 Mar", "price", "0.100")]


def test_parts_of_a_day_are_told_by_date_and_time() -> None:
    """One column that begins at another time gives all of them their time."""
    assert [place for place, _, _ in places([0, 3])] == ["2026-03-02 00:00", "2026-03-02 03:00"]
