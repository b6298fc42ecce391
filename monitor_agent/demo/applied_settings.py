"""The settings of a demo's models: a file that goes into the cluster as by `monitor-agent models apply`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from monitor_agent.clock import SystemClock
from monitor_agent.demo.result_files import write_file
from monitor_agent.durations import format_duration
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.es.model_settings_store import ModelSettingsStore
from monitor_agent.settings import AgentSettings, ModelSettings, Settings, read_tables, require_valid
from monitor_agent.settings.model_tables import changes_between, merged


def set_up(gateway: Gateway, settings: Settings, path: Path) -> None:
    """Put the product's templates and default settings, then apply the settings of the demo's models.

    Parameters
    ----------
    gateway : as the user of the set-up.
    path : file for the settings of the agent and of the models, for `--config` and `models apply`.
    """
    defaults: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(ModelSettings)}
    install(gateway, dataclasses.replace(settings.agent, **defaults), server=settings.server)
    write_file(path, agent_toml(settings.agent))
    store, now = ModelSettingsStore(gateway), SystemClock().now()
    stored = store.require()
    tables = merged(stored.history.tables, read_tables(path))
    require_valid(tables, settings.agent)
    if any(changes_between(stored.history.tables, tables)):
        store.change(stored, stored.history.with_change(tables, now), now)


def agent_toml(settings: AgentSettings) -> str:
    """Return the settings that are not the default ones as a file for `--config` and `models apply`."""
    of_models = {field.name for field in dataclasses.fields(ModelSettings)}
    tables: dict[str, list[str]] = {"agent": [], "models.default": []}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value != field.default:
            # JSON's texts, booleans and lists of them are TOML too.
            line = f"{field.name} = {json.dumps(value, default=format_duration)}"
            tables["models.default" if field.name in of_models else "agent"].append(line)
    comment = "# The settings of the demo's agent: another run over the same days with these settings changes nothing."
    return "\n".join([comment, *(line for name, lines in tables.items() for line in (f"[{name}]", *lines))])
