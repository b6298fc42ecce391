"""Writes the service log of these tests to a stream, because some tests limit the size of the process's files."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import structlog

from monitor_agent import log


@pytest.fixture(autouse=True)
def service_log() -> Iterator[io.StringIO]:
    """Yield the stream of the service log; restore structlog after the test."""
    stream = io.StringIO()
    before = structlog.get_config()
    log.configure("model-server", stream=stream)
    yield stream
    structlog.configure(**before)
