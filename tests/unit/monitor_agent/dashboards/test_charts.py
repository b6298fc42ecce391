"""XY charts: from literal rows to the numbers that Vega-Lite draws."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import vl_convert

from monitor_agent.dashboards.palette import WEAK
from monitor_agent.dashboards.panel_views import Chart, Notice, PanelBody
from monitor_agent.dashboards.rendering import render_lens
from monitor_agent.dashboards.strip_layers import with_strip
from monitor_agent.dashboards.time_strip import ALERT, OUTAGE, Span, TimeStrip
from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.sample_sizes import Sample
from monitor_agent.kibana.tables import Annotation, Table, TableColumn
from monitor_agent.kibana.times import TimeRange

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
HOUR = 3_600_000
AT = int(START.timestamp() * 1000)
PERCENT = {"id": "percent", "params": {"decimals": 0}}


def xy_chart(
    rows: list[dict[str, Any]],
    layer: dict[str, Any],
    annotations: tuple[Annotation, ...] = (),
    samples: tuple[Sample, ...] = (),
    **state: Any,
) -> PanelBody:
    """Return the chart of rows with a time, a version and the values a and b."""
    columns = (
        TableColumn("time", "Time", "date", True, None),
        TableColumn("version", "Version", "string", True, None),
        TableColumn("bin", "Bin", "number", True, None),
        TableColumn("a", "First", "number", False, PERCENT),
        TableColumn("b", "Second", "number", False, PERCENT),
        TableColumn("low", "Lower", "number", False, PERCENT),
        TableColumn("high", "Upper", "number", False, PERCENT),
    )
    stored = {"layerId": "data", "layerType": "data", "seriesType": "line", "xAccessor": "time", "accessors": ["a"]}
    panel = LensPanel("lens:x", "X", "", "lnsXY", {"layers": [stored | layer], **state}, {}, (), "", ())
    full = tuple({**dict.fromkeys(("time", "version", "bin", "a", "b", "low", "high")), **row} for row in rows)
    time = TimeRange(START, START + timedelta(hours=4))
    data = PanelData(time, {"data": Table(columns, full, samples)}, {"data": HOUR}, annotations=annotations)
    return render_lens(panel, data, {"2": "#000"})


def values(body: PanelBody, layer: int = 0) -> list[dict[str, Any]]:
    """Return the values of a layer of the specification."""
    assert isinstance(body, Chart)
    layer_values: list[dict[str, Any]] = body.spec["layer"][layer]["data"]["values"]
    return layer_values


def test_a_line_is_scaled_to_the_unit_of_its_axis() -> None:
    """Shares are drawn as percent; each point has its text; a point without a value is told, and ends the line."""
    body = xy_chart([{"time": AT, "a": 0.25}, {"time": AT + HOUR, "a": None}], {})

    assert values(body) == [
        {"x": AT, "y": 25.0, "s": "First", "t": "25 %"},
        {"x": AT + HOUR, "y": None, "s": "First", "t": "not measured"},
    ]
    assert isinstance(body, Chart)
    assert body.summary == "latest: First 25 %"


def test_bars_stand_on_each_other_within_their_interval() -> None:
    """Stacked bars of one moment share its time, and each begins at the end of the bar below."""
    rows = [{"time": AT, "version": "1", "a": 0.2}, {"time": AT, "version": "2", "a": 0.3}]
    lower, upper = values(xy_chart(rows, {"seriesType": "bar_stacked", "splitAccessor": "version"}))

    assert (lower["y2"], lower["y"]) == (0.0, 20.0)
    assert (upper["y2"], upper["y"]) == (20.0, 50.0)
    assert AT < lower["x"] == upper["x"] < lower["x2"] < AT + HOUR


def test_shares_of_a_whole_reach_to_one() -> None:
    """Percentage bars divide each moment's sum."""
    rows = [{"time": AT, "version": "1", "a": 1}, {"time": AT, "version": "2", "a": 3}]
    lower, upper = values(xy_chart(rows, {"seriesType": "bar_percentage_stacked", "splitAccessor": "version"}))

    assert (lower["y"], upper["y2"], upper["y"]) == (0.25, 0.25, 1.0)


def test_a_series_has_the_colour_of_its_value() -> None:
    """A version has the same colour on all charts; its second value has a dashed line."""
    rows = [{"time": AT, "version": "2", "a": 0.1, "b": 0.2}]
    body = xy_chart(rows, {"splitAccessor": "version", "accessors": ["a", "b"]})

    assert isinstance(body, Chart)
    assert [(entry.name, entry.color, entry.dashed) for entry in body.legend] == [
        ("2 · First", "#000", False),
        ("2 · Second", "#000", True),
    ]


