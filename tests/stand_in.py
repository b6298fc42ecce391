"""A stand-in for Elasticsearch's bulk interface that keeps documents by index and id, and fails as a test wants."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

MAPPING_ERROR = {"type": "document_parsing_exception", "reason": "the rule says so"}


@dataclass
class Faults:
    """The faults of the stand-in, as shares of requests or of documents.

    Attributes
    ----------
    statuses : share of whole requests by their status.
    items : share of refused documents by their status; 400 is never the answer to a dead letter, nor to a document
        that is stored already.
    dropped_before, dropped_after : connections closed without an answer, before or after the documents are kept.
    late : requests answered after a tenth of a second.
    largest : bodies with more bytes are answered 413.
    page : status, content type and body that a proxy answers to every request; None = no proxy.
    largest_of_proxy : a proxy answers 413 and a page to bodies with more bytes.
    blocked : status and error of each document of an index.
    refused : documents that hold this text are refused for good, as by a mapping.
    """

    statuses: dict[int, float] = field(default_factory=dict)
    items: dict[int, float] = field(default_factory=dict)
    dropped_before: float = 0.0
    dropped_after: float = 0.0
    late: float = 0.0
    largest: int = 0
    page: tuple[int, str, bytes] | None = None
    largest_of_proxy: int = 0
    blocked: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    refused: bytes = b""


class StandIn:
    """The server; documents that hold `poison` are refused for good.

    Attributes
    ----------
    documents : by index and id.
    answers : count of answers by status or kind of fault.
    authorization : the header `Authorization` of the last request.
    """

    def __init__(self, seed: int = 1, port: int = 0) -> None:
        self.faults = Faults()
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.answers: Counter[str] = Counter()
        self.authorization = ""
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _handler(self))

    @property
    def port(self) -> int:
        """Return the port."""
        return self._server.server_port

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.port}"

    def of(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Return the documents of the indices with this prefix, by id."""
        with self._lock:
            return {id_: document for (index, id_), document in self.documents.items() if index.startswith(prefix)}

    @contextlib.contextmanager
    def serving(self) -> Iterator[StandIn]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def page(self, size: int) -> tuple[int, str, bytes] | None:
        """Return what a proxy answers to a request of this size; None if it passes the request on."""
        if self.faults.page is None and 0 < self.faults.largest_of_proxy < size:
            return 413, "text/html", b"<html><h1>413 Request Entity Too Large</h1></html>"
        if self.faults.page is not None:
            with self._lock:
                self.answers["page"] += 1
        return self.faults.page

    def answer(self, body: bytes) -> tuple[int, bytes] | None:
        """Return status and body of the answer to a bulk request; None if the connection is dropped."""
        with self._lock:
            if self.faults.largest and len(body) > self.faults.largest:
                return self._whole(413)
            for status, share in self.faults.statuses.items():
                if self._random.random() < share:
                    return self._whole(status)
            if self._random.random() < self.faults.dropped_before:
                self.answers["dropped before"] += 1
                return None
            lines = body.split(b"\n")[:-1]
            if not all(_is_id(orjson.loads(action)["create"]["_id"]) for action in lines[::2]):
                return self._whole(400)
            items = [self._item(action, source) for action, source in zip(lines[::2], lines[1::2], strict=True)]
            if self._random.random() < self.faults.dropped_after:
                self.answers["dropped after"] += 1
                return None
            late = self._random.random() < self.faults.late
        if late:
            time.sleep(0.1)
        errors = any("error" in item["create"] for item in items)
        return 200, orjson.dumps({"errors": errors, "items": items})

    def _whole(self, status: int) -> tuple[int, bytes]:
        self.answers[f"request {status}"] += 1
        return status, b'{"error":{"type":"stand_in","reason":"as the test wants"}}'

    def _item(self, action: bytes, source: bytes) -> dict[str, Any]:
        target = orjson.loads(action)["create"]
        key = target["_index"], target["_id"]
        if key[0] in self.faults.blocked:
            self.answers["blocked"] += 1
            status, error = self.faults.blocked[key[0]]
            return {"create": {"status": status, "error": error}}
        letter = "deadletters" in key[0]
        acceptable = letter or key in self.documents
        status = 201
        for failing, share in self.faults.items.items():
            if self._random.random() < share and not (failing == 400 and acceptable):
                status = failing
        if b"poison" in source and not letter:
            status = 400
        elif status == 201 and key in self.documents:
            status = 409
        self.answers[f"item {status}"] += 1
        if status == 201 and self.faults.refused and self.faults.refused in source and not letter:
            return {"create": {"status": 400, "error": MAPPING_ERROR}}
        if status == 201:
            self.documents[key] = json.loads(source)  # unlike orjson, it reads whole numbers of any length
            return {"create": {"status": 201}}
        return {"create": {"status": status, "error": {"type": "stand_in", "reason": "as the test wants"}}}


def _is_id(text: str) -> bool:
    """Return whether Elasticsearch takes a document's id; it refuses a whole request because of another one."""
    return 1 <= len(text.encode()) <= 512


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a client that was killed."""


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 30

        def do_POST(self) -> None:
            stand_in.authorization = self.headers.get("Authorization", "")
            request = self.rfile.read(int(self.headers["Content-Length"]))
            if page := stand_in.page(len(request)):
                self.respond(*page)
                return
            answer = stand_in.answer(request)
            if answer is None:
                self.close_connection = True
                return
            status, body = answer
            self.respond(status, "application/json", body)

        def do_GET(self) -> None:
            self.respond(*(stand_in.page(0) or (405, "text/html", b"<html>only POST</html>")))

        def respond(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if status == 302:
                self.send_header("Location", "https://sso.example/login?token=secret")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
