"""All settings: one typed tree, loaded from an optional TOML file and the environment.

Each setting has a type, a default, an environment variable and a meaning. Durations are written as `90s`, `30m`,
`1h30m`, `7d` or `2w`. The environment overrides the file, and the file overrides the default.
"""

from __future__ import annotations

from monitor_agent.settings.loading import as_text, environment_of, load
from monitor_agent.settings.sections import (
    AgentSettings,
    DashboardsSettings,
    ElasticsearchSettings,
    KibanaSettings,
    PipelineSettings,
    ServerSettings,
    SettingInfo,
    Settings,
    StackSettings,
    info_of,
)

__all__ = [
    "AgentSettings",
    "DashboardsSettings",
    "ElasticsearchSettings",
    "KibanaSettings",
    "PipelineSettings",
    "ServerSettings",
    "SettingInfo",
    "Settings",
    "StackSettings",
    "as_text",
    "environment_of",
    "info_of",
    "load",
]
