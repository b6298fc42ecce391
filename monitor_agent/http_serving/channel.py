"""A connection: it takes one request at a time, ends when a time limit is over, and may speak TLS.

The loop's thread reads and closes; a worker's thread writes, too. Each knows how long it may wait, in seconds.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from typing import Any

from waitress.channel import HTTPChannel

from monitor_agent.http_serving.requests import RefusedTask, TimedParser, TimedTask

LOWEST_RATE = 1000.0
"""Bytes a second that a client must send, or take, beyond the time limit."""
LONGEST_BODY_SECONDS = 900.0
LINGER_SECONDS = 2.0
"""How long the rest of a refused request is read and thrown away, so that the client sees the answer, not a reset."""
MOST_UNREAD = 64 * 1024
TLS_RECORD = 16 * 1024
"""The most bytes that TLS sends at once: larger pieces would only be copied."""
TIMED_OUT = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n\r\n"
    b"the request came too late\n"
)
NOT_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 30\r\n\r\n"
    b"this server speaks https here\n"
)


@dataclass(frozen=True)
class TimeLimits:
    """How long a connection may wait, in seconds.

    Attributes
    ----------
    header : for the TLS handshake, and for the header of a request.
    body : for the body of a request; `LOWEST_RATE` gives more time to a body that comes.
    idle : between an answer and the next request.
    answer : for the client to take an answer; `LOWEST_RATE` gives more time to a client that takes it.
    """

    header: float
    body: float
    idle: float
    answer: float

    @property
    def tick(self) -> float:
        """Return how often connections must be looked at."""
        return min(1.0, min(self.header, self.body, self.idle, self.answer) / 4)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection.

    Attributes
    ----------
    waiting_since : when it was opened or its last request was answered, by `time.monotonic`.
    refused : whether the answer refuses a request that was not read to its end.
    """

    parser_class = TimedParser
    task_class = TimedTask
    error_task_class = RefusedTask
    request: TimedParser | None
    close_when_flushed: bool

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.waiting_since = time.monotonic()
        self.refused = False
        self._served = False
        self._ahead = b""
        self._linger_until = 0.0
        self._sent = 0
        self._is_full = False
        self._answer_began = 0.0
        self._sent_before = 0

    @property
    def busy(self) -> bool:
        """Whether a complete request is worked on, or its answer is under way."""
        return bool(self.requests or self.total_outbufs_len or self._ahead)

    @property
    def idle(self) -> bool:
        """Whether no request and no answer is under way."""
        return not self.busy and self.request is None

    @property
    def stalled_since(self) -> float:
        """Return when the client of an answer has taken something for the last time, by `time.time`; 0 = not so."""
        return 0.0 if self.requests or not self.busy else float(self.last_activity)

    def own_address(self) -> str:
        """Return the address of this machine that the client is connected to."""
        with contextlib.suppress(OSError, AttributeError):
            host: str = self.socket.getsockname()[0]
            return host.removeprefix("::ffff:")
        return ""

    def overdue(self, now: float, limits: TimeLimits) -> bool:
        """Return whether the client keeps the connection waiting for longer than it may."""
        if self.total_outbufs_len:
            if not self._answer_began:
                self._answer_began, self._sent_before = now, self._sent
            progress = self._sent - self._sent_before
            return now > self._answer_began + limits.answer + progress / LOWEST_RATE
        self._answer_began = 0.0
        if self.requests:
            return False
        if self._ahead:  # the system's buffers are full: the client does not take the answer before
            return now > self.waiting_since + limits.answer
        if self._linger_until:
            return now > self._linger_until
        request = self.request
        if request is None:
            return now > self.waiting_since + (limits.idle if self._served else limits.header)
        if not request.headers_finished:
            return bool(now > request.began + limits.header)
        allowed = limits.body + request.body_bytes_received / LOWEST_RATE
        return bool(now > request.body_began + min(allowed, max(limits.body, LONGEST_BODY_SECONDS)))

    def end_overdue(self) -> None:
        """Close the connection; a client that has begun a request gets an answer."""
        if self.request is not None and not self.total_outbufs_len and not self._linger_until:
            self.send(TIMED_OUT, do_close=False)
        self.abandon()

    def abandon(self) -> None:
        """Close the connection; what the client has not taken is thrown away, in the system's buffers, too."""
        if self.busy:
            with contextlib.suppress(OSError):
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.handle_close()

    def readable(self) -> bool:
        """Return whether the loop is to read."""
        if self._linger_until:
            return True
        return not (
            self.requests or self.total_outbufs_len or self._ahead or self.will_close or self.close_when_flushed
        )

    def writable(self) -> bool:
        """Return whether the loop is to write, or to take the next request that has come already.

        While a worker sends its answer, the loop must not: it could not write either, would ask again at once, and
        would take the interpreter from the workers.
        """
        if self.will_close or self.close_when_flushed:
            return True
        if self.requests:
            return bool(self.total_outbufs_len and self._is_full)
        return bool(self.total_outbufs_len or self._ahead)

    def handle_read(self) -> None:
        """Read what has come."""
        data = self.recv(self.adj.recv_bytes)
        if data and not self._linger_until:
            self.received(data)
        elif data == b"":
            self.connected = False

    def handle_write(self) -> None:
        """Send what waits; then take the next request, or end the connection."""
        if self._takes_next():
            self.received(b"")
            return
        lingers = self.refused and self.close_when_flushed and not self.will_close
        if lingers:
            self.close_when_flushed = False
        super().handle_write()
        if not lingers or not self.connected:
            return
        if self.total_outbufs_len:
            self.close_when_flushed = True
        else:
            self._linger_until = time.monotonic() + LINGER_SECONDS
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)

    def received(self, data: bytes) -> bool:
        """Read one request; what a client sends ahead waits until its answer is sent."""
        with self.requests_lock:
            if self.will_close or self.close_when_flushed:
                return False
            data, self._ahead = self._ahead + data, b""
            while data:
                if self.requests:
                    self._ahead = data
                    break
                request = self.request = self.request or self.parser_class(self.adj)
                data = data[request.received(data) :]
                if request.completed:
                    self.sent_continue, self.request = False, None
                    if not request.empty:
                        self.requests.append(request)
                        self.server.add_task(self)
                elif request.expect_continue and request.headers_finished and not self.sent_continue:
                    self.send_continue()
        return True

    def service(self) -> None:
        """Answer a request; a worker's thread calls this."""
        super().service()
        self._served = True
        self.waiting_since = time.monotonic()

    def answer(self, data: bytes) -> None:
        """Send a whole answer; the loop's thread calls this. What does not fit into the system's buffers waits."""
        sent = self.send(data) if self.connected and not self.total_outbufs_len else 0
        if self.connected and sent < len(data):
            with self.outbuf_lock:
                self.outbufs[-1].append(data[sent:])
                self.current_outbuf_count += len(data) - sent
                self.total_outbufs_len += len(data) - sent
        with self.requests_lock:
            request = self.requests.pop(0)
        request.close()
        self._served = True
        self.last_activity = time.time()
        self.waiting_since = time.monotonic()
        self.server.look_at(self)

    def add_channel(self, map: Any = None) -> None:  # noqa: A002 - the base class calls it so
        """Add the connection to those that the loop looks at."""
        super().add_channel(map)
        self.server.look_at(self)

    def del_channel(self, map: Any = None) -> None:  # noqa: A002
        """Take the connection out of those that the loop looks at."""
        self.server.forget(self)
        super().del_channel(map)

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Return how many bytes the system has taken; a broken connection is closed."""
        try:
            sent: int = super().send(data, do_close=do_close)
        except (OSError, AttributeError):  # the other thread may have closed it: there is no socket then
            self.will_close = True
            return 0
        return self._noted(sent, data)

    def _noted(self, sent: int, data: bytes) -> int:
        """Note whether the system's buffers are full: then the loop sends the rest when there is room again."""
        self._sent += sent
        self._is_full = sent < len(data)
        return sent

    def recv(self, buffer_size: int) -> bytes | None:
        """Return what has come; empty if the client has gone, None if there is nothing to read yet."""
        try:
            data: bytes = super().recv(buffer_size)
        except OSError:
            self.handle_close()
            return b""
        return data

    def _takes_next(self) -> bool:
        return bool(self._ahead) and not (
            self.requests or self.total_outbufs_len or self.will_close or self.close_when_flushed
        )


