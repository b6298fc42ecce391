"""All settings: one typed tree, loaded from an optional TOML file and the environment.

Each setting has a type, a default, an environment variable and a meaning. Durations are written as `90s`, `30m`,
`1h30m`, `7d` or `2w`. The environment overrides the file, and the file overrides the default.

Settings that contradict each other are refused when a command starts: one line names them with their values, and says
what to change. The model server is stopped only by contradictions among its own settings. `monitor-agent check` lists
all contradictions. An unknown key of the file is refused. An unknown name in the environment that begins with
`MONITOR_`, `MODEL_`, `PIPELINE_` or `STACK_` causes a warning, because it may be misspelt. The warning names the
setting that is meant, if one is near.

What decides the numbers of a model is in the cluster: `setup` writes the table `default` from these settings once, and
`monitor-agent models apply FILE` changes the tables of a file, `[models.default]` and `[models."NAME"]`. Their keys are
those of `[agent]` that decide a number. An exact name comes before a pattern of shell wildcards such as
`[models."fraud-*"]`, a longer pattern before a shorter one, and a key that is not set comes from `default`.

Kubernetes sets variables for each service, such as `MODEL_SERVER_PORT=tcp://10.0.0.1:8500` for a service called
`model-server`. Such a value is not used: the setting keeps the value of the file or its default, and a warning says so.
`enableServiceLinks: false` in the pod avoids it.
"""

from __future__ import annotations

from monitor_agent.settings.agreement import (
    needed_retention,
    require_agreement,
    require_valid,
    settings_for,
    with_segments,
)
from monitor_agent.settings.connection_settings import ElasticsearchSettings, KibanaSettings
from monitor_agent.settings.contradictions import Contradiction, contradictions_of, contradictions_of_agent, refuse
from monitor_agent.settings.conversion import as_text, require_port
from monitor_agent.settings.http_settings import HttpSettings
from monitor_agent.settings.loading import (
    environment_of,
    load,
    process_environment_of,
    read,
    read_import_tables,
    read_mapped_fields,
    read_mappings,
    read_notify_tables,
    read_tables,
    stated_for_models,
)
from monitor_agent.settings.model_settings import ModelSettings
from monitor_agent.settings.names import NameWarning, name_warnings, without_kubernetes
from monitor_agent.settings.notify_settings import NotifySettings, NotifyTables, RouteTable
from monitor_agent.settings.secret_values import (
    environment_without_secrets,
    secret_values,
    secret_variables,
    secrets_of_address,
)
from monitor_agent.settings.sections import (
    AgentSettings,
    DashboardsSettings,
    HealthSettings,
    PipelineSettings,
    ReceiveSettings,
    SecuritySettings,
    Settings,
    StackSettings,
    with_model,
)
from monitor_agent.settings.server_settings import ServerSettings
from monitor_agent.settings.setting_info import SettingInfo, info_of
from monitor_agent.settings.source_mapping import SourceMapping, SourceMappings, mapping_of

__all__ = [
    "AgentSettings",
    "Contradiction",
    "DashboardsSettings",
    "ElasticsearchSettings",
    "HealthSettings",
    "HttpSettings",
    "KibanaSettings",
    "ModelSettings",
    "NameWarning",
    "NotifySettings",
    "NotifyTables",
    "PipelineSettings",
    "ReceiveSettings",
    "RouteTable",
    "SecuritySettings",
    "ServerSettings",
    "SettingInfo",
    "Settings",
    "SourceMapping",
    "SourceMappings",
    "StackSettings",
    "as_text",
    "contradictions_of",
    "contradictions_of_agent",
    "environment_of",
    "environment_without_secrets",
    "info_of",
    "load",
    "mapping_of",
    "name_warnings",
    "needed_retention",
    "process_environment_of",
    "read",
    "read_import_tables",
    "read_mapped_fields",
    "read_mappings",
    "read_notify_tables",
    "read_tables",
    "refuse",
    "require_agreement",
    "require_port",
    "require_valid",
    "secret_values",
    "secret_variables",
    "secrets_of_address",
    "settings_for",
    "stated_for_models",
    "with_model",
    "with_segments",
    "without_kubernetes",
]
