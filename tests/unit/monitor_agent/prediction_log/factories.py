"""Builds event logs, records and requests for tests, with defaults that a test can override."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from monitor_agent.prediction_log import EventLog, Features, Origin, PredictionLog, Ranking
from monitor_agent.prediction_log.event_log import EventLine, line_of
from monitor_agent.prediction_log.records import NO_FEATURES, Call
from monitor_agent.prediction_log.trace_context import Trace

NOW = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=timezone.utc)
KEY = "a key that only tests know"


@dataclass(frozen=True)
class ScoredInstance:
    """What a server knows of an instance: the details of the request, and the result of the model."""

    score: float = 0.5
    classes: tuple[float, ...] = ()
    queue_time: int | None = 11
    compute_time: int | None = 22
    batch_size: int | None = 3
    engine: str = ""
    item_id: str | None = None
    position: int | None = None
    propensity: float | None = None
    ranking: Ranking | None = None
    features: Features = NO_FEATURES
    shadow: bool = False
    timestamp: datetime | None = None


def make_origin(**changes: Any) -> Origin:
    """Return the origin of the events of a test."""
    values = {
        "service_name": "model-server",
        "service_version": "0.1.0",
        "environment": "test",
        "node": "host:1:2",
        "model_name": "click",
        "model_version": "7",
    }
    return Origin(**{**values, **changes})


def make_call(**changes: Any) -> Call:
    """Return a request with a trace."""
    values = {"request_id": "r1", "path": "/predict", "received": NOW, "trace": Trace("a" * 32, "b" * 16)}
    return Call(**{**values, **changes})


def make_log(folder: Path, **changes: Any) -> EventLog:
    """Return an event log that rotates late and does not sync by itself."""
    values = {"sync_seconds": 0.0, "clock": lambda: NOW}
    return EventLog(folder, **{**values, **changes})


def make_prediction_log(folder: Path | EventLog, **changes: Any) -> PredictionLog:
    """Return the log of a model's predictions; it does not sync by itself."""
    values = {"model": "click", "version": "7", "environment": "test", "hmac_key": KEY}
    of_file = {} if isinstance(folder, EventLog) else {"sync_seconds": 0.0, "clock": lambda: NOW}
    return PredictionLog(folder, **{**values, **of_file, **changes})


def make_lines(count: int = 1, text: str = "x") -> list[EventLine]:
    """Return lines of small events."""
    return [line_of({"event": {"id": f"{text[:8]}{index}"}, "message": text}) for index in range(count)]


def lines_in(folder: Path) -> list[dict[str, Any]]:
    """Return all events in a folder, as a reader of `*.ndjson` reads them; each line must be whole."""
    texts = [path.read_text() for path in sorted(folder.glob("*.ndjson"))]
    assert all(text.endswith("\n") or not text for text in texts)
    return [json.loads(line) for text in texts for line in text.split("\n") if line]


def sequences(folder: Path) -> list[int]:
    """Return the numbers of all events in a folder."""
    return sorted(line["event"]["sequence"] for line in lines_in(folder))


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the system refuse files of this process above a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
