"""The settings that a demo writes for later commands."""

from __future__ import annotations

from pathlib import Path

from monitor_agent.demo.applied_settings import agent_toml
from monitor_agent.demo.demonstration import demo_settings
from monitor_agent.demo.folder import DemoFolder
from monitor_agent.settings import Settings, load


def test_later_commands_get_the_settings_of_the_demos_agent(tmp_path: Path) -> None:
    """`--config` with the written file gives exactly the settings of the demo's agent."""
    settings = demo_settings(Settings(), DemoFolder(tmp_path)).agent
    path = tmp_path / "monitor.toml"
    path.write_text(agent_toml(settings))

    assert load({}, path).agent == settings != Settings().agent
