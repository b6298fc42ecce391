"""The HTTP server: waitress, with requests timed from their first byte, errors left to the application, a clean end."""

from __future__ import annotations

import logging
import socket
import time
from typing import Any

import structlog
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from waitress.task import WSGITask

from monitor_agent.errors import PortInUseError

RECEIVED = "model_server.received"
"""WSGI key: when the request's first byte arrived, by `time.perf_counter_ns`."""
REFUSAL = "model_server.refusal"
"""WSGI key: status and reason of a refusal: the request is no valid HTTP, or too large to be read."""
MAX_BODIES_READ = 16
"""Bodies up to this multiple of the allowed size are read to their end: the client then gets an answer, not a reset."""
MAX_CONNECTIONS = 1000
DRAIN_SECONDS = 15.0
POLL_SECONDS = 1.0
DRAIN_POLL_SECONDS = 0.02
_log = structlog.get_logger()


class _TimedParser(HTTPRequestParser):  # type: ignore[misc]
    """A request with the time of its first byte; it has a path even if its first line is broken."""

    command, path, query, request_uri, url_scheme = "", "", "", "", "http"

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.received_at = time.perf_counter_ns()


class _TimedTask(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[RECEIVED] = self.request.received_at
        return environ


class _RefusedTask(_TimedTask):
    """Lets the application answer a request that cannot be read."""

    def execute(self) -> None:
        error = self.request.error
        self.get_environment()[REFUSAL] = (error.code, error.body)
        self.set_close_on_finish()
        super().execute()


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _TimedParser
    task_class = _TimedTask
    error_task_class = _RefusedTask

    @property
    def idle(self) -> bool:
        """Whether no request and no answer is under way."""
        return not self.requests and self.request is None and not self.total_outbufs_len


class HttpServer:
    """Serves an application on a bound socket until `stop` is called."""

    def __init__(self, application: Any, listener: socket.socket, *, threads: int, max_body_bytes: int) -> None:
        _take_over_logging()
        self._stopping = False
        self._server = create_server(
            application,
            sockets=[listener],
            threads=threads,
            connection_limit=MAX_CONNECTIONS,
            max_request_body_size=MAX_BODIES_READ * max_body_bytes,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
        self._server.channel_class = _Channel

    @property
    def address(self) -> str:
        """The server's URL, such as `http://127.0.0.1:8500`."""
        return address_of(self._server.socket)

    def run(self) -> None:
        """Serve until `stop` is called; then accept no more connections and finish the requests in flight."""
        while not self._stopping:
            self._server.asyncore.loop(timeout=POLL_SECONDS, use_poll=True, map=self._server._map, count=1)
        self._drain()

    def stop(self) -> None:
        """Let `run` end; a signal handler may call this."""
        self._stopping = True
        self._server.pull_trigger()

    def _drain(self) -> None:
        server = self._server
        server.accepting = False
        server.del_channel()
        server.socket.close()
        until = time.monotonic() + DRAIN_SECONDS
        while server.active_channels and time.monotonic() < until:
            server.asyncore.loop(timeout=DRAIN_POLL_SECONDS, use_poll=True, map=server._map, count=1)
            for channel in list(server.active_channels.values()):
                if channel.idle:
                    channel.handle_close()
        if server.active_channels:
            _log.warning("requests cut off", connections=len(server.active_channels))
        server.task_dispatcher.shutdown(timeout=1)


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, but does not listen yet; port 0 = any free one.

    Raises
    ------
    PortInUseError
        If the socket cannot be bound to the address.
    """
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise PortInUseError(
            f"the server cannot listen on {host}:{port} ({reason})",
            "set MODEL_SERVER_HOST and MODEL_SERVER_PORT; port 0 = any free one",
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Return a socket's address as a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _ToStructlog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write a line of waitress to the service log."""
        _log.log(record.levelno, record.getMessage(), exc_info=record.exc_info or None)


def _take_over_logging() -> None:
    """Let waitress write to the service log, without its warnings that requests wait: events hold the waiting time."""
    logger = logging.getLogger("waitress")
    logger.handlers = [_ToStructlog()]
    logger.propagate = False
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
