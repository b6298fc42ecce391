"""Every setting of every part: one typed tree, read from an optional TOML file and the environment.

Each field says what it means, its unit and its environment variable; `docs/settings.md` is made from here.
Durations are written as `90s`, `30m`, `2h`, `7d`. The environment wins over the file, the file over the default.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from monitor_agent.durations import format_duration
from monitor_agent.errors import SettingsError
from monitor_agent.settings_parsing import convert

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def setting(
    default: Any, env: str, help_: str, *, unit: str = "", choices: tuple[str, ...] = (), secret: bool = False
) -> Any:
    """Return a dataclass field that knows its environment variable, its meaning and its unit."""
    metadata = {"env": env, "help": help_, "unit": unit, "choices": choices, "secret": secret}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class ElasticsearchSettings:
    """How Elasticsearch is reached, by the agent and every command."""

    url: tuple[str, ...] = setting(
        ("http://127.0.0.1:9200",), "ELASTICSEARCH_URL", "one address or several, comma separated"
    )
    username: str = setting("", "ELASTICSEARCH_USERNAME", "user of basic authentication")
    password: str = setting("", "ELASTICSEARCH_PASSWORD", "password of that user", secret=True)
    api_key: str = setting("", "ELASTICSEARCH_API_KEY", "API key (encoded), instead of user and password", secret=True)
    ca_certs: str = setting("", "ELASTICSEARCH_CA_CERTS", "file with the certificate authority, for https")
    request_timeout: timedelta = setting(
        timedelta(seconds=30), "ELASTICSEARCH_REQUEST_TIMEOUT", "longest wait for one answer"
    )


@dataclass(frozen=True)
class AgentSettings:
    """What the agent computes, and when."""

    period: timedelta = setting(timedelta(minutes=1), "MONITOR_PERIOD", "time between two cycles")
    attribution_window: timedelta = setting(
        timedelta(minutes=30), "MONITOR_ATTRIBUTION_WINDOW", "a positive counts within this time of its prediction"
    )
    ingest_grace: timedelta = setting(
        timedelta(minutes=2), "MONITOR_INGEST_GRACE", "further wait for the pipeline before a window is final"
    )
    base_window: timedelta = setting(
        timedelta(minutes=1), "MONITOR_BASE_WINDOW", "smallest window, counted from events"
    )
    larger_windows: tuple[timedelta, ...] = setting(
        (timedelta(hours=1), timedelta(days=1)), "MONITOR_LARGER_WINDOWS", "windows merged from the smaller ones"
    )
    curve_windows: tuple[timedelta, ...] = setting(
        (timedelta(hours=1), timedelta(days=1)),
        "MONITOR_CURVE_WINDOWS",
        "windows that have curves (reliability, thresholds, distributions) once they have ended",
    )
    drift_samples: int = setting(1000, "MONITOR_DRIFT_SAMPLES", "values below which no drift is told: it may be chance")
    time_zone: str = setting("UTC", "MONITOR_TIME_ZONE", "time zone in which windows of a day begin")
    feedback_type: str = setting(
        "click",
        "MONITOR_FEEDBACK_TYPE",
        "the feedback that the model is judged by",
        choices=("click", "purchase", "label"),
    )
    impressions: str = setting(
        "implied",
        "MONITOR_IMPRESSIONS",
        "`implied`: all that was served was shown; `explicit`: an impression event says so",
        choices=("implied", "explicit"),
    )
    absent_feedback: str = setting(
        "negative",
        "MONITOR_ABSENT_FEEDBACK",
        "what a shown prediction without feedback is, once the attribution window is over",
        choices=("negative", "unknown"),
    )
    segments: tuple[str, ...] = setting(("scene",), "MONITOR_SEGMENTS", "labels that metrics are split by")
    segment_values: int = setting(
        20, "MONITOR_SEGMENT_VALUES", "values kept for each of these labels; the rest is `other`"
    )
    restatement_limit: timedelta = setting(
        timedelta(days=7), "MONITOR_RESTATEMENT_LIMIT", "a window that has been final for longer is not restated"
    )
    orphan_horizon: timedelta = setting(
        timedelta(hours=24), "MONITOR_ORPHAN_HORIZON", "how long feedback waits for its prediction"
    )
    clock_skew: timedelta = setting(timedelta(minutes=5), "MONITOR_CLOCK_SKEW", "how far ahead a writer's clock may be")
    retention: bool = setting(True, "MONITOR_RETENTION", "delete expired indices where the cluster has no ILM")
    retention_events: timedelta = setting(
        timedelta(days=30),
        "MONITOR_RETENTION_EVENTS",
        "events, dead letters and the agent's own cycles are kept this long",
    )
    retention_metrics: timedelta = setting(
        timedelta(days=400), "MONITOR_RETENTION_METRICS", "metrics are kept this long"
    )
    gate_positives: int = setting(30, "MONITOR_GATE_POSITIVES", "positives that a window needs before it may alert")
    gate_coverage: float = setting(0.9, "MONITOR_GATE_COVERAGE", "coverage that it needs", unit="share")
    gate_maturity: float = setting(0.95, "MONITOR_GATE_MATURITY", "maturity that it needs", unit="share")
    alerts: str = setting("", "MONITOR_ALERTS", "file of alerts; empty = the one that comes with the agent")
    page_size: int = setting(
        1000, "MONITOR_PAGE_SIZE", "documents in one request; of feedback five times as many, at most 10,000"
    )
    health_host: str = setting("127.0.0.1", "MONITOR_HEALTH_HOST", "address where a running agent tells its health")
    health_port: int | None = setting(
        8600, "MONITOR_HEALTH_PORT", "port of `/healthz`, `/livez` and `/metrics`; 0 = any free one, empty = none"
    )
    lease: timedelta = setting(
        timedelta(seconds=30), "MONITOR_LEASE", "an agent that has given no sign for so long is taken for dead"
    )

    def __post_init__(self) -> None:
        """Refuse windows that do not fit into each other."""
        zero = timedelta()
        if self.base_window <= zero or timedelta(days=1) % self.base_window:
            raise SettingsError(f"MONITOR_BASE_WINDOW={self.base_window} does not divide a day", "use 1m, 5m, 1h, ...")
        previous = self.base_window
        for size in self.larger_windows:
            if size <= previous or size % previous:
                raise SettingsError(
                    f"MONITOR_LARGER_WINDOWS: {size} is not a multiple of {previous}",
                    "order them, each a multiple of the one before",
                )
            previous = size
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise SettingsError(
                f"MONITOR_TIME_ZONE={self.time_zone} is unknown", "use a name such as Europe/Berlin"
            ) from error


@dataclass(frozen=True)
class ServerSettings:
    """The model server."""

    host: str = setting("127.0.0.1", "MODEL_SERVER_HOST", "address to listen on")
    port: int = setting(8500, "MODEL_SERVER_PORT", "port to listen on; 0 = any free one")
    model_dir: str = setting(
        "var/model", "MODEL_SERVER_MODEL_DIR", "folder with one sub-folder per version, or one SavedModel"
    )
    model_name: str = setting("", "MODEL_SERVER_MODEL_NAME", "overrides the name in model.json")
    model_version: str = setting("", "MODEL_SERVER_MODEL_VERSION", "version to serve; empty = the newest")
    threshold: float | None = setting(
        None, "MODEL_SERVER_THRESHOLD", "overrides the threshold in model.json", unit="0..1"
    )
    model_threads: int = setting(
        0, "MODEL_SERVER_MODEL_THREADS", "CPU threads that one batch may use; 0 = one per core"
    )
    log_dir: str = setting(
        "var/log/model-server", "MODEL_LOG_DIR", "folder of the event files; the pipeline reads `*.ndjson` there"
    )
    rotate_bytes: int = setting(
        256 * 1024 * 1024, "MODEL_LOG_ROTATE_BYTES", "size at which an event file is renamed", unit="bytes"
    )
    sync_interval: timedelta = setting(
        timedelta(milliseconds=200), "MODEL_LOG_SYNC_INTERVAL", "event files are forced to disk this often; 0s = never"
    )
    service_name: str = setting("model-server", "MODEL_SERVER_SERVICE_NAME", "`service.name` of the events")
    environment: str = setting("production", "MODEL_SERVER_ENVIRONMENT", "`service.environment` of the events")
    allow_client_timestamps: bool = setting(
        False, "MODEL_SERVER_ALLOW_CLIENT_TIMESTAMPS", "honour the event time that a request supplies (for replays)"
    )
    labels: tuple[str, ...] = setting(
        ("scene",), "MODEL_SERVER_LABELS", "label names that a request may carry (16 at most)"
    )
    numeric_features: tuple[str, ...] = setting((), "MODEL_SERVER_NUMERIC_FEATURES", "features logged as numbers")
    categorical_features: tuple[str, ...] = setting(
        (), "MODEL_SERVER_CATEGORICAL_FEATURES", "features logged as keywords"
    )
    log_query_text: bool = setting(
        False, "MODEL_SERVER_LOG_QUERY_TEXT", "log the search query itself, not only its HMAC"
    )
    hmac_key: str = setting(
        "",
        "MODEL_SERVER_HMAC_KEY",
        "key for session, user and query ids; empty = a random one in the log folder",
        secret=True,
    )
    max_body_bytes: int = setting(1024 * 1024, "MODEL_SERVER_MAX_BODY_BYTES", "largest request body", unit="bytes")
    max_instances: int = setting(512, "MODEL_SERVER_MAX_INSTANCES", "instances, or feedback events, in one request")
    max_batch_size: int = setting(64, "MODEL_SERVER_MAX_BATCH_SIZE", "instances computed together")
    max_batch_delay: timedelta = setting(
        timedelta(), "MODEL_SERVER_MAX_BATCH_DELAY", "wait for a batch to fill; 0s = take what is there"
    )
    max_queue: int = setting(2048, "MODEL_SERVER_MAX_QUEUE", "instances waiting for the model; more are answered 503")
    predict_timeout: timedelta = setting(
        timedelta(seconds=30), "MODEL_SERVER_PREDICT_TIMEOUT", "longest wait for the model"
    )
    threads: int = setting(8, "MODEL_SERVER_THREADS", "requests handled at once")


@dataclass(frozen=True)
class PipelineSettings:
    """The embedded pipeline runner; the same environment is read by `logstash/pipeline/*.conf`."""

    config: str = setting("logstash/pipeline", "PIPELINE_CONFIG", "folder or file of the pipeline configuration")
    data_dir: str = setting("var/pipeline", "PIPELINE_DATA_DIR", "positions, statistics and dead letters")
    username: str = setting("", "PIPELINE_USERNAME", "user that writes events")
    password: str = setting("", "PIPELINE_PASSWORD", "password of that user", secret=True)
    api_key: str = setting("", "PIPELINE_API_KEY", "API key (encoded), instead of that user and password", secret=True)
    batch_size: int = setting(1000, "PIPELINE_BATCH_SIZE", "most events in one batch")
    batch_delay: timedelta = setting(
        timedelta(milliseconds=50), "PIPELINE_BATCH_DELAY", "events that come within this time share a batch"
    )
    workers: int = setting(2, "PIPELINE_WORKERS", "batches sent at once")
    remove_after: timedelta = setting(
        timedelta(),
        "PIPELINE_REMOVE_AFTER",
        "a delivered event file that nobody writes is deleted when it has not grown for so long; 0s = never",
    )
    http: str = setting("off", "PIPELINE_HTTP", "take feedback from a shop's front end by HTTP", choices=("off", "on"))
    http_host: str = setting("127.0.0.1", "PIPELINE_HTTP_HOST", "address that the front end reaches")
    http_port: int = setting(8501, "PIPELINE_HTTP_PORT", "port that the front end reaches")
    http_username: str = setting("", "PIPELINE_HTTP_USERNAME", "user that the front end names")
    http_password: str = setting("", "PIPELINE_HTTP_PASSWORD", "password of that user", secret=True)


@dataclass(frozen=True)
class StackSettings:
    """The stack on one machine."""

    provider: str = setting(
        "embedded", "STACK_PROVIDER", "where Elasticsearch comes from", choices=("embedded", "compose", "external")
    )
    data_dir: str = setting("var/stack", "STACK_DATA_DIR", "data, logs and generated passwords of the embedded stack")
    cache_dir: str = setting(
        "", "STACK_CACHE_DIR", "where the server archive is unpacked; empty = the user's cache folder"
    )
    version: str = setting(
        "", "ELASTIC_VERSION", "version of the Elastic Stack; empty = the newest that the found Java runs"
    )
    http_port: int = setting(9200, "STACK_HTTP_PORT", "port of the embedded Elasticsearch; 0 = any free one")
    heap: str = setting("512m", "STACK_HEAP", "heap of the embedded Elasticsearch")
    agent_password: str = setting(
        "", "STACK_AGENT_PASSWORD", "password that `stack users` gives the user `monitor_agent`", secret=True
    )
    analyst_password: str = setting(
        "", "STACK_ANALYST_PASSWORD", "password that `stack users` gives the user `analyst`", secret=True
    )
    kibana_password: str = setting(
        "", "STACK_KIBANA_PASSWORD", "password that `stack users` gives Kibana's own user", secret=True
    )


@dataclass(frozen=True)
class KibanaSettings:
    """How Kibana is reached; nothing needs one but `kibana import`, `kibana export` and `setup --kibana`."""

    url: str = setting("http://127.0.0.1:5601", "KIBANA_URL", "its address, with the base path where it has one")
    space: str = setting("", "KIBANA_SPACE", "the space that objects go to; empty = the default one")
    username: str = setting("", "KIBANA_USERNAME", "user of basic authentication")
    password: str = setting("", "KIBANA_PASSWORD", "password of that user", secret=True)
    api_key: str = setting("", "KIBANA_API_KEY", "API key (encoded), instead of user and password", secret=True)
    ca_certs: str = setting("", "KIBANA_CA_CERTS", "file with the certificate authority, for https")
    request_timeout: timedelta = setting(timedelta(seconds=60), "KIBANA_REQUEST_TIMEOUT", "longest wait for one answer")
    folder: str = setting("kibana", "KIBANA_FOLDER", "folder of the saved objects, watches and rules")


@dataclass(frozen=True)
class DashboardsSettings:
    """The viewer of the dashboards, which needs no Kibana."""

    host: str = setting("127.0.0.1", "DASHBOARDS_HOST", "address to listen on; it asks nobody who they are")
    port: int = setting(8601, "DASHBOARDS_PORT", "port to listen on; 0 = any free one")


@dataclass(frozen=True)
class Settings:
    """The whole tree; each part is a table of the same name in the TOML file."""

    elasticsearch: ElasticsearchSettings = field(default_factory=ElasticsearchSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    stack: StackSettings = field(default_factory=StackSettings)
    kibana: KibanaSettings = field(default_factory=KibanaSettings)
    dashboards: DashboardsSettings = field(default_factory=DashboardsSettings)


def load(environ: Mapping[str, str], toml_path: Path | None = None) -> Settings:
    """Return the settings; SettingsError names the setting that is unknown or malformed.

    Parameters
    ----------
    environ : the environment; variables that are no settings are ignored.
    toml_path : an optional file; a key in it that is no setting is an error.
    """
    document = _read_toml(toml_path) if toml_path else {}
    sections: dict[str, Any] = {entry.name: entry.default_factory for entry in fields(Settings)}
    unknown = sorted(set(document) - set(sections))
    if unknown:
        raise SettingsError(f"{toml_path}: unknown table [{unknown[0]}]", f"known are {', '.join(sections)}")
    return Settings(
        **{
            name: _section(kind, document.get(name, {}), environ, f"{toml_path}: {name}.")
            for name, kind in sections.items()
        }
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return document
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror})", "check --config") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}", "mend the file") from error


def _section(kind: Any, table: Mapping[str, Any], environ: Mapping[str, str], where: str) -> Any:
    entries = {entry.name: entry for entry in fields(kind)}
    if not isinstance(table, Mapping):
        raise SettingsError(f"{where.rstrip('.')} is not a table", "write it as [section] with its keys below")
    for name in table:
        if name not in entries:
            raise SettingsError(f"{where}{name} is unknown", f"known are {', '.join(entries)}")
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, entry in entries.items():
        variable = entry.metadata["env"]
        if variable in environ:
            values[name] = convert(environ[variable], hints[name], variable, entry.metadata["choices"])
        elif name in table:
            values[name] = convert(table[name], hints[name], where + name, entry.metadata["choices"])
    return kind(**values)


def environment_of(settings: Any) -> dict[str, str]:
    """Return the environment variables that make `settings` (one section) again, for child processes."""
    return {entry.metadata["env"]: as_text(getattr(settings, entry.name)) for entry in fields(settings)}


def as_text(value: Any) -> str:
    """Return a setting's value as its environment variable holds it."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return ",".join(as_text(part) for part in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
