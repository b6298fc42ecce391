"""How far alerts look back, if windows, cycles or labels take longer than with the defaults."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitor_agent.alerting.look_back import fitted
from monitor_agent.settings import AgentSettings
from tests.unit.monitor_agent.alerting.sample_alerts import ALERTS

SLOS = tuple(f"slo-{name}-{kind}burn" for name in ("availability", "latency") for kind in ("", "slow-"))
VERDICTS = ("worse-version", "quality-drop", "ctr-drop", "drift", "data-quality", *SLOS)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("changes", "longer"),
    [
        ({}, {}),
        ({"base_window": 5 * MINUTE}, {"response-time": "50m", "error-rate": "50m"}),
        (
            {"base_window": HOUR},
            {"response-time": "10h", "error-rate": "10h", **dict.fromkeys([*VERDICTS, "worse-segment"], "3h")},
        ),
        (
            {"attribution_window": DAY},
            {"quality-below-threshold": "1650m"},
        ),
        ({"orphan_horizon": 2 * DAY}, {"orphan-rate": "54h"}),
        (
            {"period": 10 * MINUTE},
            {
                "no-data": "30m",
                "pipeline-lag": "50m",
                "lost-lines": "50m",
                "notifications-fail": "50m",
                **dict.fromkeys(VERDICTS, "30m"),
            },
        ),
        ({"period": timedelta(seconds=10), "attribution_window": MINUTE, "orphan_horizon": HOUR}, {}),
    ],
)
def test_alerts_look_back_as_far_as_the_settings_need(changes: dict[str, Any], longer: dict[str, str]) -> None:
    """The other alerts stay as they are; none looks back for less."""
    alerts = fitted(ALERTS.values(), AgentSettings(**changes))

    assert all(alert.where == ALERTS[alert.id].where and not alert.look_backs for alert in alerts)

    assert {alert.id: alert.look_back for alert in alerts if alert.look_back != ALERTS[alert.id].look_back} == longer


def test_windows_of_a_day_do_not_make_hours_count_for_longer() -> None:
    """An alert on windows of an hour judges the base windows of a model that cannot have hours."""
    alerts = {alert.id: alert for alert in fitted(ALERTS.values(), AgentSettings(), AgentSettings(base_window=DAY))}

    quality = alerts["quality-below-threshold"]
    assert "(window_size: 1h or (window_size: 1d and is_base_window: true)) and" in quality.where
    assert (quality.look_back_for("1h"), quality.look_back_for("1d") > 3 * DAY) == (4 * HOUR, True)
    assert alerts["orphan-rate"].look_back_for("1h") == 30 * HOUR
    assert alerts["error-rate"].look_back_for("1m") == 10 * MINUTE
    assert alerts["worse-version"].where == ALERTS["worse-version"].where
