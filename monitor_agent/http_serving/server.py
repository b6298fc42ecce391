"""The server: it listens, keeps its limits, lets the application answer, and ends cleanly."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from monitor_agent.http_serving.certificates import Certificates
from monitor_agent.http_serving.channel import Channel, TimeLimits, TlsChannel
from monitor_agent.http_serving.host_names import AllowedHosts
from monitor_agent.http_serving.listener import room_for, url_of
from monitor_agent.http_serving.proxies import TrustedProxies
from monitor_agent.http_serving.requests import OWN_ADDRESS, REFUSAL
from monitor_agent.settings import HttpSettings

MAX_BODIES_READ = 16
"""Bodies up to this multiple of the allowed size are read to their end: the client then gets an answer, not a reset."""
MAX_HEADER_BYTES = 64 * 1024
MAX_WAITING_ANSWER = 1 << 30
"""Answers wait for slow clients in memory and files, not in the thread that made them: it has other work to do."""
ACCEPTED_AT_ONCE = 64
FULL_SECONDS = 0.05
"""How long the server accepts nothing after it has found all connections at work."""
STALLED_SECONDS = 5.0
"""If all connections are at work, one whose client has taken nothing of its answer for this time may be closed."""
REPORT_SECONDS = 60.0
DRAIN_SECONDS = 15.0
DRAIN_POLL_SECONDS = 0.02
_log = structlog.get_logger()


@dataclass(frozen=True)
class ServedApplication:
    """What a server serves.

    Attributes
    ----------
    application : the WSGI application.
    threads : requests that are handled at the same time.
    max_body_bytes : the largest body that the application accepts.
    answers_refusals : whether the application answers requests with the key `REFUSAL`; if not, the answer is one line.
    """

    application: Any
    threads: int
    max_body_bytes: int
    answers_refusals: bool = False


class HttpServer:
    """Serves an application on a bound socket until `stop` is called.

    Parameters
    ----------
    host : the address of the settings; it is the one in the URL.

    Raises
    ------
    SettingsError
        If the certificate cannot be used.
    """

    def __init__(self, served: ServedApplication, listener: socket.socket, host: str, settings: HttpSettings) -> None:
        _take_over_logging()
        self._stopping = False
        self._ended = False
        self._host = host
        self._tls = bool(settings.tls_cert)
        certificates = Certificates(settings.tls_cert, settings.tls_key, settings.prefix) if self._tls else None
        self._server = _Listener(_Gate(served, host, settings), served, listener, settings, certificates)

    @property
    def address(self) -> str:
        """The server's URL, such as `http://127.0.0.1:8500`."""
        host, port = self._server.socket.getsockname()[:2]
        return url_of(self._host or host, port, tls=self._tls)

    def run(self) -> None:
        """Serve until `stop` or Ctrl-C; then accept no more connections and finish the requests in flight."""
        with contextlib.suppress(KeyboardInterrupt):
            while not self._stopping:
                self._loop(self._server.tick)
                self._server.keep_limits()
        self._drain()

    def stop(self) -> None:
        """Let `run` end; a signal handler may call this."""
        self._stopping = True
        if not self._ended:
            self._server.pull_trigger()

    def _loop(self, seconds: float) -> None:
        self._server.asyncore.loop(timeout=seconds, use_poll=True, map=self._server._map, count=1)

    def _drain(self) -> None:
        server = self._server
        server.accepting = False
        server.del_channel()
        server.socket.close()
        until = time.monotonic() + DRAIN_SECONDS
        while server.active_channels and time.monotonic() < until:
            self._loop(DRAIN_POLL_SECONDS)
            server.close_overdue()
            for channel in list(server.active_channels.values()):
                if channel.idle:
                    channel.handle_close()
        if server.active_channels:
            _log.warning("requests cut off", connections=len(server.active_channels))
        server.task_dispatcher.shutdown(timeout=1)
        self._ended = True
        server.trigger.close()


