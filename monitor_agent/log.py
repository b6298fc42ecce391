"""Structured logs of the services: one ECS JSON object per line on standard error.

Events (predictions, feedback) have another writer. No line holds a secret of the settings, whatever the text that a
library made of it, nor the user and the password of an address.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO, cast

import orjson
import structlog

from monitor_agent.contracts.ecs import ECS_VERSION
from monitor_agent.http_client.address import mask_credentials

MASK = "***"
SHORTEST_SECRET = 4
"""A shorter text would be found inside other words; Elasticsearch accepts no password of fewer than six characters."""
_secrets: set[str] = set()


def configure(service: str, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Set structlog up for a process; only the console scripts call this, once."""
    number = getattr(logging, level.upper())
    _mask_tracebacks()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
            structlog.processors.format_exc_info,
            _mask_values,
            _Ecs(service),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Unfailing(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )


def warn(message: str) -> None:
    """Log a warning, for modules that log nothing else."""
    structlog.get_logger().warning(message)


def hide(secrets: Iterable[str]) -> None:
    """Keep texts out of all log lines and error lines of this process from now on."""
    _secrets.update(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)


def masked(text: str) -> str:
    """Return a text with `***` in the place of each hidden text, and of user and password in an address.

    >>> masked("no answer of http://user:password@es-1:9200")
    'no answer of http://***@es-1:9200'
    """
    text = mask_credentials(text)
    for secret in sorted(_secrets, key=len, reverse=True):
        if secret in text:
            # Not inside a word: the password `elastic` must not break the word `elasticsearch`.
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", MASK, text)
    return text


def _mask_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value if name in ("@timestamp", "level") else _masked_value(value) for name, value in event.items()}


def _masked_value(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {masked(str(name)): _masked_value(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked_value(entry) for entry in value]
    return value


def _text_of(value: Any) -> str:
    return masked(str(value))


def _mask_tracebacks() -> None:
    """Mask what Python prints of an exception that nobody has caught, unless another program prints that."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = lambda kind, error, trace: _print_masked(traceback.format_exception(kind, error, trace))
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda failure: _print_masked(
            traceback.format_exception(failure.exc_type, failure.exc_value, failure.exc_traceback)
        )


def _print_masked(lines: Iterable[str]) -> None:
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(masked("".join(lines)))


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
            return orjson.dumps(line, default=_text_of).decode()
        except orjson.JSONEncodeError:  # half a character, such as in a file's name that is not UTF-8
            return json.dumps(line, default=_text_of, ensure_ascii=False).encode(errors="replace").decode()
