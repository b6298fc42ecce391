"""A receiver of notifications: it takes what Apprise's `json://` sends, or refuses it, as a test wants."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What has been sent to a receiver.

    Attributes
    ----------
    port : where it listens; it stays the same while the receiver is down.
    messages : the messages that it has messages, in order, each with its key.
    status : how it answers.
    """

    port: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    status: HTTPStatus = HTTPStatus.OK
    refused: int = 0

    def url(self, path: str = "alerts") -> str:
        """Return its address for Apprise, with a password."""
        return f"json://planted-user:planted-password@127.0.0.1:{self.port}/{path}"

    def about(self, alert: str) -> list[str]:
        """Return the first words of the titles about an alert, in order."""
        return [
            message["title"].partition("]")[0].strip("[")
            for message in self.messages
            if f"alert {alert}," in message["message"]
        ]

    @property
    def keys(self) -> list[str]:
        """The keys of the messages, in order."""
        return [message["key"] for message in self.messages]


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Yield a receiver that answers."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if receiver.status == HTTPStatus.OK:
                receiver.messages.append({**body, "key": self.headers["Idempotency-Key"], "path": self.path})
            else:
                receiver.refused += 1
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
