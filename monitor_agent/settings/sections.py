"""The settings: one dataclass per section; a field has its type, default, environment variable, help and unit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta

from monitor_agent.durations import format_duration
from monitor_agent.errors import SettingsError
from monitor_agent.product_files import PIPELINE
from monitor_agent.settings.connection_settings import ElasticsearchSettings, KibanaSettings
from monitor_agent.settings.http_settings import HttpSettings
from monitor_agent.settings.model_settings import ModelSettings
from monitor_agent.settings.notify_settings import NotifySettings
from monitor_agent.settings.server_settings import ServerSettings, origin_of
from monitor_agent.settings.setting_info import setting

SHORTEST_TOKEN = 16
MAKE_TOKEN = "make one, such as by `openssl rand -hex 32`"
MAX_PAGE_SIZE = 10_000
"""Elasticsearch returns no more documents in one answer (`index.max_result_window`)."""


_PUBLIC_ADDRESS = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")


@dataclass(frozen=True)
class AgentSettings(ModelSettings):
    """What an agent's process does, and the settings of models as the environment and the file state them."""

    period: timedelta = setting(timedelta(minutes=1), "MONITOR_PERIOD", "time between two cycles")
    clock_skew: timedelta = setting(timedelta(minutes=5), "MONITOR_CLOCK_SKEW", "how far a writer's clock may be ahead")
    retention: bool = setting(True, "MONITOR_RETENTION", "delete expired indices if the cluster has no ILM")
    retention_events: timedelta = setting(
        timedelta(days=30),
        "MONITOR_RETENTION_EVENTS",
        "age at which events, dead letters and documents of cycles are deleted",
    )
    retention_metrics: timedelta = setting(
        timedelta(days=400), "MONITOR_RETENTION_METRICS", "age at which metrics are deleted"
    )
    alerts: str = setting("", "MONITOR_ALERTS", "file of alerts; empty = the file that comes with the product")
    page_size: int = setting(
        1000, "MONITOR_PAGE_SIZE", "documents in one request; for feedback five times as many, at most 10,000"
    )
    health_host: str = setting("127.0.0.1", "MONITOR_HEALTH_HOST", "address that the health server listens on")
    health_port: int | None = setting(
        8600,
        "MONITOR_HEALTH_PORT",
        "port of `/healthz`, `/livez` and `/metrics`; 0 = any free port, empty = no health server",
    )
    lease: timedelta = setting(
        timedelta(seconds=30), "MONITOR_LEASE", "an agent that has not renewed its lease for this time counts as dead"
    )

    def __post_init__(self) -> None:
        """Refuse pages and lengths of time that are none; for the rest see `ModelSettings`."""
        super().__post_init__()
        if not 1 <= self.page_size <= MAX_PAGE_SIZE:
            raise SettingsError(
                f"MONITOR_PAGE_SIZE={self.page_size} is no page", f"give a number from 1 to {MAX_PAGE_SIZE}"
            )
        for variable, length in (("MONITOR_PERIOD", self.period), ("MONITOR_LEASE", self.lease)):
            if length <= timedelta():
                raise SettingsError(f"{variable}={format_duration(length)} is no length of time", "give more than 0s")


def with_model(agent: AgentSettings, model: ModelSettings) -> AgentSettings:
    """Return the settings of a process with those of a model in them."""
    return replace(agent, **{entry.name: getattr(model, entry.name) for entry in fields(ModelSettings)})


@dataclass(frozen=True)
class HealthSettings(HttpSettings, prefix="MONITOR_HEALTH"):
    """The health server of the agent; `agent.health_host` and `agent.health_port` say where it listens."""

    token: str = setting(
        "",
        "MONITOR_HEALTH_TOKEN",
        "token that `/healthz` and `/metrics` want (`Authorization: Bearer ...`), and `/livez` does not; "
        "16 characters or more, empty = none",
        secret=True,
    )

    def __post_init__(self) -> None:
        """Refuse a short token."""
        super().__post_init__()
        if self.token and len(self.token) < SHORTEST_TOKEN:
            raise SettingsError(f"MONITOR_HEALTH_TOKEN has less than {SHORTEST_TOKEN} characters", MAKE_TOKEN)


@dataclass(frozen=True)
class SecuritySettings:
    """What holds for all servers."""

    require_auth: bool = setting(
        False,
        "REQUIRE_AUTH",
        "a server that other machines reach refuses to start without a login, API keys or a token",
    )


