"""The server: it listens, keeps its limits, lets the application answer, and ends cleanly."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import structlog
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from monitor_agent.http_serving.certificates import Certificates
from monitor_agent.http_serving.channel import Channel, TimeLimits, TlsChannel
from monitor_agent.http_serving.direct import DirectHandler, HttpDate, direct_request
from monitor_agent.http_serving.gate import Gate
from monitor_agent.http_serving.listener import room_for, url_of
from monitor_agent.http_serving.readiness import Readiness
from monitor_agent.http_serving.relay import Relay
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
    direct : answers some requests in the thread of the loop; None = the application answers all.
    """

    application: Any
    threads: int
    max_body_bytes: int
    answers_refusals: bool = False
    direct: DirectHandler | None = None


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
        self._host = host
        self._tls = bool(settings.tls_cert)
        certificates = Certificates(settings.tls_cert, settings.tls_key, settings.prefix) if self._tls else None
        self._server = _Listener(
            Gate(served.application, host, settings, answers_refusals=served.answers_refusals),
            served,
            listener,
            settings,
            certificates,
        )
        self._direct = served.direct
        self._relay = Relay(self._serve)
        self._drain_until = 0.0

    @property
    def address(self) -> str:
        """The server's URL, such as `http://127.0.0.1:8500`."""
        host, port = self._server.socket.getsockname()[:2]
        return url_of(self._host or host, port, tls=self._tls)

    def run(self) -> None:
        """Serve until `stop` or Ctrl-C; then accept no more connections and finish the requests in flight."""
        serve = self._serve if self._direct is None else self._relay.run
        try:
            serve()
        except KeyboardInterrupt:
            self.stop()
            serve()
        server = self._server
        if server.active_channels:
            _log.warning("requests cut off", connections=len(server.active_channels))
        server.task_dispatcher.shutdown(timeout=1)
        server.end()

    def stop(self) -> None:
        """Let `run` end; a signal handler may call this."""
        self._stopping = True
        self._server.pull_trigger()

    def _serve(self) -> None:
        """Serve until all is done, or another thread has taken over."""
        server = self._server
        while not self._stopping:
            if not self._step(server.tick):
                return
            server.keep_limits()
        if not self._drain_until:
            self._drain_until = time.monotonic() + DRAIN_SECONDS
            server.end_listening()
        while server.active_channels and time.monotonic() < self._drain_until:
            if not self._step(DRAIN_POLL_SECONDS):
                return
            server.close_overdue()
            for channel in list(server.active_channels.values()):
                if channel.idle:
                    channel.handle_close()

    def _step(self, longest: float) -> bool:
        """Go once through the loop; return whether this thread goes on with it."""
        server = self._server
        server.wait(longest)
        if self._direct is None:
            return True
        if not self._relay.guarded(server.turn):
            server.wake()
            return False
        server.send_answers()
        return True


class _Listener(TcpWSGIServer):  # type: ignore[misc]
    """The listening socket and its connections; all in the thread of the loop.

    Attributes
    ----------
    tick : seconds between two looks at the time limits.
    """

    def __init__(
        self,
        application: Gate,
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
        channels: dict[int, Any] = {}
        self.readiness = Readiness(channels)
        self._direct = served.direct
        self._gate = application
        self._answers: deque[tuple[Channel, bytes]] = deque()
        self._is_awake = False
        self._has_ended = False
        self._trigger_lock = threading.RLock()  # a signal may come while it is held
        self._next_turn = self.tick
        self.date = HttpDate()
        if served.direct is not None:
            served.direct.attach(self.wake)
        super().__init__(
            application,
            channels,
            True,
            listener,
            dispatcher=dispatcher,
            adj=adjustments,
            bind_socket=False,
            sockinfo=place,
        )

    def readable(self) -> bool:
        """Return whether connections are accepted now."""
        return bool(self.accepting and time.monotonic() >= self._full_until)

    def wait(self, longest: float) -> None:
        """Let the connections that are ready read or write; wait for the first one for this time at most."""
        self.readiness.look_at(self._fileno)  # whether it accepts connections depends on the time
        self.readiness.wait(min(longest, self._next_turn))

    def look_at(self, channel: Channel) -> None:
        """Ask again what a connection waits for."""
        self.readiness.look_at(channel._fileno)

    def forget(self, channel: Channel) -> None:
        """Ask no longer about a connection."""
        if channel._fileno is not None:
            self.readiness.forget(channel._fileno)

    def pull_trigger(self, thunk: Any = None) -> None:  # noqa: ARG002 - the base class calls it so
        """Wake up the loop: a worker has changed a connection."""
        self.readiness.look_at_all()
        self._pull()

    def wake(self) -> None:
        """Let the loop go on with direct requests."""
        if not self._is_awake:
            self._is_awake = True
            self._pull()

    def _pull(self) -> None:
        with self._trigger_lock:
            if not self._has_ended:
                self.trigger.pull_trigger()

    def end(self) -> None:
        """Close what is left when the loop has ended."""
        with self._trigger_lock:
            self._has_ended = True
            self.trigger.close()
        self.readiness.close()

    def add_task(self, task: Channel) -> None:
        """Let a request be answered: directly, or else by a worker's thread."""
        if self._direct is not None:
            request = direct_request(task, self)
            if request is not None and self._gate.admits(request) and self._direct.begin(request):
                return
        super().add_task(task)

    def turn(self) -> None:
        """Go on with the direct requests; while this takes long, another thread may have the loop."""
        self._is_awake = False
        assert self._direct is not None
        self._next_turn = self._direct.turn()

    def send_later(self, channel: Channel, data: bytes) -> None:
        """Let the loop send an answer."""
        self._answers.append((channel, data))

    def let_application_answer(self, channel: Channel) -> None:
        """Hand a request over to the threads of the application."""
        super().add_task(channel)

    def send_answers(self) -> None:
        """Send the answers that are ready."""
        while self._answers:
            channel, data = self._answers.popleft()
            channel.answer(data)

    def end_listening(self) -> None:
        """Accept no more connections."""
        self.accepting = False
        self.forget(self)
        self.del_channel()
        self.socket.close()

    def keep_limits(self) -> None:
        """Close connections that are overdue, and read renewed certificates, if it is time.

        This closes connections, so it must not run while the loop has a list of them: a new one could get the
        number of a closed one, and be closed in its place.
        """
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + self.tick
            self.close_overdue()
            self.readiness.look_at_all()
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
