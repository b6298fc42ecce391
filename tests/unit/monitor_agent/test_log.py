"""Each line of a log is JSON, whatever is logged."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import PurePath

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


@pytest.fixture
def secret_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide two passwords in this process, one of them a word of other words."""
    monkeypatch.setattr(log, "_secrets", set())
    log.hide(["planted-pw", 'qu"ote', "elastic", "abc"])


@pytest.mark.usefixtures("secret_texts")
def test_no_line_holds_a_secret(stream: io.StringIO) -> None:
    """Not in the message, a nested field, an object or a traceback, whatever made the text."""
    try:
        raise ValueError("refused planted-pw for http://user:other@es-1:9200")
    except ValueError as error:
        structlog.get_logger().error(
            "no planted-pw",
            exc_info=True,
            reason={"rows": [("planted-pw", error)]},
            path=PurePath("/planted-pw/x"),
            text='qu"ote',
        )

    text = stream.getvalue()
    assert json.loads(text)["text"] == "***"
    assert not [secret for secret in ("planted-pw", "other", "qu") if secret in text.replace("request", "")]


@pytest.mark.usefixtures("secret_texts")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("elasticsearch is in trouble", "elasticsearch is in trouble"),
        ("password elastic is wrong", "password *** is wrong"),
        ("GET /x?api_key=s3cret&a=1&token=t refused", "GET /x?api_key=***&a=1&token=*** refused"),
        ("abc", "abc"),  # too short to be told from other texts
        ("http://user:p@ss@es-1:9200/x", "http://***@es-1:9200/x"),
        ("http://user:p/ss@es-1:9200/x", "http://***@es-1:9200/x"),
        ("http://127.0.0.1:8601/a and me@es-1", "http://127.0.0.1:8601/a and me@es-1"),
    ],
)
def test_only_secrets_are_masked(text: str, expected: str) -> None:
    """A password that is a common word breaks no other word."""
    assert log.masked(text) == expected
