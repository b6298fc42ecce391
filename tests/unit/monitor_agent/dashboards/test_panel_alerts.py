"""Which charts an alert stands on: the saved objects and the alerts that come with the product."""

from __future__ import annotations

from typing import Any

import pytest

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.dashboards.library import read_library
from monitor_agent.dashboards.panel_alerts import strip_of_panel
from monitor_agent.dashboards.time_strip import ALERT, OUTAGE, AlertSpan, Span, TimeStrip
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.tables import Table
from monitor_agent.product_files import KIBANA
from tests.unit.monitor_agent.kibana.samples import DAY

LIBRARY = read_library(KIBANA)
ANSWERED_FALL = "answered_fall"
"""The measure of an alert on quality whose chart is on the dashboard *Serving*."""
WITHOUT_PANEL = {"channels_failing"}
"""Measures that no chart shows."""


def panels_of(dashboard: str) -> dict[str, LensPanel]:
    """Return the panels of a dashboard with a chart over time."""
    sources = {
        panel.id: LIBRARY.definition(panel).source
        for panel in LIBRARY.dashboards[dashboard].panels
        if panel.kind == "lens"
    }
    return {
        name: source
        for name, source in sources.items()
        if isinstance(source, LensPanel)
        and any(column.operation == "date_histogram" for layer in source.layers.values() for column in layer.buckets)
    }


def marked(board: str, *series: str, **alert: Any) -> list[str]:
    """Return the charts of a dashboard that an alert stands on; each chart has these series."""
    strip = TimeStrip((AlertSpan(ALERT, 0, 1, "alert", **alert),))
    names = []
    for name, source in panels_of(board).items():
        tables = {
            layer.id: Table((), tuple({column.id: text for column in layer.buckets} for text in series))
            for layer in source.layers.values()
        }
        if strip_of_panel(strip, board, source, PanelData(DAY, tables)).spans:
            names.append(name)
    return names


def test_an_alert_stands_on_the_charts_of_its_metric() -> None:
    """A fall of the CTR is on the charts of the CTR, on every dashboard, and not on that of the recall."""
    fall = {"measure": "rate_fall", "model": "search", "version": "2", "dashboard": "model-quality"}

    assert marked("model-quality", "search/1", "search/2", **fall) == [
        *("quality-ctr-over-time", "quality-positive-rate-over-time", "quality-calibration")
    ]
    assert marked("versions-compared", "search/2", **fall) == ["versions-ctr", "versions-positive-rate"]
    assert marked("serving", "search/2", **fall) == []
    assert marked("serving", "search/2", measure="error_rate_low", model="search") == ["serving-error-rate-over-time"]


def test_a_chart_without_the_model_or_the_version_has_no_strip() -> None:
    """An alert on another version, or on another model with the same version, is none of a chart."""
    alert = {"measure": "f1_high", "model": "search", "version": "2"}

    assert marked("versions-compared", "search/1", "ads/2", "search/20", **alert) == []
    assert marked("versions-compared", "search/2", **alert) == ["versions-f1"]
    assert marked("versions-compared", "search/1", measure="auc_fall", model="search") == ["versions-auc"]
    assert marked("drift", "search/2/1h/price", measure="drift_share", model="search", version="2") == [
        *("drift-psi-over-time", "drift-map")
    ]


@pytest.mark.parametrize("alert", [alert for alert in load_alerts() if alert.values], ids=lambda alert: alert.id)
def test_each_measure_has_a_chart(alert: Any) -> None:
    """When an alert was active is on a chart of its metric, mostly on its own dashboard."""
    for measure in set(alert.values) - WITHOUT_PANEL:
        boards = [board for board in LIBRARY.dashboards if marked(board, "search/2", measure=measure)]
        assert boards if measure == ANSWERED_FALL else alert.dashboard in boards, measure


def test_an_alert_without_a_value_stands_on_its_dashboard() -> None:
    """It compares nothing that a chart could show; what disturbs the numbers is on all charts."""
    refused = {"model": "search", "version": "3", "dashboard": "serving"}
    name, source = next(iter(panels_of("drift").items()))

    assert "serving-error-rate-over-time" in marked("serving", "search/3", **refused)
    assert marked("drift", "search/3", **refused) == []
    outage = TimeStrip((Span(OUTAGE, 0, 1, OUTAGE),))
    assert strip_of_panel(outage, name, source, PanelData(DAY, {})) == outage
