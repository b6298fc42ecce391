"""XY charts: literal rows in, the numbers that Vega-Lite draws out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from monitor_agent.dashboards.charts import chart
from monitor_agent.dashboards.panel_views import Body, Chart, Notice, Shown
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.tables import Annotation, Table, TableColumn
from monitor_agent.kibana.times import TimeRange

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
HOUR = 3_600_000
AT = int(START.timestamp() * 1000)
PERCENT = {"id": "percent", "params": {"decimals": 0}}


def drawn(rows: list[dict[str, Any]], layer: dict[str, Any], marks: tuple[Annotation, ...] = (), **state: Any) -> Body:
    """Return the chart of rows with a time, a version and the values a and b."""
    columns = (
        TableColumn("time", "Time", "date", True, None),
        TableColumn("version", "Version", "string", True, None),
        TableColumn("a", "First", "number", False, PERCENT),
        TableColumn("b", "Second", "number", False, PERCENT),
    )
    whole = {"layerId": "data", "layerType": "data", "seriesType": "line", "xAccessor": "time", "accessors": ["a"]}
    panel = LensPanel("lens:x", "X", "", "lnsXY", {"layers": [whole | layer], **state}, {}, (), "", ())
    full = tuple({"time": None, "version": None, "a": None, "b": None, **row} for row in rows)
    time = TimeRange(START, START + timedelta(hours=4))
    return chart(
        panel, Shown(time, {"data": Table(columns, full)}, {"data": HOUR}, annotations=marks, colors={"2": "#000"})
    )


def values(body: Body, layer: int = 0) -> list[dict[str, Any]]:
    """Return what a layer draws."""
    assert isinstance(body, Chart)
    found: list[dict[str, Any]] = body.spec["layer"][layer]["data"]["values"]
    return found


def test_a_line_is_scaled_to_the_unit_of_its_axis() -> None:
    """Shares are drawn as percent; each point keeps the text that people read; the unknown is left out."""
    body = drawn([{"time": AT, "a": 0.25}, {"time": AT + HOUR, "a": None}], {})

    assert values(body) == [{"x": AT, "y": 25.0, "s": "First", "t": "25 %"}]
    assert isinstance(body, Chart)
    assert body.summary == "latest: First 25 %"


def test_bars_stand_on_each_other_within_their_interval() -> None:
    """Piled bars of one moment share its time, and begin where the one below ends."""
    rows = [{"time": AT, "version": "1", "a": 0.2}, {"time": AT, "version": "2", "a": 0.3}]
    one, other = values(drawn(rows, {"seriesType": "bar_stacked", "splitAccessor": "version"}))

    assert (one["y2"], one["y"]) == (0.0, 20.0)
    assert (other["y2"], other["y"]) == (20.0, 50.0)
    assert AT < one["x"] == other["x"] < one["x2"] < AT + HOUR


def test_shares_of_a_whole_reach_to_one() -> None:
    """Percentage bars divide each moment's sum."""
    rows = [{"time": AT, "version": "1", "a": 1}, {"time": AT, "version": "2", "a": 3}]
    one, other = values(drawn(rows, {"seriesType": "bar_percentage_stacked", "splitAccessor": "version"}))

    assert (one["y"], other["y2"], other["y"]) == (0.25, 0.25, 1.0)


def test_a_value_that_series_stand_for_has_its_own_colour() -> None:
    """A version has the same colour on every chart; several values of it are told apart by their line."""
    rows = [{"time": AT, "version": "2", "a": 0.1, "b": 0.2}]
    body = drawn(rows, {"splitAccessor": "version", "accessors": ["a", "b"]})

    assert isinstance(body, Chart)
    assert [(entry.name, entry.color, entry.dashed) for entry in body.legend] == [
        ("2 · First", "#000", False),
        ("2 · Second", "#000", True),
    ]


def test_groups_keep_their_order_and_lie_sideways_where_asked() -> None:
    """A chart over groups has their names on its axis, in the order of the rows."""
    rows = [{"version": "9", "a": 0.1}, {"version": "10", "a": 0.2}]
    body = drawn(rows, {"seriesType": "bar_horizontal", "xAccessor": "version"})

    assert isinstance(body, Chart)
    assert body.spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["9", "10"]
    assert body.time is False


def test_only_as_many_marks_are_labelled_as_can_be_read() -> None:
    """Releases that follow each other at once share one label; every one keeps its line."""
    marks = (Annotation(AT, "v1"), Annotation(AT + 60_000, "v2"), Annotation(AT + 2 * HOUR, "v3"))
    body = drawn([{"time": AT, "a": 0.25}], {}, marks)

    assert [each["l"] for each in values(body, -1)] == ["v1", "", "v3"]
    assert [each["t"] for each in values(body, -1)] == ["v1", "v2", "v3"]


def test_without_a_value_there_is_no_chart() -> None:
    """Rows without any value say that there are no data."""
    body = drawn([{"time": AT, "a": None}], {})

    assert isinstance(body, Notice)
    assert body.tone == "empty"


@pytest.mark.parametrize(
    "layer", [{"seriesType": "stars"}, {"yConfig": [{"forAccessor": "a", "axisMode": "right"}]}], ids=["type", "axis"]
)
def test_what_is_not_drawn_is_said(layer: dict[str, Any]) -> None:
    """Unknown series and a second axis are refused, not drawn wrongly."""
    with pytest.raises(UnsupportedPanelError):
        drawn([{"time": AT, "a": 1}], layer)


def test_a_line_along_an_edge_is_drawn_whole() -> None:
    """Only what leaves the picture is cut off: a value beyond fixed ends, or a moment before the time shown."""

    def clipped(rows: list[dict[str, Any]], **state: Any) -> bool:
        body = drawn(rows, {}, **state)
        assert isinstance(body, Chart)
        return bool(body.spec["layer"][0]["mark"]["clip"])

    whole = {"mode": "custom", "lowerBound": 0, "upperBound": 1}
    assert not clipped([{"time": AT, "a": 1.0}], yLeftExtent=whole)
    assert clipped([{"time": AT, "a": 1.2}], yLeftExtent=whole)
    assert clipped([{"time": AT - HOUR, "a": 0.5}])


def test_what_adds_nothing_to_a_pile_is_not_drawn() -> None:
    """A series of zeros is no outline of the one below it; it stays in the legend."""
    rows = [{"time": AT + at * HOUR, "a": 0.2, "b": 0.0} for at in range(2)]
    body = drawn(rows, {"seriesType": "area_stacked", "accessors": ["a", "b"]})

    assert {each["s"] for each in values(body)} == {"First"}
    assert isinstance(body, Chart)
    assert [entry.name for entry in body.legend] == ["First", "Second"]


def test_a_series_without_values_is_not_drawn() -> None:
    """Where last week is not known yet, its line is missing, and nothing else."""
    body = drawn(
        [{"time": AT, "a": 0.2, "b": None}],
        {"accessors": ["a", "b"], "yConfig": [{"forAccessor": "b", "lineStyle": "dashed", "lineWidth": 1}]},
    )

    assert [each["s"] for each in values(body)] == ["First"]
    assert isinstance(body, Chart)
    assert all(layer["data"]["values"] for layer in body.spec["layer"])