class _Listener(TcpWSGIServer):  # type: ignore[misc]
    """The listening socket and its connections; all in the thread of the loop.

    Attributes
    ----------
    tick : seconds between two looks at the time limits.
    """

    def __init__(
        self,
        application: Any,
        served: ServedApplication,
        listener: socket.socket,
        settings: HttpSettings,
        certificates: Certificates | None,
    ) -> None:
        self.certificates = certificates
        self._limits = TimeLimits(
            settings.header_timeout.total_seconds(),
            settings.body_timeout.total_seconds(),
            settings.idle_timeout.total_seconds(),
            settings.answer_timeout.total_seconds(),
        )
        self.tick = self._limits.tick
        self._most = room_for(settings.max_connections, f"{settings.prefix}_MAX_CONNECTIONS")
        self._next_look = self._full_until = self._next_report = 0.0
        self.channel_class = TlsChannel if certificates else Channel
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(served.threads)
        adjustments = Adjustments(
            sockets=[listener],
            threads=served.threads,
            backlog=1024,
            max_request_header_size=MAX_HEADER_BYTES,
            max_request_body_size=MAX_BODIES_READ * served.max_body_bytes,
            outbuf_high_watermark=MAX_WAITING_ANSWER,
            url_scheme="https" if certificates else "http",
            clear_untrusted_proxy_headers=False,
            ident=None,
        )
        place = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            application, {}, True, listener, dispatcher=dispatcher, adj=adjustments, bind_socket=False, sockinfo=place
        )

    def readable(self) -> bool:
        """Return whether connections are accepted now."""
        return bool(self.accepting and time.monotonic() >= self._full_until)

    def keep_limits(self) -> None:
        """Close connections that are overdue, and read renewed certificates, if it is time.

        This closes connections, so it must not run while the loop has a list of them: a new one could get the
        number of a closed one, and be closed in its place.
        """
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + self.tick
            self.close_overdue()
            if self.certificates:
                self.certificates.refresh()

    def close_overdue(self) -> None:
        """Close the connections whose clients take too long."""
        now = time.monotonic()
        for channel in list(self.active_channels.values()):
            if channel.overdue(now, self._limits):
                channel.end_overdue()

    def handle_accept(self) -> None:
        """Accept what waits; at the limit, close the connections that have waited longest without a request."""
        for _ in range(ACCEPTED_AT_ONCE):
            longest = None
            if len(self.active_channels) >= self._most:
                longest = self._longest_waiting()
                if longest is None:  # all are at work: new clients wait in the system's queue
                    self._full_until = time.monotonic() + FULL_SECONDS
                    return
            try:
                accepted = self.accept()
            except OSError as error:
                self._report(f"a connection cannot be accepted ({error.strerror})")
                self._full_until = time.monotonic() + FULL_SECONDS
                return
            if accepted is None:
                return
            self._open(*accepted)
            if longest is not None:
                self._report(f"{self._most} connections are open: those that wait longest for a request are closed")
                longest.abandon()
                return  # the next connection would get its number, for which the loop may still have events

    def _open(self, connection: socket.socket, address: Any) -> None:
        try:
            self.set_socket_options(connection)
            self.channel_class(self, connection, address, self.adj, map=self._map)
        except (OSError, ValueError):  # the client has gone already
            connection.close()

    def _longest_waiting(self) -> Channel | None:
        """Return the connection to close for a new one: without a request, or with an answer that nobody takes."""
        channels: list[Channel] = list(self.active_channels.values())
        idle = [channel for channel in channels if not channel.busy]
        if idle:
            return min(idle, key=lambda channel: channel.waiting_since)
        long_ago = time.time() - STALLED_SECONDS
        stalled = (channel for channel in channels if 0 < channel.stalled_since < long_ago)
        return min(stalled, key=lambda channel: channel.stalled_since, default=None)

    def _report(self, message: str) -> None:
        now = time.monotonic()
        if now >= self._next_report:
            self._next_report = now + REPORT_SECONDS
            _log.warning(message)


class _Gate:
    """The application behind the rules of proxies and host names."""

    def __init__(self, served: ServedApplication, host: str, settings: HttpSettings) -> None:
        self._application = served.application
        self._answers_refusals = served.answers_refusals
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._hosts = AllowedHosts(host, settings.allowed_hosts)
        names = f"{settings.prefix}_ALLOWED_HOSTS"
        self._unknown_host = f"this server does not answer to that host name; {names} lists those that it answers to"

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self._proxies.apply(environ)
        if REFUSAL not in environ:
            header = environ.get("HTTP_HOST")
            if header is not None and not self._hosts.accept(header, environ[OWN_ADDRESS]):
                environ[REFUSAL] = (HTTPStatus.MISDIRECTED_REQUEST, self._unknown_host)
        if REFUSAL in environ and not self._answers_refusals:
            return _refuse(environ, start_response)
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer


def _refuse(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    status, reason = HTTPStatus(environ[REFUSAL][0]), environ[REFUSAL][1]
    body = f"{' '.join(reason.split())}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


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
