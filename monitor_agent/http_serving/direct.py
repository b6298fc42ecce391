"""Requests that the thread of the loop answers itself, without a thread and a call of WSGI for each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from waitress.utilities import build_http_date

from monitor_agent.http_serving.requests import TimedParser

KEEP_ALIVE = ("", "keep-alive")


class DirectRequest:
    """A whole and valid request of HTTP/1.1 over a connection that stays open. Any thread may answer it, once.

    Attributes
    ----------
    headers : names in capital letters with underscores, such as `X_REQUEST_ID`.
    received_at : when its first byte arrived, by `time.perf_counter_ns`.

    Parameters
    ----------
    server : sends the answer, or lets the application answer; see `DirectServer`.
    """

    __slots__ = ("_server", "channel", "headers", "parser", "path", "received_at")

    def __init__(self, channel: Any, parser: TimedParser, server: DirectServer) -> None:
        self._server = server
        self.channel = channel
        self.parser = parser
        self.path = parser.path
        self.headers: Mapping[str, str] = parser.headers
        self.received_at = parser.received_at

    @property
    def size(self) -> int:
        """The number of bytes of the body."""
        return int(self.parser.body_bytes_received)

    def body(self) -> bytes:
        """Return the body."""
        receiver = self.parser.body_rcv
        content: bytes = receiver.getbuf().get(self.size) if receiver is not None else b""
        return content

    def answer(self, body: bytes, headers: Iterable[tuple[str, str]]) -> None:
        """Answer with the status 200; `Content-Length` and `Date` are added, and no browser guesses the type."""
        lines = [
            *headers,
            ("Content-Length", str(len(body))),
            ("Date", self._server.date()),
            ("X-Content-Type-Options", "nosniff"),
        ]
        head = "\r\n".join(f"{name}: {value}" for name, value in sorted(lines))
        self._server.send_later(self.channel, f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode("latin-1") + body)

    def decline(self, environ: Mapping[str, Any]) -> None:
        """Let the application answer in a thread of its own, with further entries in its environment."""
        self.parser.further_environ = environ
        self._server.let_application_answer(self.channel)


class DirectHandler(Protocol):
    """Answers some requests in the thread of the loop."""

    def attach(self, wake: Callable[[], None]) -> None:
        """Take a function that lets the loop call `turn` soon; any thread may call it."""

    def begin(self, request: DirectRequest) -> bool:
        """Take a request, without waiting for anything; False = the application answers it."""

    def turn(self) -> float:
        """Go on with all requests; return the seconds after which this must be called again at the latest.

        If it takes long, another thread goes on with the loop meanwhile, and may call it, too.
        """


class DirectServer(Protocol):
    """What a direct request needs of its server."""

    def send_later(self, channel: Any, data: bytes) -> None:
        """Let the loop send an answer."""

    def let_application_answer(self, channel: Any) -> None:
        """Hand a request over to the threads of the application."""

    def date(self) -> str:
        """Return the time of now for the header `Date`."""


class HttpDate:
    """The time of now for the header `Date`: made once a second."""

    def __init__(self) -> None:
        self._second, self._text = 0, ""

    def __call__(self) -> str:
        """Return the time of now."""
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, build_http_date(second)
        return self._text


def direct_request(channel: Any, server: DirectServer) -> DirectRequest | None:
    """Return the request of a connection; None if only the application can answer it."""
    parser = channel.requests[0]
    headers = parser.headers
    if (
        parser.error is not None
        or parser.version != "1.1"
        or parser.command != "POST"
        or parser.query
        or parser.proxy_netloc
        or headers.get("CONNECTION", "").lower() not in KEEP_ALIVE
    ):
        return None
    return DirectRequest(channel, parser, server)
