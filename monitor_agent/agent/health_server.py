"""The health page: `/healthz`, `/livez` and `/metrics` over HTTP, in a thread of its own."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import structlog

from monitor_agent.agent.exposition import CONTENT_TYPE
from monitor_agent.agent.health import Health
from monitor_agent.contracts.cycle import STATUS_GREEN
from monitor_agent.errors import PortInUseError

JSON = "application/json"
Answer = tuple[int, str, bytes]


@contextlib.contextmanager
def health_server(host: str, port: int | None, health: Health, metrics: Callable[[], str]) -> Iterator[str]:
    """Yield the address of the health page, or "" if `port` is None; close the page afterwards.

    Parameters
    ----------
    metrics : returns the text of `/metrics`.

    Raises
    ------
    PortInUseError
        If another process listens on the port.
    """
    if port is None:
        yield ""
        return

    class Handler(BaseHTTPRequestHandler):
        """Answers GET and HEAD."""

        def do_GET(self) -> None:
            """Answer with a body."""
            self._answer(body=True)

        def do_HEAD(self) -> None:
            """Answer without a body."""
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            status, kind, content = answer(self.path, health, metrics)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Log nothing: a probe every few seconds would fill the log."""

    class Server(ThreadingHTTPServer):
        """Writes no stack trace when a client hangs up."""

        def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class calls it so
            """Log one line."""
            structlog.get_logger().warning("a request for the health page failed", reason=repr(sys.exc_info()[1]))

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise PortInUseError(
            f"the health page cannot listen on {host}:{port} ({error.strerror})",
            "set MONITOR_HEALTH_PORT (0 = any free one, empty = none)",
        ) from error
    with server:
        thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        thread.start()
        address = f"http://{host}:{server.server_address[1]}"
        structlog.get_logger().info("the health page is served", address=address)
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


def answer(path: str, health: Health, metrics: Callable[[], str]) -> Answer:
    """Return status, content type and body for a path.

    `/healthz` is 200 if the agent is green, else 503 with the reasons. `/livez` is 200 as long as the process answers,
    as a restart of the agent does not help Elasticsearch out of trouble.
    """
    name = path.partition("?")[0]
    if name == "/metrics":
        return HTTPStatus.OK, CONTENT_TYPE, metrics().encode()
    if name == "/livez":
        return HTTPStatus.OK, JSON, orjson.dumps({"status": "alive"})
    if name == "/healthz":
        document = health.document()
        green = document["status"] == STATUS_GREEN
        return (HTTPStatus.OK if green else HTTPStatus.SERVICE_UNAVAILABLE), JSON, orjson.dumps(document)
    return HTTPStatus.NOT_FOUND, JSON, orjson.dumps({"error": "no such page; there are /healthz, /livez and /metrics"})
