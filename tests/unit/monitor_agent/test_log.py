"""Each line of a log is JSON, whatever is logged."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import orjson
import pytest
import structlog

from monitor_agent import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Yield the stream of a configured log."""
    before = structlog.get_config()
    stream = io.StringIO()
    log.configure("test", stream=stream)
    try:
        yield stream
    finally:
        structlog.configure(**before)


@pytest.mark.parametrize("text", ["ä", os.fsdecode(b"caf\xe9"), "\ud800", "two\nlines"])
def test_any_text_can_be_logged(stream: io.StringIO, text: str) -> None:
    """The name of a file may be no UTF-8: the line is written, and stays one line."""
    structlog.get_logger().warning("a file", path=text)

    (line,) = stream.getvalue().splitlines()
    record = orjson.loads(line)
    assert (record["message"], record["log.level"]) == ("a file", "warning")
    assert record["path"] == text.encode(errors="replace").decode()
