"""The settings: one dataclass per section; a field has its type, default, environment variable, help and unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from monitor_agent.durations import format_duration
from monitor_agent.errors import SettingsError
from monitor_agent.product_files import PIPELINE
from monitor_agent.settings.connection_settings import ElasticsearchSettings, KibanaSettings
from monitor_agent.settings.http_settings import HttpSettings
from monitor_agent.settings.server_settings import ServerSettings
from monitor_agent.settings.setting_info import setting

DEFAULT_LARGER_WINDOWS = (timedelta(hours=1), timedelta(days=1))
SHORTEST_TOKEN = 16
MAKE_TOKEN = "make one, such as by `openssl rand -hex 32`"
MAX_PAGE_SIZE = 10_000
"""Elasticsearch returns no more documents in one answer (`index.max_result_window`)."""


@dataclass(frozen=True)
class AgentSettings:
    """What the agent computes, and when."""

    period: timedelta = setting(timedelta(minutes=1), "MONITOR_PERIOD", "time between two cycles")
    attribution_window: timedelta = setting(
        timedelta(minutes=30),
        "MONITOR_ATTRIBUTION_WINDOW",
        "a positive counts if it comes within this time after its prediction",
    )
    ingest_grace: timedelta = setting(
        timedelta(minutes=2), "MONITOR_INGEST_GRACE", "further wait for the pipeline before a window is final"
    )
    base_window: timedelta = setting(
        timedelta(minutes=1), "MONITOR_BASE_WINDOW", "smallest window, counted from events"
    )
    larger_windows: tuple[timedelta, ...] = setting(
        DEFAULT_LARGER_WINDOWS,
        "MONITOR_LARGER_WINDOWS",
        "windows that are merged from smaller windows; of the default ones, those that do not fit the base window are "
        "left out",
    )
    curve_windows: tuple[timedelta, ...] = setting(
        DEFAULT_LARGER_WINDOWS,
        "MONITOR_CURVE_WINDOWS",
        "windows that get curves (reliability, thresholds, distributions) after their end; of the default ones, those "
        "that are not computed are left out",
    )
    drift_samples: int = setting(
        1000, "MONITOR_DRIFT_SAMPLES", "smallest number of values for a verdict on drift: with fewer it may be chance"
    )
    time_zone: str = setting("UTC", "MONITOR_TIME_ZONE", "time zone in which windows of a day begin")
    feedback_type: str = setting(
        "click",
        "MONITOR_FEEDBACK_TYPE",
        "feedback that makes a prediction positive",
        choices=("click", "purchase", "label"),
    )
    impressions: str = setting(
        "implied",
        "MONITOR_IMPRESSIONS",
        "`implied`: all predictions were shown; `explicit`: an impression event says which were shown",
        choices=("implied", "explicit"),
    )
    absent_feedback: str = setting(
        "negative",
        "MONITOR_ABSENT_FEEDBACK",
        "label of a shown prediction without feedback after the attribution window",
        choices=("negative", "unknown"),
    )
    segments: tuple[str, ...] = setting(
        ("scene",),
        "MONITOR_SEGMENTS",
        "labels by which metrics are split; after a change run `monitor-agent setup`",
    )
    segment_values: int = setting(
        20, "MONITOR_SEGMENT_VALUES", "highest number of values of a label; further values become `other`"
    )
    restatement_limit: timedelta = setting(
        timedelta(days=7), "MONITOR_RESTATEMENT_LIMIT", "a window that has been final for longer is not restated"
    )
    orphan_horizon: timedelta = setting(
        timedelta(hours=24), "MONITOR_ORPHAN_HORIZON", "how long feedback waits for its prediction"
    )
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
    gate_positives: int = setting(30, "MONITOR_GATE_POSITIVES", "positives that a window needs for alerts")
    gate_coverage: float = setting(
        0.9, "MONITOR_GATE_COVERAGE", "coverage that a window needs for alerts", unit="share"
    )
    gate_maturity: float = setting(
        0.95, "MONITOR_GATE_MATURITY", "maturity that a window needs for alerts", unit="share"
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
        """Leave out default windows that do not fit; refuse others, shares that are none, and unknown time zones."""
        zero = timedelta()
        if self.base_window <= zero or timedelta(days=1) % self.base_window:
            raise SettingsError(
                f"MONITOR_BASE_WINDOW={format_duration(self.base_window)} does not divide a day", "use 1m, 5m, 1h, ..."
            )
        if self.larger_windows == DEFAULT_LARGER_WINDOWS:
            object.__setattr__(self, "larger_windows", _multiples(self.base_window, self.larger_windows))
        previous, variable = self.base_window, "MONITOR_BASE_WINDOW"
        for size in self.larger_windows:
            if size <= previous or size % previous:
                raise SettingsError(
                    f"MONITOR_LARGER_WINDOWS: {format_duration(size)} is no multiple of "
                    f"{format_duration(previous)} ({variable})",
                    "write them in rising order, each a multiple of the window before",
                )
            previous, variable = size, "MONITOR_LARGER_WINDOWS"
        if self.curve_windows == DEFAULT_LARGER_WINDOWS:
            computed = (self.base_window, *self.larger_windows)
            fitting = tuple(size for size in self.curve_windows if size in computed)
            object.__setattr__(self, "curve_windows", fitting)
        for variable, share in (
            ("MONITOR_GATE_COVERAGE", self.gate_coverage),
            ("MONITOR_GATE_MATURITY", self.gate_maturity),
        ):
            if not 0 <= share <= 1:
                raise SettingsError(f"{variable}={share} is no share", "give a number from 0 to 1")
        if not 1 <= self.page_size <= MAX_PAGE_SIZE:
            raise SettingsError(
                f"MONITOR_PAGE_SIZE={self.page_size} is no page", f"give a number from 1 to {MAX_PAGE_SIZE}"
            )
        for variable, length in (("MONITOR_PERIOD", self.period), ("MONITOR_LEASE", self.lease)):
            if length <= zero:
                raise SettingsError(f"{variable}={format_duration(length)} is no length of time", "give more than 0s")
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise SettingsError(
                f"MONITOR_TIME_ZONE={self.time_zone} is unknown", "use a name such as Europe/Berlin"
            ) from error


def _multiples(base: timedelta, sizes: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    """Return the sizes that are larger than a base window and multiples of it."""
    return tuple(size for size in sizes if size > base and size % base == timedelta())


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

    def __post_init__(self) -> None:
        """Refuse a token that is missing, short or not used."""
        super().__post_init__()
        if self.auth == "token" and len(self.token) < SHORTEST_TOKEN:
            raise SettingsError(
                f"DASHBOARDS_AUTH=token needs DASHBOARDS_TOKEN, of {SHORTEST_TOKEN} characters or more",
                MAKE_TOKEN,
            )
        if self.token and self.auth != "token":
            raise SettingsError(
                f"DASHBOARDS_TOKEN is set, and DASHBOARDS_AUTH={self.auth} does not use it", "set DASHBOARDS_AUTH=token"
            )


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
