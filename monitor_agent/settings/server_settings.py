"""The settings of the model server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from monitor_agent.errors import SettingsError
from monitor_agent.settings.http_settings import HttpSettings
from monitor_agent.settings.setting_info import setting

_ORIGIN = re.compile(r"(?P<scheme>https?)://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
REFUSE, ANSWER = "refuse", "answer"
_USUAL_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class ServerSettings(HttpSettings, prefix="MODEL_SERVER"):
    """The model server."""

    host: str = setting("127.0.0.1", "MODEL_SERVER_HOST", "address to listen on")
    port: int = setting(8500, "MODEL_SERVER_PORT", "port to listen on; 0 = any free port")
    model_dir: str = setting(
        "var/model", "MODEL_SERVER_MODEL_DIR", "one SavedModel, a folder of versions, or a folder of such models"
    )
    model_name: str = setting(
        "", "MODEL_SERVER_MODEL_NAME", "model name, instead of the name in model.json; only if there is one model"
    )
    model_version: str = setting(
        "", "MODEL_SERVER_MODEL_VERSION", "version to serve; empty = the newest version; only if there is one model"
    )
    model_config: str = setting(
        "",
        "MODEL_SERVER_MODEL_CONFIG",
        "file of versions, labels, shadows and splits (TOML); empty = `models.toml` in the model folder, if there",
    )
    poll: timedelta = setting(
        timedelta(seconds=10), "MODEL_SERVER_POLL", "time between two looks for new versions; 0s = only when asked"
    )
    threshold: float | None = setting(
        None,
        "MODEL_SERVER_THRESHOLD",
        "threshold, instead of the threshold in model.json; only if there is one model",
        unit="0..1",
    )
    model_threads: int = setting(
        0,
        "MODEL_SERVER_MODEL_THREADS",
        "CPU threads of one batch; 0 = one for a model of up to 100 MiB, else one per core. With one thread, each core "
        "computes a batch of its own",
    )
    log_dir: str = setting(
        "var/log/model-server", "MODEL_LOG_DIR", "folder of the event files; the pipeline reads `*.ndjson` there"
    )
    rotate_bytes: int = setting(
        256 * 1024 * 1024, "MODEL_LOG_ROTATE_BYTES", "size at which an event file is renamed", unit="bytes"
    )
    log_group_read: bool = setting(
        False, "MODEL_LOG_GROUP_READ", "let the group read the event files, for a pipeline with another account"
    )
    sync_interval: timedelta = setting(
        timedelta(milliseconds=200),
        "MODEL_LOG_SYNC_INTERVAL",
        "time between two syncs of the event files, and of the receiver's journal, to disk; 0s = never",
    )
    on_failure: str = setting(
        REFUSE,
        "MODEL_LOG_ON_FAILURE",
        "what happens to a prediction whose event cannot be written: `refuse` answers 503; `answer` answers it, counts "
        "it in `model_server_events_lost_total`, and leaves a gap in `event.sequence`",
        choices=(REFUSE, ANSWER),
    )
    service_name: str = setting("model-server", "MODEL_SERVER_SERVICE_NAME", "`service.name` of the events")
    environment: str = setting("production", "MODEL_SERVER_ENVIRONMENT", "`service.environment` of the events")
    allow_client_timestamps: bool = setting(
        False, "MODEL_SERVER_ALLOW_CLIENT_TIMESTAMPS", "use the event time in a request (for replays)"
    )
    labels: tuple[str, ...] = setting(
        ("scene",),
        "MODEL_SERVER_LABELS",
        "label names that a request may carry (16 at most); after a change run `monitor-agent setup`",
    )
    numeric_features: tuple[str, ...] = setting(
        (),
        "MODEL_SERVER_NUMERIC_FEATURES",
        "features that are logged as numbers; after a change run `monitor-agent setup`",
    )
    categorical_features: tuple[str, ...] = setting(
        (),
        "MODEL_SERVER_CATEGORICAL_FEATURES",
        "features that are logged as keywords; after a change run `monitor-agent setup`",
    )
    log_other_features: bool = setting(
        False,
        "MODEL_SERVER_LOG_OTHER_FEATURES",
        "log and store the features outside both lists, too, in clear: they may hold personal data",
    )
    log_query_text: bool = setting(False, "MODEL_SERVER_LOG_QUERY_TEXT", "log the search query, not only its HMAC")
    hmac_key: str = setting(
        "",
        "MODEL_SERVER_HMAC_KEY",
        "key of the HMACs of session, user and query; empty = a random key in the log folder",
        secret=True,
    )
    api_keys: str = setting(
        "",
        "MODEL_SERVER_API_KEYS",
        "file of API keys, made by `model-server keys add NAME`: `/predict`, `/feedback` and `/metrics` then want a "
        "key; empty = the server is open",
    )
    allowed_origins: tuple[str, ...] = setting(
        (),
        "MODEL_SERVER_ALLOWED_ORIGINS",
        "origins of web pages that may send requests, such as `https://shop.example.org`; `*` = all; empty = none",
    )
    max_body_bytes: int = setting(1024 * 1024, "MODEL_SERVER_MAX_BODY_BYTES", "largest request body", unit="bytes")
    max_instances: int = setting(
        512, "MODEL_SERVER_MAX_INSTANCES", "highest number of instances, or feedback events, in one request"
    )
    max_batch_size: int = setting(
        64, "MODEL_SERVER_MAX_BATCH_SIZE", "highest number of instances that are computed together"
    )
    max_batch_delay: timedelta = setting(
        timedelta(), "MODEL_SERVER_MAX_BATCH_DELAY", "longest wait for a batch to fill; 0s = no wait"
    )
    max_queue: int = setting(
        2048,
        "MODEL_SERVER_MAX_QUEUE",
        "highest number of instances that wait for the model; a request that would exceed it gets 503",
    )
    predict_timeout: timedelta = setting(
        timedelta(seconds=30), "MODEL_SERVER_PREDICT_TIMEOUT", "longest wait for the model"
    )
    threads: int = setting(
        8,
        "MODEL_SERVER_THREADS",
        "requests that are handled at the same time, besides those of `/predict` that share a thread",
    )

    def __post_init__(self) -> None:
        """Refuse origins that no browser sends."""
        super().__post_init__()
        origins = tuple(origin_of(text, "MODEL_SERVER_ALLOWED_ORIGINS") for text in self.allowed_origins)
        object.__setattr__(self, "allowed_origins", origins)


def origin_of(text: str, variable: str) -> str:
    """Return the origin of web pages as browsers write it: in small letters, without the usual port.

    Parameters
    ----------
    variable : the setting, for the error.

    Raises
    ------
    SettingsError
        If it is no origin.

    >>> origin_of("https://Shop.example.org:443", "MODEL_SERVER_ALLOWED_ORIGINS")
    'https://shop.example.org'
    """
    origin = text.lower()
    match = _ORIGIN.fullmatch(origin)
    if origin != "*" and match is None:
        raise SettingsError(
            f"{variable}: {text!r} is no origin of web pages",
            "write scheme and host, without a path, such as https://shop.example.org",
        )
    return origin if match is None else origin.removesuffix(_USUAL_PORTS[match["scheme"]])
