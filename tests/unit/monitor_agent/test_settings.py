"""Settings: one typed tree, from the environment and an optional file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor_agent import settings
from monitor_agent.cli import _reference_pages as reference
from monitor_agent.errors import SettingsError


def test_nothing_given_means_the_documented_defaults() -> None:
    """The defaults are those that the design fixes."""
    agent = settings.load({}).agent

    assert agent.attribution_window == timedelta(minutes=30)
    assert agent.ingest_grace == timedelta(minutes=2)
    assert (agent.base_window, agent.larger_windows) == (timedelta(minutes=1), (timedelta(hours=1), timedelta(days=1)))
    assert (agent.gate_positives, agent.gate_coverage, agent.gate_maturity) == (30, 0.9, 0.95)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A variable overrides the key of the file, which overrides the default."""
    path = tmp_path / "monitor.toml"
    path.write_text('[agent]\nperiod = "5m"\nsegments = ["scene", "slot"]\n[server]\nport = 1234\n')

    loaded = settings.load({"MONITOR_PERIOD": "10s"}, path)

    assert loaded.agent.period == timedelta(seconds=10)
    assert loaded.agent.segments == ("scene", "slot")
    assert loaded.server.port == 1234


@pytest.mark.parametrize(
    ("environ", "toml", "named"),
    [
        ({"MONITOR_PERIOD": "soon"}, "", "MONITOR_PERIOD"),
        ({"MODEL_SERVER_PORT": "http"}, "", "MODEL_SERVER_PORT"),
        ({"MONITOR_IMPRESSIONS": "maybe"}, "", "MONITOR_IMPRESSIONS"),
        ({"MONITOR_BASE_WINDOW": "7m"}, "", "MONITOR_BASE_WINDOW"),
        ({"MONITOR_LARGER_WINDOWS": "90s"}, "", "MONITOR_LARGER_WINDOWS"),
        ({"MONITOR_TIME_ZONE": "Mars/Base"}, "", "MONITOR_TIME_ZONE"),
        ({}, '[agent]\nperoid = "1m"\n', "peroid"),
        ({}, "[agents]\n", "[agents]"),
        ({}, "agent = 3\n", "agent"),
        ({}, "[agent\n", "monitor.toml"),
        ({}, '[server]\nport = "many"\n', "port"),
        ({}, "[server]\nallow_client_timestamps = 3\n", "allow_client_timestamps"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, environ: dict[str, str], toml: str, named: str) -> None:
    """An unknown or malformed setting is refused with its own name in the message."""
    path = tmp_path / "monitor.toml"
    path.write_text(toml)

    with pytest.raises(SettingsError) as caught:
        settings.load(environ, path)

    assert named in str(caught.value)


def test_a_section_survives_the_way_through_the_environment() -> None:
    """What is handed to a child process is what it reads again."""
    section = settings.load(
        {"MONITOR_SEGMENTS": "scene,slot", "MONITOR_PERIOD": "90s", "MONITOR_RETENTION": "no"}
    ).agent

    assert settings.load(settings.environment_of(section)).agent == section


def test_every_setting_has_its_own_variable_and_says_what_it_means() -> None:
    """No two settings share a variable; the page names each."""
    page = reference.settings_page()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    variables = [row.split("`")[3] for row in rows]

    assert len(set(variables)) == len(variables)
    assert len(rows) >= 60