@dataclass(frozen=True)
class PipelineSettings:
    """The embedded pipeline runner; `logstash/pipeline/*.conf` reads the same environment."""

    config: str = setting(
        "",
        "PIPELINE_CONFIG",
        "folder or file of the pipeline configuration; empty = the folder that comes with the product "
        "(`monitor-agent pipeline files` copies it)",
    )
    data_dir: str = setting(
        "var/pipeline", "PIPELINE_DATA_DIR", "positions, statistics, dead letters and parked documents"
    )
    username: str = setting("", "PIPELINE_USERNAME", "user that writes events")
    password: str = setting("", "PIPELINE_PASSWORD", "password of that user", secret=True)
    api_key: str = setting("", "PIPELINE_API_KEY", "API key (encoded), instead of that user and password", secret=True)
    batch_size: int = setting(1000, "PIPELINE_BATCH_SIZE", "highest number of events in one batch")
    batch_delay: timedelta = setting(
        timedelta(milliseconds=50), "PIPELINE_BATCH_DELAY", "events that come within this time share a batch"
    )
    workers: int = setting(2, "PIPELINE_WORKERS", "batches that are sent at the same time")
    park_after: timedelta = setting(
        timedelta(seconds=5),
        "PIPELINE_PARK_AFTER",
        "after an index has taken no documents for this time (blocked, closed), its documents are parked on disk",
    )
    parked_max: int = setting(
        1024 * 1024 * 1024,
        "PIPELINE_PARKED_MAX",
        "largest size of all parked documents; beyond it, all lines wait for the index; 0 = no documents are parked",
        unit="bytes",
    )
    remove_after: timedelta = setting(
        timedelta(),
        "PIPELINE_REMOVE_AFTER",
        "a delivered event file is deleted if the system says that no process writes it and it has not grown for this "
        "time; 0s = never",
    )
    http: str = setting(
        "off", "PIPELINE_HTTP", "accept feedback from a shop's front end by HTTP", choices=("off", "on")
    )
    http_host: str = setting("127.0.0.1", "PIPELINE_HTTP_HOST", "address for the front end")
    http_port: int = setting(8501, "PIPELINE_HTTP_PORT", "port for the front end")
    http_username: str = setting("", "PIPELINE_HTTP_USERNAME", "user of the front end")
    http_password: str = setting("", "PIPELINE_HTTP_PASSWORD", "password of that user", secret=True)

    def __post_init__(self) -> None:
        """Name the configuration if the setting does not."""
        object.__setattr__(self, "config", self.config or str(PIPELINE))


@dataclass(frozen=True)
class StackSettings:
    """The stack on one machine."""

    provider: str = setting(
        "embedded", "STACK_PROVIDER", "source of Elasticsearch", choices=("embedded", "compose", "external")
    )
    data_dir: str = setting("var/stack", "STACK_DATA_DIR", "data, logs and generated passwords of the embedded stack")
    cache_dir: str = setting(
        "", "STACK_CACHE_DIR", "folder of the unpacked server archive; empty = the user's cache folder"
    )
    version: str = setting(
        "", "ELASTIC_VERSION", "version of the Elastic Stack; empty = the newest version that the installed Java runs"
    )
    http_port: int = setting(9200, "STACK_HTTP_PORT", "port of the embedded Elasticsearch; 0 = any free port")
    proxy: bool = setting(
        True, "STACK_PROXY", "a small proxy answers `GET /` on this port, which the embedded Elasticsearch cannot do"
    )
    heap: str = setting("512m", "STACK_HEAP", "heap of the embedded Elasticsearch")
    short_lived: bool = setting(
        False,
        "STACK_SHORT_LIVED",
        "the embedded Elasticsearch runs for minutes only: its Java compiles little, which saves more than it costs",
    )
    agent_password: str = setting(
        "", "STACK_AGENT_PASSWORD", "password that `stack users` gives the user `monitor_agent`", secret=True
    )
    setup_password: str = setting(
        "",
        "STACK_SETUP_PASSWORD",
        "password that `stack users` gives the user `monitor_setup`; with `STACK_PROVIDER=external`, `up` uses it",
        secret=True,
    )
    deadletter_reader_password: str = setting(
        "", "STACK_DEADLETTER_READER_PASSWORD", "password that `stack users` gives `deadletter_reader`", secret=True
    )
    analyst_password: str = setting(
        "", "STACK_ANALYST_PASSWORD", "password that `stack users` gives the user `analyst`", secret=True
    )
    kibana_password: str = setting(
        "", "STACK_KIBANA_PASSWORD", "password that `stack users` gives Kibana's own user", secret=True
    )


