"""A server that sends prepared answers, one after the other, and records the requests."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

OK_SHARDS = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}


@dataclass(frozen=True)
class Answer:
    """One answer: a status and a body; or a connection that is `dropped`, or `cut` in the middle, or late.

    A body that is a function gets the lines of the request. Without `has_product` another server has answered: the
    header of Elasticsearch is missing.
    """

    body: Any = None
    status: int = 200
    dropped: bool = False
    cut: bool = False
    after_seconds: float = 0.0
    content_type: str = "application/json"
    has_product: bool = True


@dataclass
class Server:
    """Sends its answers in order, the last one again and again.

    Attributes
    ----------
    requests : method, path and lines of the body of each request.
    """

    answers: list[Answer]
    url: str = ""
    requests: list[tuple[str, str, list[Any]]] = field(default_factory=list)

    @staticmethod
    def lines(body: bytes) -> list[Any]:
        """Return the lines of a request's body."""
        return [orjson.loads(line) for line in body.splitlines()]

    def next(self, method: str, path: str, body: bytes) -> Answer:
        """Return the answer to a request."""
        self.requests.append((method, path, self.lines(body)))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextlib.contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    """Yield the running server."""
    recorder = Server(list(answers))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(recorder))
    recorder.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = server.next(self.command, self.path, body)
            time.sleep(answer.after_seconds)
            if answer.dropped:
                self.close_connection = True
                return
            content = answer.body(server.lines(body)) if callable(answer.body) else answer.body
            text = content if isinstance(content, bytes) else orjson.dumps(content)
            with contextlib.suppress(OSError):
                self.send_response(answer.status)
                if answer.has_product:
                    self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text[: len(text) // 2] if answer.cut else text)
            self.close_connection = self.close_connection or answer.cut

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Write no log."""

    return Handler