class TlsChannel(Channel):
    """A connection that speaks TLS. A lock keeps its two threads out of the TLS library at the same moment."""

    def __init__(self, server: Any, connection: socket.socket, *args: Any, **named: Any) -> None:
        connection.setblocking(False)
        tls = server.certificates.context().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._tls_lock = threading.Lock()
        self._shaking = True
        self._must_write = False
        super().__init__(server, tls, *args, **named)
        self.sendbuf_len = TLS_RECORD

    def readable(self) -> bool:
        """Return whether the loop is to read."""
        return not self._must_write and (self._shaking or super().readable())

    def writable(self) -> bool:
        """Return whether the loop is to write."""
        return self._must_write or (not self._shaking and super().writable())

    def handle_read(self) -> None:
        """Go on with the handshake, or read what has come."""
        if self._shaking:
            self._shake_hands()
        else:
            super().handle_read()

    def handle_write(self) -> None:
        """Go on with what TLS has to send first, or send what waits."""
        if self._must_write:
            self._must_write = False
            self.handle_read()
        else:
            super().handle_write()

    def send(self, data: bytes, do_close: bool = True) -> int:  # noqa: ARG002 - the base class calls it so
        """Return how many bytes TLS has taken; a broken connection is closed."""
        try:
            with self._tls_lock:
                sent: int = self.socket.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return self._noted(0, data)
        except (OSError, ValueError, AttributeError):
            self.will_close = True
            return 0
        return self._noted(sent, data)

    def recv(self, buffer_size: int) -> bytes | None:
        """Return what has come, with all that TLS has decrypted already: the loop would not hear of it."""
        pieces = []
        try:
            with self._tls_lock:
                pieces.append(self.socket.recv(buffer_size))
                while pending := self.socket.pending():
                    pieces.append(self.socket.recv(pending))
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            self._must_write = True
        except (OSError, ValueError):
            pieces = [b""]
        if pieces and not any(pieces):
            self.handle_close()
            return b""
        return b"".join(pieces) or None

    def handle_close(self) -> None:
        """Say goodbye, and close."""
        if not self._shaking and self.socket is not None:
            with contextlib.suppress(OSError, ValueError), self._tls_lock:
                self.socket.unwrap()
        super().handle_close()

    def _shake_hands(self) -> None:
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            self._must_write = True
        except (OSError, ValueError) as error:
            if getattr(error, "reason", "") == "HTTP_REQUEST":
                with contextlib.suppress(OSError):
                    socket.socket.send(self.socket, NOT_TLS)
                    socket.socket.recv(self.socket, MOST_UNREAD)  # what is unread at the end becomes a reset
            self.handle_close()
        else:
            self._shaking = False
