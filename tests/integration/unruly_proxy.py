"""A proxy in front of the real Elasticsearch that makes faults by a rule."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import orjson

STATUSES = {"429": 429, "503": 503}
FAULTS = (*STATUSES, "dropped before", "dropped after", "cut", "half", "items", "slow")
"""A status instead of an answer; the connection closed before or after the request took effect; an answer cut off;
an answer of half the shards; bulk items reported as rejected that were written; a late answer."""

SLOW_SECONDS = 0.05

Rule = Callable[[int, bytes], str]
"""Number of the request (from 1), its path and body joined -> the fault, or an empty text."""


class UnrulyProxy:
    """The proxy.

    Attributes
    ----------
    rule : gives the fault of a request.
    requests : their number since `rule` was last set.
    done : how often each fault was made.
    """

    def __init__(self, target: str) -> None:
        self.done: Counter[str] = Counter()
        self._target = urlsplit(target)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.obey()

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def obey(self, rule: Rule = lambda _number, _request: "") -> None:
        """Follow another rule from the next request on, which is number 1; without a rule, pass everything on."""
        with self._lock:
            self.rule, self.requests = rule, 0

    @contextlib.contextmanager
    def serving(self) -> Iterator[UnrulyProxy]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def fault(self, request: bytes) -> str:
        """Return the fault of the next request."""
        with self._lock:
            self.requests += 1
            fault = self.rule(self.requests, request)
            self.done[fault] += 1
            return fault

    def forward(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, str, bytes]:
        """Return status, content type and body of the real answer."""
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port, timeout=60)
        try:
            connection.request(method, path, body, {name: value for name, value in headers.items() if name != "Host"})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type", ""), answer.read()
        finally:
            connection.close()


def spoiled(fault: str, path: str, body: bytes) -> bytes:
    """Return an answer as a cluster in trouble would give it; other answers are not changed."""
    if fault == "half" and "search" in path:
        document = orjson.loads(body)
        for answer in document.get("responses", [document]):
            if "_shards" in answer:
                answer["_shards"] |= {"total": 2, "successful": 1, "failed": 1}
                answer.pop("aggregations", None)
                answer["hits"]["hits"] = answer["hits"]["hits"][::2]
        return orjson.dumps(document)
    if fault == "items" and "_bulk" in path:
        document = orjson.loads(body)
        for item in document["items"][::2]:
            for result in item.values():
                result |= {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "full"}}
        return orjson.dumps(document)
    return body


def _handler(proxy: UnrulyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 60

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault(self.path.encode() + body)
            if fault == "dropped before":
                self.close_connection = True
            elif fault in STATUSES:
                self._respond(STATUSES[fault], "application/json", b'{"error":{"type":"unruly","reason":"told to"}}')
            else:
                status, kind, answer = proxy.forward(self.command, self.path, body, self.headers)
                if fault == "dropped after":
                    self.close_connection = True
                    return
                if fault == "slow":
                    time.sleep(SLOW_SECONDS)
                self._respond(status, kind, spoiled(fault, self.path, answer), cut=fault == "cut")

        def _respond(self, status: int, kind: str, body: bytes, *, cut: bool = False) -> None:
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = self.close_connection or cut

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass_on  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    return Handler
