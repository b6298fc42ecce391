"""Settings come from the environment and an optional file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor_agent import settings
from monitor_agent.cli import _reference_pages as reference
from monitor_agent.errors import SettingsError


def test_without_settings_the_documented_defaults_hold() -> None:
    """The defaults of the most important settings."""
    agent = settings.load({}).agent

    assert agent.attribution_window == timedelta(minutes=30)
    assert agent.ingest_grace == timedelta(minutes=2)
    assert (agent.base_window, agent.larger_windows) == (timedelta(minutes=1), (timedelta(hours=1), timedelta(days=1)))
    assert (agent.gate_positives, agent.gate_coverage, agent.gate_maturity) == (30, 0.9, 0.95)


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
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
        ({"MODEL_SERVER_PORT": "65536"}, "", "MODEL_SERVER_PORT=65536 is no port"),
        ({"DASHBOARDS_PORT": "99999"}, "", "DASHBOARDS_PORT=99999 is no port"),
        ({"MONITOR_HEALTH_PORT": "-1"}, "", "MONITOR_HEALTH_PORT=-1 is no port"),
        ({}, "[stack]\nhttp_port = 70000\n", "stack.http_port=70000 is no port"),
        ({"MONITOR_HEALTH_TOKEN": "short"}, "", "MONITOR_HEALTH_TOKEN"),
        ({"MONITOR_IMPRESSIONS": "maybe"}, "", "MONITOR_IMPRESSIONS"),
        ({"MONITOR_BASE_WINDOW": "7m"}, "", "MONITOR_BASE_WINDOW"),
        ({"MONITOR_LARGER_WINDOWS": "90s"}, "", "MONITOR_LARGER_WINDOWS"),
        ({"MONITOR_TIME_ZONE": "Mars/Base"}, "", "MONITOR_TIME_ZONE"),
        ({"MONITOR_PAGE_SIZE": "20000"}, "", "MONITOR_PAGE_SIZE"),
        ({"MONITOR_PERIOD": "0s"}, "", "MONITOR_PERIOD"),
        ({"MONITOR_LEASE": "0s"}, "", "MONITOR_LEASE"),
        ({}, '[agent]\nperoid = "1m"\n', "peroid"),
        ({}, "[agents]\n", "[agents]"),
        ({}, "agent = 3\n", "agent"),
        ({}, "[agent\n", "monitor.toml"),
        ({}, '[server]\nport = "many"\n', "port"),
        ({}, "[server]\nallow_client_timestamps = 3\n", "allow_client_timestamps"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, environ: dict[str, str], toml: str, named: str) -> None:
    """An unknown or malformed setting is refused; the message has its name."""
    path = tmp_path / "monitor.toml"
    path.write_text(toml)

    with pytest.raises(SettingsError) as caught:
        settings.load(environ, path)

    assert named in str(caught.value)


def test_a_section_is_the_same_after_the_environment() -> None:
    """A child process loads the same settings from the environment variables of a section."""
    section = settings.load(
        {"MONITOR_SEGMENTS": "scene,slot", "MONITOR_PERIOD": "90s", "MONITOR_RETENTION": "no"}
    ).agent

    assert settings.load(settings.environment_of(section)).agent == section


def test_settings_have_different_variables() -> None:
    """Two settings never share a variable; the page lists all of them."""
    page = reference.settings_page()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    variables = [row.split("`")[3] for row in rows]

    assert len(set(variables)) == len(variables)
    assert len(rows) >= 60
