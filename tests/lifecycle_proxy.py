"""A proxy before a real Elasticsearch without lifecycle policies that behaves as one that has them.

It takes the requests of the API of lifecycle policies, and passes all others on. It deletes nothing itself: whether a
real policy deletes an index at the age that its settings say is not tested here.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError

NAME, ORIGIN = "index.lifecycle.name", "index.lifecycle.origination_date"
_HEADERS = ("Authorization", "Content-Type", "Accept")


class Lifecycles(ThreadingHTTPServer):
    """The proxy.

    Attributes
    ----------
    managed : the indices that a policy manages.
    origins : index -> the time from which its age is counted, in milliseconds.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.managed: set[str] = set()
        self.origins: dict[str, int] = {}

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Lifecycles

    def __getattr__(self, name: str) -> Any:
        """Return what answers a request, whatever its method."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        steps = self.path.partition("?")[0].strip("/").split("/")
        if steps[1:] == ["_ilm", "remove"]:
            self.server.managed.discard(steps[0])
            self._send(200, {"x-elastic-product": "Elasticsearch"}, b'{"has_failures":false,"failed_indexes":[]}')
            return
        if self.command == "PUT" and len(steps) == 1 and ORIGIN.encode() in body:
            document = json.loads(body)
            self.server.origins[steps[0]] = document["settings"].pop(ORIGIN)
            self.server.managed.add(steps[0])
            body = json.dumps(document).encode()
        status, headers, content = self._passed_on(body)
        if steps[0] == "_index_template" and self.command == "GET" and status == 200:
            document = json.loads(content)
            for entry in document["index_templates"]:
                entry["index_template"]["template"]["settings"][NAME] = "a-policy"
            content = json.dumps(document).encode()
        if steps[-2:] == ["_settings", NAME] and status == 200:
            document = json.loads(content)
            for name in self.server.managed:
                document[name] = {"settings": {"index": {"lifecycle": {"name": "a-policy"}}}}
            content = json.dumps(document).encode()
        self._send(status, headers, content)

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: self.headers[name] for name in _HEADERS if name in self.headers}
        request = urllib.request.Request(self.server.upstream + self.path, body or None, headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _small(answer.headers.items()), answer.read()
        except HTTPError as error:
            with error:
                return error.code, _small(error.headers.items()), error.read()

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", headers.get("content-type", "application/json"))
        self.send_header("X-Elastic-Product", headers["x-elastic-product"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _small(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


@contextmanager
def lifecycles_before(url: str) -> Iterator[Lifecycles]:
    """Yield a running proxy before an Elasticsearch."""
    server = Lifecycles(url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
