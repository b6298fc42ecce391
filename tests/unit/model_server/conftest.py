"""The service log of these tests: kept apart from pytest's own output, which some of them forbid to grow."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import structlog

from monitor_agent import log


@pytest.fixture(autouse=True)
def service_log() -> Iterator[io.StringIO]:
    """Yield what the service log says during the test; afterwards structlog is as it was."""
    stream = io.StringIO()
    before = structlog.get_config()
    log.configure("model-server", stream=stream)
    yield stream
    structlog.configure(**before)