def test_a_horizontal_chart_keeps_the_order_of_its_groups() -> None:
    """The names of the groups are on the y axis, in the order of the rows."""
    rows = [{"version": "9", "a": 0.1}, {"version": "10", "a": 0.2}]
    body = xy_chart(rows, {"seriesType": "bar_horizontal", "xAccessor": "version"})

    assert isinstance(body, Chart)
    assert body.spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["9", "10"]
    assert body.time is False


def test_an_event_close_to_the_last_label_has_none() -> None:
    """Labels would overlap; each release keeps its line and its tooltip. A wide chart has room for more labels."""
    releases = (Annotation(AT, "v1"), Annotation(AT + 60_000, "v2"), Annotation(AT + 2 * HOUR, "v3"))
    body = xy_chart([{"time": AT, "a": 0.25}], {}, releases)
    assert isinstance(body, Chart)
    labels = {
        width: re.findall(r">(v\d)<", vl_convert.vegalite_to_svg({**body.spec, "width": width, "height": 100}))
        for width in (1000, 40_000)
    }

    assert [value["t"] for value in values(body, -1)] == ["v1", "v2", "v3"]
    assert labels == {1000: ["v1", "v3"], 40_000: ["v1", "v2", "v3"]}


def test_bars_of_whole_numbers_stand_in_their_groups() -> None:
    """The axis names a group as its bar does: a browser writes -19.0 as -19."""
    rows = [{"bin": -19.0, "a": 0.25}, {"bin": 3.0, "a": 0.5}]
    body = xy_chart(rows, {"seriesType": "bar", "xAccessor": "bin"})

    assert isinstance(body, Chart)
    assert body.spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == ["-19", "3"]
    assert [value["x"] for value in values(body)] == ["-19", "3"]


def test_without_a_value_there_is_no_chart() -> None:
    """Rows without any value give a notice."""
    body = xy_chart([{"time": AT, "a": None}], {})

    assert isinstance(body, Notice)
    assert body.tone == "empty"


@pytest.mark.parametrize(
    "layer", [{"seriesType": "stars"}, {"yConfig": [{"forAccessor": "a", "axisMode": "right"}]}], ids=["type", "axis"]
)
def test_an_unsupported_series_is_refused(layer: dict[str, Any]) -> None:
    """Unknown series and a second y axis are refused instead of drawn wrongly."""
    with pytest.raises(UnsupportedPanelError):
        xy_chart([{"time": AT, "a": 1}], layer)


def test_a_line_along_an_edge_is_drawn_whole() -> None:
    """A line is clipped only if it leaves the chart: a value beyond fixed ends, or a moment before the time range."""

    def clipped(rows: list[dict[str, Any]], **state: Any) -> bool:
        body = xy_chart(rows, {}, **state)
        assert isinstance(body, Chart)
        return bool(body.spec["layer"][0]["mark"]["clip"])

    bounds = {"mode": "custom", "lowerBound": 0, "upperBound": 1}
    assert not clipped([{"time": AT, "a": 1.0}], yLeftExtent=bounds)
    assert clipped([{"time": AT, "a": 1.2}], yLeftExtent=bounds)
    assert clipped([{"time": AT - HOUR, "a": 0.5}])


def test_a_stacked_area_is_made_of_steps() -> None:
    """Nothing is drawn where a bar is missing; a series of zeros has no height, and stays in the legend."""
    rows = [{"time": AT + at * HOUR, "a": 0.2, "b": 0.0} for at in (0, 3)]
    body = xy_chart(rows, {"seriesType": "area_stacked", "accessors": ["a", "b"]})

    spans = {(value["x"] - AT, value["x2"] - AT) for value in values(body)}
    assert spans == {(0, HOUR), (3 * HOUR, 4 * HOUR)}
    assert all(value["y"] == value["y2"] for value in values(body) if value["s"] == "Second")
    assert isinstance(body, Chart)
    assert [entry.name for entry in body.legend] == ["First", "Second"]


