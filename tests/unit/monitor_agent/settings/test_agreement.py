"""Settings of a process beside those of models in the cluster."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.settings import AgentSettings, needed_retention, require_agreement, require_valid, settings_for
from monitor_agent.settings.model_tables import plain

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TABLES = {"default": plain(AgentSettings(attribution_window=HOUR)), "fraud": {"attribution_window": "20d"}}


def test_what_is_stated_and_differs_is_named_with_the_way_out() -> None:
    """The line names the setting, its value, the value of the cluster, and what to do."""
    agent = AgentSettings(attribution_window=2 * HOUR)

    with pytest.raises(SettingsError) as caught:
        require_agreement(agent, {"attribution_window": "MONITOR_ATTRIBUTION_WINDOW"}, TABLES)

    assert str(caught.value) == (
        "MONITOR_ATTRIBUTION_WINDOW=2h differs from the cluster, where models.default has attribution_window=1h: "
        "remove MONITOR_ATTRIBUTION_WINDOW, or change the cluster by `monitor-agent models apply FILE`"
    )


def test_what_is_not_stated_has_no_opinion() -> None:
    """A variable that nobody has set, and one that agrees, stop nothing."""
    require_agreement(AgentSettings(attribution_window=2 * HOUR), {}, TABLES)
    require_agreement(
        AgentSettings(attribution_window=HOUR), {"attribution_window": "MONITOR_ATTRIBUTION_WINDOW"}, TABLES
    )


def test_the_model_that_waits_longest_decides_the_retention() -> None:
    """Retention is one for all models."""
    assert needed_retention(TABLES, AgentSettings()) == 20 * DAY + timedelta(minutes=2)
    require_valid(TABLES, AgentSettings())

    with pytest.raises(SettingsError) as caught:
        require_agreement(AgentSettings(retention_events=15 * DAY), {}, TABLES)

    assert str(caught.value).startswith('models."fraud": attribution_window=20d')


def test_a_reader_takes_the_settings_of_the_model_and_its_own_page_size() -> None:
    """Without settings in the cluster, those of the process count."""
    agent = AgentSettings(page_size=7)

    assert settings_for({}, agent, "fraud") == agent
    assert settings_for(TABLES, agent, "fraud").attribution_window == 20 * DAY
    assert (settings_for(TABLES, agent).attribution_window, settings_for(TABLES, agent).page_size) == (HOUR, 7)