@dataclass(frozen=True)
class DashboardsSettings(HttpSettings, prefix="DASHBOARDS"):
    """The viewer of the dashboards, which needs no Kibana."""

    host: str = setting("127.0.0.1", "DASHBOARDS_HOST", "address to listen on")
    port: int = setting(8601, "DASHBOARDS_PORT", "port to listen on; 0 = any free port")
    auth: str = setting(
        "none",
        "DASHBOARDS_AUTH",
        "who sees the dashboards: `none`: everybody who reaches the viewer; `elasticsearch`: users of Elasticsearch, "
        "with their own rights; `token`: who knows DASHBOARDS_TOKEN",
        choices=("none", "elasticsearch", "token"),
    )
    token: str = setting("", "DASHBOARDS_TOKEN", "the token, 16 characters or more", secret=True)
    kibana: str = setting(
        "",
        "DASHBOARDS_KIBANA",
        "address of a Kibana for browsers: panels get links to their documents in its Discover; empty = no links",
    )
    alert_actions: bool = setting(
        False,
        "DASHBOARDS_ALERT_ACTIONS",
        "whether users with the role `alert_operator` may silence and acknowledge alerts on the pages; needs "
        "DASHBOARDS_AUTH=elasticsearch",
    )

    def __post_init__(self) -> None:
        """Refuse a token that is missing, short or not used, and an address of Kibana that is none."""
        super().__post_init__()
        if self.kibana and not _PUBLIC_ADDRESS.fullmatch(self.kibana):
            raise SettingsError(
                f"DASHBOARDS_KIBANA is no address: {self.kibana.rpartition('@')[2]}",
                "write such as https://kibana.example.org or https://kibana.example.org/s/SPACE, without a user",
            )
        if self.auth == "token" and len(self.token) < SHORTEST_TOKEN:
            raise SettingsError(
                f"DASHBOARDS_AUTH=token needs DASHBOARDS_TOKEN, of {SHORTEST_TOKEN} characters or more",
                MAKE_TOKEN,
            )
        if self.alert_actions and self.auth != "elasticsearch":
            raise SettingsError(
                f"DASHBOARDS_ALERT_ACTIONS is on, and DASHBOARDS_AUTH={self.auth} does not say who a visitor is",
                "set DASHBOARDS_AUTH=elasticsearch",
            )
        if self.token and self.auth != "token":
            raise SettingsError(
                f"DASHBOARDS_TOKEN is set, and DASHBOARDS_AUTH={self.auth} does not use it", "set DASHBOARDS_AUTH=token"
            )


@dataclass(frozen=True)
class ReceiveSettings(HttpSettings, prefix="PIPELINE_RECEIVE"):
    """The receiver of the events of other systems; its tables `[receive.NAME]` are in `docs/receive.md`."""

    host: str = setting("127.0.0.1", "PIPELINE_RECEIVE_HOST", "address to listen on")
    port: int | None = setting(
        None,
        "PIPELINE_RECEIVE_PORT",
        "port to listen on; 0 = any free port; empty = `monitor-agent receive` listens on 8502, and `up` starts no "
        "receiver",
    )
    token: str = setting(
        "",
        "PIPELINE_RECEIVE_TOKEN",
        "token that all but `/healthz` want, as `Authorization: Bearer ...` or as the password of a URL; "
        "16 characters or more, empty = none",
        secret=True,
    )
    allowed_origins: tuple[str, ...] = setting(
        (),
        "PIPELINE_RECEIVE_ALLOWED_ORIGINS",
        "origins of web pages that may send events, such as `https://shop.example.org`; `*` = all; empty = none",
    )
    max_body_bytes: int = setting(
        4 * 1024 * 1024, "PIPELINE_RECEIVE_MAX_BODY_BYTES", "largest request body", unit="bytes"
    )
    max_instances: int = setting(
        4096, "PIPELINE_RECEIVE_MAX_INSTANCES", "highest number of instances in one event, and of events in one request"
    )
    max_waiting_bytes: int = setting(
        64 * 1024 * 1024,
        "PIPELINE_RECEIVE_MAX_WAITING_BYTES",
        "largest size of all requests that are remembered for their responses; beyond it, the oldest are dropped",
        unit="bytes",
    )
    wait: timedelta = setting(
        timedelta(minutes=1), "PIPELINE_RECEIVE_WAIT", "how long a request is remembered for its response"
    )
    overtaking: timedelta = setting(
        timedelta(milliseconds=500),
        "PIPELINE_RECEIVE_OVERTAKING",
        "how long a response that comes before its request waits for it, if the service logs requests",
    )

    def __post_init__(self) -> None:
        """Refuse a short token, origins that no browser sends, and limits that let nothing in."""
        super().__post_init__()
        if self.token and len(self.token) < SHORTEST_TOKEN:
            raise SettingsError(f"PIPELINE_RECEIVE_TOKEN has less than {SHORTEST_TOKEN} characters", MAKE_TOKEN)
        origins = tuple(origin_of(text, "PIPELINE_RECEIVE_ALLOWED_ORIGINS") for text in self.allowed_origins)
        object.__setattr__(self, "allowed_origins", origins)
        for variable, number in (
            ("PIPELINE_RECEIVE_MAX_BODY_BYTES", self.max_body_bytes),
            ("PIPELINE_RECEIVE_MAX_INSTANCES", self.max_instances),
        ):
            if number < 1:
                raise SettingsError(f"{variable}={number} lets nothing in", "give 1 or more")


@dataclass(frozen=True)
class Settings:
    """All settings; each section is a table of the same name in the TOML file."""

    elasticsearch: ElasticsearchSettings = field(default_factory=ElasticsearchSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    stack: StackSettings = field(default_factory=StackSettings)
    kibana: KibanaSettings = field(default_factory=KibanaSettings)
    dashboards: DashboardsSettings = field(default_factory=DashboardsSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    receive: ReceiveSettings = field(default_factory=ReceiveSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