def test_no_line_is_drawn_through_a_gap() -> None:
    """Between two points that lie further apart than a bar, the line ends; a point that stands alone is a dot."""
    rows = [{"time": AT + at * HOUR, "a": 0.2} for at in (0, 1, 4)]
    body = xy_chart(rows, {})

    assert [(value["x"] - AT) // HOUR for value in values(body) if value["y"] is None] == [2]
    assert {"First"} == {value["s"] for value in values(body, 1)}
    assert [(value["x"] - AT) // HOUR for value in values(body, 1)] == [0, 1, 4]


def test_a_line_of_days_is_joined_between_bars_of_an_hour() -> None:
    """The points of windows that are longer than the bars are neighbours; a day without a window is a gap."""
    rows = [{"time": AT + at * HOUR, "a": 0.2} for at in (0, 24, 48, 96, 120)]
    body = xy_chart(rows, {})

    assert [(value["x"] - AT) // HOUR for value in values(body) if value["y"] is None] == [72]


def test_a_point_tells_its_interval_and_its_events_and_is_grey_if_they_are_few() -> None:
    """The interval is a whisker instead of two lines; the tooltip says all, and few events are grey."""
    rows = [{"time": AT, "a": 0.2, "low": 0.1, "high": 0.4}, {"time": AT + HOUR, "a": 0.3, "low": 0.2, "high": 0.5}]
    body = xy_chart(rows, {"accessors": ["a", "low", "high"]}, samples=(Sample(12), Sample(500, 1, alertable=True)))

    assert [value["t"] for value in values(body)] == ["20 % (10 % to 40 %) n = 12 (few)", "30 % (20 % to 50 %) n = 500"]
    assert [(value["y"], value["y2"], value["c"] == WEAK) for value in values(body, 1)] == [
        (10.0, 40.0, True),
        (20.0, 50.0, False),
    ]
    assert isinstance(body, Chart)
    assert [column.label for column in body.table.columns] == ["Time (UTC)", "First", "First, Lower", "First, Upper"]


def test_a_series_without_values_is_not_drawn() -> None:
    """If last week has no values, only its line is missing."""
    body = xy_chart(
        [{"time": AT, "a": 0.2, "b": None}],
        {"accessors": ["a", "b"], "yConfig": [{"forAccessor": "b", "lineStyle": "dashed", "lineWidth": 1}]},
    )

    assert [value["s"] for value in values(body)] == ["First"]
    assert isinstance(body, Chart)
    assert all(layer["data"]["values"] for layer in body.spec["layer"])


def test_the_strip_is_on_the_chart_in_its_tooltips_its_legend_and_its_text() -> None:
    """Who sees no colours reads it, and a span that begins before the range ends at its edge."""
    body = xy_chart([{"time": AT + at * HOUR, "a": 0.25} for at in (0, 3)], {})
    assert isinstance(body, Chart)
    time = TimeRange(START, START + timedelta(hours=4))

    chart = with_strip(body, TimeStrip((Span(OUTAGE, AT - HOUR, AT + HOUR, OUTAGE),)), time)

    spans = next(layer["data"]["values"] for layer in chart.spec["layer"] if layer["mark"].get("opacity") == 0.85)
    assert [(span["x"], span["x2"]) for span in spans] == [(AT, AT + HOUR)]
    hover = next(layer["data"]["values"] for layer in chart.spec["layer"] if layer.get("name") == "hover")
    assert [band["w"] for band in hover] == [
        "2026-03-02 00:00 UTC: no events",
        "2026-03-02 01:00 UTC",
        "2026-03-02 03:00 UTC",
    ]
    assert [entry.name for entry in chart.legend if entry.strip] == ["no events"]
    assert "no events from 2026-03-02 00:00 to 2026-03-02 01:00 UTC" in chart.summary
    assert with_strip(body, TimeStrip(), time) == body


def test_alerts_have_a_strip_of_their_own() -> None:
    """An alert hides neither an outage nor a value: it lies below the axis."""
    body = xy_chart([{"time": AT + at * HOUR, "a": 0.25} for at in (0, 3)], {})
    assert isinstance(body, Chart)
    spans = (Span(OUTAGE, AT, AT + HOUR, OUTAGE), Span(ALERT, AT, AT + HOUR, "alert: CTR fell (search)"))

    chart = with_strip(body, TimeStrip(spans), TimeRange(START, START + timedelta(hours=4)))

    rows = [layer["encoding"] for layer in chart.spec["layer"] if layer["mark"].get("opacity") == 0.85]
    assert (rows[0]["y"]["value"], rows[1]["y"]["value"]) == (0, {"expr": "height"})
    assert [entry.name for entry in chart.legend if entry.strip] == ["no events", "alert active"]
    assert "alert: CTR fell (search) from 2026-03-02 00:00" in chart.summary
