"""The http input: what a request's body and headers become, and which requests it refuses."""

from __future__ import annotations

import contextlib
import gzip
import io
import socket
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import urllib3

from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash.compiler import Program
from monitor_agent.logstash.plugin import Event, PipelineContext
from monitor_agent.settings import PipelineSettings
from tests.unit.monitor_agent.logstash.program_runs import compile_text
from tests.waiting import wait_until

CLICK = b'{"a":1}'
JSON_TYPE = {"Content-Type": "application/json"}


class HttpPipeline:
    """A pipeline whose only input is an http input."""

    def __init__(self, options: str, filters: str, folder: Path) -> None:
        text = f'input {{ http {{ id => "shop" host => "127.0.0.1" port => 0 {options} }} }} filter {{ {filters} }}'
        around = PipelineContext(PipelineSettings(data_dir=str(folder)), io.BytesIO(), io.BytesIO(), "host-1")
        self.program: Program = compile_text(f"{text} output {{ stdout {{ }} }}", {}, around)
        self._source: Any = self.program.inputs[0]

    def post(self, body: bytes, headers: Mapping[str, str] = JSON_TYPE) -> int:
        """Return the status of the answer to a request."""
        return urllib3.request("POST", self.url, body=body, headers=headers, retries=False).status

    @property
    def url(self) -> str:
        """The address of the input."""
        return f"http://127.0.0.1:{self._source.port}/clicks"

    @property
    def port(self) -> int:
        """The port of the input."""
        return int(self._source.port)

    def events(self, count: int = 1) -> list[Event]:
        """Return the next events, filtered."""
        events: list[Event] = []

        def read() -> bool:
            batch = self._source.read(100)
            if batch is not None:
                events.extend(self.program.filter(batch.events))
            return len(events) >= count

        wait_until(read)
        return events

    @contextlib.contextmanager
    def serving(self) -> Iterator[HttpPipeline]:
        """Listen while the block runs."""
        self._source.open()
        try:
            yield self
        finally:
            self._source.close()


@contextlib.contextmanager
def listening(folder: Path, options: str = "codec => json", filters: str = "") -> Iterator[HttpPipeline]:
    """Yield a pipeline that listens."""
    with HttpPipeline(options, filters, folder).serving() as pipeline:
        yield pipeline


def test_the_metadata_holds_the_request(tmp_path: Path) -> None:
    """As in ECS mode of a real Logstash, so a comparison of `[@metadata][input]` with a text is never true."""
    filters = 'if [@metadata][input] == "http" { mutate { add_tag => ["text"] } }'
    headers = {**JSON_TYPE, "User-Agent": "shop/1", "Authorization": "Basic c2hvcDpzZWNyZXQ=", "X-Shop": "7"}
    with listening(tmp_path, filters=filters) as pipeline:
        assert pipeline.post(CLICK, headers) == 200
        (event,) = pipeline.events()

    request = event["@metadata"]["input"]["http"]["request"]["headers"]
    assert "tags" not in event
    assert {name: request[name] for name in ("request_method", "request_path", "http_version", "x_shop")} == {
        "request_method": "POST",
        "request_path": "/clicks",
        "http_version": "HTTP/1.1",
        "x_shop": "7",
    }
    assert (request["content_type"], request["http_user_agent"]) == ("application/json", "shop/1")
    assert "authorization" not in request
    assert event["host"] == {"ip": "127.0.0.1"}
    assert event["http"]["request"] == {"body": {"bytes": "7"}, "mime_type": "application/json"}
    assert (event["url"]["path"], event["url"]["domain"]) == ("/clicks", "127.0.0.1")
    assert event["user_agent"] == {"original": "shop/1"}


def test_fields_of_the_event_stay(tmp_path: Path) -> None:
    """The request's fields are added only where the event has none, and its `@metadata` is not the pipeline's."""
    body = b'{"host":"mine","url":{"path":"/mine"},"@metadata":{"index":"mine"}}'
    with listening(tmp_path) as pipeline:
        pipeline.post(body)
        (event,) = pipeline.events()

    assert event["host"] == "mine"
    assert event["url"]["path"] == "/mine"
    assert set(event["@metadata"]) == {"input"}


