"""An HTTP server of the product in a thread of this process, on a port of its own."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from monitor_agent.http_serving.listener import bind
from monitor_agent.http_serving.server import HttpServer, ServedApplication
from monitor_agent.settings import ServerSettings

PATIENCE = 30.0


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its headers without the date, its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class RunningServer:
    """A server that runs; `stop` lets it end."""

    def __init__(self, server: HttpServer, thread: threading.Thread) -> None:
        self._server = server
        self._thread = thread
        self.port = int(server.address.rpartition(":")[2])

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def client(self) -> http.client.HTTPConnection:
        """Return a client that keeps its connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def begin_to_stop(self) -> None:
        """Let the server finish its requests and end."""
        self._server.stop()

    def stop(self) -> None:
        """Let the server end, and wait for it."""
        self._server.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@contextmanager
def running(served: ServedApplication) -> Iterator[RunningServer]:
    """Yield a server; it must end in time."""
    listener = bind("127.0.0.1", 0, "the server", "free a port")
    server = HttpServer(served, listener, "127.0.0.1", ServerSettings())
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    started = RunningServer(server, thread)
    try:
        yield started
    finally:
        started.stop()


def exchange(
    client: http.client.HTTPConnection, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> Reply:
    """Send a request over a connection that stays open, and return the answer."""
    client.request(method, path, body, dict(headers))
    answer = client.getresponse()
    content = answer.read()
    return Reply(answer.status, {name: value for name, value in answer.getheaders() if name != "Date"}, content)
