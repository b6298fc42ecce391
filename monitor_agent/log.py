"""Structured logs of the services: one ECS JSON object per line on standard error.

Events (predictions, feedback) have another writer.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import orjson
import structlog

from monitor_agent.contracts.ecs import ECS_VERSION


def configure(service: str, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Set structlog up for a process; only the console scripts call this, once."""
    number = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
            structlog.processors.format_exc_info,
            _Ecs(service),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Unfailing(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )


def warn(message: str) -> None:
    """Log a warning, for modules that log nothing else."""
    structlog.get_logger().warning(message)


class _Unfailing:
    """A stream whose failure (disk full, no reader) does not end the work that logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Ecs:
    """The last processor: it turns structlog's names into those of the Elastic Common Schema."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
        exception = event.pop("exception", None)
        line = {
            "@timestamp": event.pop("@timestamp"),
            "log.level": event.pop("level"),
            "message": event.pop("event"),
            "ecs.version": ECS_VERSION,
            "service.name": self._service,
            **event,
        }
        if exception:
            line["error.stack_trace"] = exception
        try:
            return orjson.dumps(line, default=str).decode()
        except orjson.JSONEncodeError:  # half a character, such as in a file's name that is not UTF-8
            return json.dumps(line, default=str, ensure_ascii=False).encode(errors="replace").decode()
