"""The `http` input: events by POST. A request is on disk before the answer 200."""

from __future__ import annotations

import hmac
import http.server
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.message import Message
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import orjson
import structlog

from monitor_agent.errors import PipelineError, PortInUseError
from monitor_agent.http_client.authorization import basic_authorization
from monitor_agent.http_serving.exposure import check_exposure
from monitor_agent.logstash.decoration import decoration
from monitor_agent.logstash.files.descriptors import most_connections
from monitor_agent.logstash.files.file_selection import FileSelection
from monitor_agent.logstash.files.positions import Positions
from monitor_agent.logstash.files.spool import Spool
from monitor_agent.logstash.inputs._files import FilesInput
from monitor_agent.logstash.inputs._request_bodies import BodyError, expanded, read_body, text_of_body
from monitor_agent.logstash.language.field_references import FieldError, FieldReference, field_reference
from monitor_agent.logstash.plugin import (
    Codec,
    Event,
    EventBatch,
    PipelineContext,
    PluginConfig,
    PluginOption,
    PluginSpec,
)

MOST_BODY_BYTES = 128 * 1024
"""The largest `max_content_length`: a request is one line of the spool, and a line there has less than 1 MiB."""
MOST_HEADER_CHARACTERS = 16 * 1024
"""The answer to a request with longer headers is 431."""
MOST_SPOOL_BYTES = 256 * 1024 * 1024
"""If more than this waits for Elasticsearch, the answer to further requests is 429."""
REQUEST_SECONDS = 10.0
WAIT_SECONDS = 0.1

_log = structlog.get_logger()


