"""The value of a firing over time as a PNG picture, for messages."""

from __future__ import annotations

from datetime import datetime

from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firing_history import value_history, values_search
from monitor_agent.alerting.firings import Firing
from monitor_agent.dashboards import alert_words as words
from monitor_agent.dashboards.assets import charts_library
from monitor_agent.dashboards.firing_chart import PICTURE_COLORS, FiringChart
from monitor_agent.es.gateway import Gateway

WIDTH, HEIGHT, SCALE = 760.0, 260.0, 1.5


def firing_picture(gateway: Gateway, alert: Alert, firing: Firing, now: datetime) -> bytes:
    """Return the picture of a firing as PNG; empty if its values are not there.

    Raises
    ------
    MissingPackageError
        If the chart library is not installed.
    ElasticsearchError
        If Elasticsearch does not answer.
    """
    if not firing.measure:
        return b""
    library = charts_library()
    history = value_history(alert, firing, gateway.search(*values_search(alert, firing, now)), now)
    if not any(point.value is not None for point in history.points):
        return b""
    unit = words.unit_of(alert, history.measure)
    chart = FiringChart(
        history,
        firing,
        lambda value: words.number(value, unit),
        firing.end or now,
        WIDTH,
        HEIGHT,
        PICTURE_COLORS,
    )
    title = f"{firing.title}: {words.subject(firing)} - {words.measure_title(history.measure)}"
    return bytes(library.svg_to_png(chart.picture(title), scale=SCALE))