@pytest.mark.parametrize(
    ("options", "headers", "expected"),
    [
        ("", JSON_TYPE, {"a": 1}),
        ("", {"Content-Type": "application/json; charset=utf-8"}, {"a": 1}),
        ("", {"Content-Type": "text/plain"}, {"message": '{"a":1}'}),
        ("", {}, {"message": '{"a":1}'}),
        ('codec => json { target => "[line]" }', JSON_TYPE, {"a": 1}),
        ('codec => json { target => "[line]" } additional_codecs => {}', JSON_TYPE, {"line": {"a": 1}}),
        ('additional_codecs => { "text/x" => "json" }', {"Content-Type": "text/x"}, {"a": 1}),
        ('additional_codecs => { "text/x" => "json" }', JSON_TYPE, {"message": '{"a":1}'}),
    ],
)
def test_the_content_type_selects_the_codec(
    options: str, headers: Mapping[str, str], expected: dict[str, Any], tmp_path: Path
) -> None:
    """By default JSON is read by the codec json without options; `additional_codecs` replaces that."""
    with listening(tmp_path, options) as pipeline:
        pipeline.post(CLICK, headers)
        (event,) = pipeline.events()

    assert {name: event[name] for name in ("a", "line", "message") if name in event} == expected


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(CLICK, mtime=0)),
        ("x-gzip", gzip.compress(CLICK, mtime=0)),
        ("GZIP", gzip.compress(b'{"a"', mtime=0) + gzip.compress(b":1}", mtime=0)),
        ("deflate", zlib.compress(CLICK)),
        ("deflate", zlib.compress(CLICK, wbits=-15)),
        ("identity", CLICK),
    ],
)
def test_a_compressed_body_is_expanded(encoding: str, body: bytes, tmp_path: Path) -> None:
    """Gzip, deflate with or without its header, and no compression."""
    with listening(tmp_path) as pipeline:
        assert pipeline.post(body, {**JSON_TYPE, "Content-Encoding": encoding}) == 200
        (event,) = pipeline.events()

    assert event["a"] == 1


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", b"no gzip", 400),
        ("gzip", gzip.compress(CLICK, mtime=0)[:-9], 400),
        ("gzip", gzip.compress(CLICK, mtime=0) + b"more", 400),
        ("deflate", b"no deflate", 400),
        ("gzip", gzip.compress(b" " * 10_000_000, mtime=0), 413),
        ("deflate", zlib.compress(b" " * 1001), 413),
        ("identity", b" " * 1001, 413),
    ],
)
def test_a_body_that_cannot_be_expanded_is_refused(encoding: str, body: bytes, status: int, tmp_path: Path) -> None:
    """The limit holds for the expanded body; nothing of a refused request is stored."""
    with listening(tmp_path, "codec => json max_content_length => 1000") as pipeline:
        assert pipeline.post(body, {**JSON_TYPE, "Content-Encoding": encoding}) == status
        assert pipeline.post(b'{"last":1}') == 200
        assert [event["last"] for event in pipeline.events()] == [1]


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=ISO-8859-1", b"caf\xe9", "café"),
        ("text/plain; charset=UTF-16", "\ufeffé".encode("utf-16-le"), "é"),
        ("text/plain", b"caf\xe9", "caf\ufffd"),
        ("text/plain; charset=none-such", "café".encode(), "café"),
        ("text/plain; charset=unicode_escape", rb"\u0041", r"\u0041"),
    ],
)
def test_the_charset_of_the_content_type_counts(content_type: str, body: bytes, text: str, tmp_path: Path) -> None:
    """What does not fit becomes U+FFFD, and a charset that is unknown counts as UTF-8."""
    with listening(tmp_path, "") as pipeline:
        pipeline.post(body, {"Content-Type": content_type})
        (event,) = pipeline.events()

    assert event["message"] == text


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        (b'3\r\n{"a\r\n4;x=y\r\n":1}\r\n0\r\nX-Trailer: 1\r\n\r\n', 200),
        (b"xyz\r\n", 400),
        (b"-1\r\n", 400),
        (b"3\r\nabcd\r\n0\r\n\r\n", 400),
        (b"fffffff\r\n", 413),
    ],
)
def test_a_body_may_come_in_chunks(chunks: bytes, status: int, tmp_path: Path) -> None:
    """Clients that do not know the length beforehand send chunks; those are bounded as well."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with listening(tmp_path) as pipeline:
        with socket.create_connection(("127.0.0.1", pipeline.port)) as connection:
            connection.sendall(head + chunks)
            answer = connection.recv(1000)
        assert answer.split()[1] == str(status).encode()
        if status == 200:
            assert pipeline.events()[0]["a"] == 1


def test_a_request_needs_a_length_and_short_headers(tmp_path: Path) -> None:
    """A body without a length is refused, and so are headers that would not fit into a line of the spool."""
    with listening(tmp_path) as pipeline:
        with socket.create_connection(("127.0.0.1", pipeline.port)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(1000).split()[1] == b"411"
        assert pipeline.post(CLICK, {**JSON_TYPE, "Cookie": "c" * 20_000}) == 431


def test_requests_of_an_earlier_version_are_delivered(tmp_path: Path) -> None:
    """What was accepted before an update of the program is in the spool in the earlier form."""
    about = {"ip": "127.0.0.1", "method": "POST", "path": "/", "agent": "shop/1"}
    folder = tmp_path / "http-shop"
    folder.mkdir()
    records = ({"text": '{"a":1}', "utf8": True}, {"text": '{"a":"caf\xe9"}', "utf8": False})
    lines = [orjson.dumps({**record, "about": about}) + b"\n" for record in records]
    (folder / "1.ndjson").write_bytes(b"".join(lines) + b"17\n")
    with listening(tmp_path) as pipeline:
        events = pipeline.events(2)

    assert [event["a"] for event in events] == [1, "caf\ufffd"]
    assert events[0]["user_agent"] == {"original": "shop/1"}


@pytest.mark.parametrize("size", [0, 131_073])
def test_a_limit_that_the_spool_cannot_hold_is_refused(size: int, tmp_path: Path) -> None:
    """The message names the largest number."""
    with pytest.raises(ConfigurationError, match="up to 131072"):
        HttpPipeline(f"max_content_length => {size}", "", tmp_path)