class HttpInput(FilesInput):
    """A server in threads that spools requests, and the reader of that spool.

    Attributes
    ----------
    port : the port of the server, as soon as the input is open.
    """

    def __init__(self, config: PluginConfig, context: PipelineContext) -> None:
        options = config.options
        if options["user"] is not None and not (options["user"] and options["password"]):
            raise config.at.error("'user' and 'password' must not be empty", "set both, or leave both out")
        if not 0 < options["max_content_length"] <= MOST_BODY_BYTES:
            raise config.at.error(
                f"'max_content_length' must be a number of bytes up to {MOST_BODY_BYTES} here", "use a smaller number"
            )
        self.port: int = options["port"]
        self._most: int = options["max_content_length"]
        self._codecs: Mapping[str, Codec] = options["additional_codecs"]
        self._options: Mapping[str, Any] = options
        self._at = config.at
        self._decorate = decoration(config)
        folder = Path(context.settings.data_dir) / f"http-{config.id}"
        self._spool = Spool(folder)
        selection = FileSelection(
            patterns=[self._spool.pattern],
            newest_last=False,
            discover_seconds=0.1,
            removable=lambda path, _idle: path != self._spool.path,
            foreign_writers=False,
        )
        super().__init__(config, selection, Positions(folder / "positions.json"))
        self._server: _Server | None = None
        self._behind = 0

    def open(self) -> None:
        """Open the spool, then listen.

        Raises
        ------
        PipelineError
            If the port is in use or the spool cannot be written.
        """
        try:
            self._spool.open()
        except OSError as error:
            raise PipelineError(
                f"{error.filename} cannot be used ({error.strerror})", "correct its permissions"
            ) from error
        super().open()
        self._server = self._listen()
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        exposure = check_exposure(
            f"the http input {self.id}",
            self._options["host"],
            "its user and password (PIPELINE_HTTP_USERNAME and PIPELINE_HTTP_PASSWORD)",
            authenticated=self._options["user"] is not None,
            tls="" if self._options["ssl_enabled"] else "ssl_enabled, ssl_certificate and ssl_key in its configuration",
            require=False,
        )
        if exposure is not None:
            _log.warning(str(exposure), plugin=self.id)
        _log.info("listening for events", plugin=self.id, host=self._options["host"], port=self.port)

    def read(self, limit: int) -> EventBatch | None:
        """Return the events of up to `limit` requests."""
        batch = super().read(limit)
        if batch is None:
            self._behind = self._files.bytes_behind()
        return batch

    def close(self) -> None:
        """Stop listening; spooled requests are read at the next start."""
        if self._server is not None:
            self._server.closing = True
            self._server.shutdown()
            self._server.server_close()
        self._spool.close()
        super().close()

    def receive(self, stream: BufferedIOBase, headers: Message, origin: Mapping[str, str]) -> int:
        """Read a request and spool it; return the status of the answer.

        Parameters
        ----------
        origin : `ip` of the client, and `method`, `path` and `version` of the request.

        Raises
        ------
        BodyError
            If the body cannot be accepted.
        """
        body = read_body(stream, headers, self._most)
        if not self._allowed(headers.get("Authorization", "")):
            return 401
        if self._behind > MOST_SPOOL_BYTES:
            return 429
        body = expanded(body, headers.get("Content-Encoding", ""), self._most)
        named = _named(headers)
        if sum(len(name) + len(value) for name, value in (*named.items(), *origin.items())) > MOST_HEADER_CHARACTERS:
            return 431
        media_type = headers.get("Content-Type", "").split(";")[0].strip()
        text = text_of_body(body, headers.get_content_charset())
        record = {"text": text, "type": media_type, "about": origin, "headers": named}
        try:
            self._spool.append(orjson.dumps(record))
        except OSError as error:
            _log.error("a request cannot be spooled", plugin=self.id, reason=error.strerror)
            return 503
        return int(self._options["response_code"])

    def events_of(self, line: bytes, _path: str) -> list[Event]:
        """Return the events of a spooled request."""
        try:
            record = orjson.loads(line)
            text, about = record["text"], record["about"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            # A crash cut this line: its request was not answered, so the client sends it again.
            _log.warning("a spooled request is incomplete", plugin=self.id)
            return []
        if not record.get("utf8", True):  # a request in the spool of an earlier version
            text = text_of_body(text.encode("latin-1"), None)
        headers = {**record.get("headers", {}), **{f"request_{name}": about[name] for name in ("method", "path")}}
        if "version" in about:
            headers["http_version"] = about["version"]
        events = self._codecs.get(record.get("type", ""), self._codec).decode(text.encode())
        for event in events:
            event["@metadata"] = {"input": {"http": {"request": {"headers": dict(headers)}}}}
            for field, value in _ecs_fields(about, headers):
                if value is not None and not field.has(event):
                    with suppress(FieldError):  # the event has another field in the path
                        field.set(event, value)
            self._decorate(event)
        return events

    def _allowed(self, authorization: str) -> bool:
        if self._options["user"] is None:
            return True
        expected = basic_authorization(self._options["user"], self._options["password"])
        return hmac.compare_digest(authorization.encode(), expected.encode())

    def _listen(self) -> _Server:
        host, port = self._options["host"], self._options["port"]
        try:
            server = _Server((host, port), _handler(self))
        except OSError as error:
            raise PortInUseError(
                f"the input cannot listen on {host}:{port} ({error.strerror})", "choose another port"
            ) from error
        if self._options["ssl_enabled"]:
            try:
                tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                tls.load_cert_chain(self._options["ssl_certificate"], self._options["ssl_key"])
            except (OSError, TypeError, ValueError) as error:
                server.server_close()
                raise self._at.error(f"the certificate or its key cannot be read ({error})") from error
            # The thread of the request makes the handshake, so a slow client delays no other one.
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        return server


class _Server(http.server.ThreadingHTTPServer):
    """A server with a limited number of connections; further clients wait until one of these ends.

    Attributes
    ----------
    closing : whether nobody is to wait any more.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.closing = False
        self._room = threading.BoundedSemaphore(most_connections())

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection as soon as there is room for it."""
        while not self._room.acquire(timeout=WAIT_SECONDS):
            if self.closing:
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the requests of a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """Log a broken connection in one line."""
        _log.debug("a connection broke", client=str(client_address))


def _handler(source: HttpInput) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "model-monitor"
        sys_version = ""
        timeout = REQUEST_SECONDS
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            """Spool the body, then answer."""
            origin = {
                "ip": str(self.client_address[0]),
                "method": self.command,
                "path": self.path,
                "version": self.request_version,
            }
            try:
                self._answer(source.receive(self.rfile, self.headers, origin))
            except BodyError as error:
                self.close_connection = True  # the body was not read to its end
                self._answer(error.status)

        def _answer(self, status: int) -> None:
            body = b"ok" if status < 300 else http.HTTPStatus(status).phrase.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="events"')
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Log nothing: the statistics count requests."""

    return Handler


def _named(headers: Message) -> dict[str, str]:
    """Return the headers of a request by the names that Logstash gives them, without the password."""
    named = {name.lower().replace("-", "_"): str(value) for name, value in headers.items()}
    named.pop("authorization", None)
    for name in ("accept", "host", "user_agent"):
        if name in named:
            named[f"http_{name}"] = named.pop(name)
    return named


def _ecs_fields(about: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[tuple[FieldReference, str | None]]:
    """Yield the fields that Logstash adds in ECS mode, where the event does not have them."""
    domain, _, port = headers.get("http_host", "").partition(":")
    values = (
        *(
            about["ip"],
            about.get("version"),
            about["method"],
            headers.get("content_length"),
            headers.get("content_type"),
        ),
        *(about["path"], domain or None, port or None),
        headers.get("http_user_agent") or about.get("agent"),
    )
    yield from zip(_ECS_FIELDS, values, strict=True)


_ECS_FIELDS = tuple(
    field_reference(name)
    for name in (
        *(
            "[host][ip]",
            "[http][version]",
            "[http][method]",
            "[http][request][body][bytes]",
            "[http][request][mime_type]",
        ),
        *("[url][path]", "[url][domain]", "[url][port]"),
        "[user_agent][original]",
    )
)

SPEC = PluginSpec(
    "input",
    "http",
    (
        PluginOption("host", default="0.0.0.0"),
        PluginOption("port", "number", default=8080),
        PluginOption("user"),
        PluginOption("password", "password"),
        PluginOption("codec", "codec", default="plain"),
        PluginOption("additional_codecs", "codecs", default={"application/json": "json"}),
        PluginOption("max_content_length", "number", default=MOST_BODY_BYTES),
        PluginOption("response_code", "number", default=200),
        PluginOption("ssl_enabled", "boolean", default=False),
        PluginOption("ssl_certificate"),
        PluginOption("ssl_key"),
    ),
    HttpInput,
)
