"""The health page: `/healthz`, `/livez` and `/metrics` over HTTP, in a thread of its own."""

from __future__ import annotations

import contextlib
import hmac
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import orjson
import structlog

from monitor_agent.agent.exposition import CONTENT_TYPE
from monitor_agent.agent.health import Health
from monitor_agent.contracts.cycle import STATUS_GREEN
from monitor_agent.http_serving.exposure import warn_of_exposure
from monitor_agent.http_serving.listener import bind
from monitor_agent.http_serving.server import HttpServer, ServedApplication
from monitor_agent.settings import Settings

JSON = "application/json"
THREADS = 4
MAX_BODY_BYTES = 16 * 1024
REMEDY = "set MONITOR_HEALTH_PORT or MONITOR_HEALTH_HOST (0 = any free port, empty = no health page)"
OPEN_PAGE = "/livez"
"""The page that needs no token: it says only that the process answers."""
Answer = tuple[int, str, bytes]
_log = structlog.get_logger()


@contextlib.contextmanager
def health_server(settings: Settings, health: Health, metrics: Callable[[], str]) -> Iterator[str]:
    """Yield the address of the health page, or "" if it has no port; close the page afterwards.

    Parameters
    ----------
    metrics : returns the text of `/metrics`.

    Raises
    ------
    PortInUseError
        If another process listens on the port.
    SettingsError
        If the certificate cannot be used, or the page would answer everybody and REQUIRE_AUTH forbids that.
    """
    host, port, http = settings.agent.health_host, settings.agent.health_port, settings.health
    if port is None:
        yield ""
        return
    with bind(host, port, "the health page", REMEDY) as listener:
        required, protected = settings.security.require_auth, bool(http.token)
        warn_of_exposure(
            "the health page", host, "MONITOR_HEALTH_TOKEN", http, authenticated=protected, require=required
        )
        page = HealthPage(health, metrics, http.token)
        server = HttpServer(ServedApplication(page, THREADS, MAX_BODY_BYTES), listener, host, http)
        thread = threading.Thread(target=server.run, name="health", daemon=True)
        thread.start()
        _log.info("the health page is served", address=server.address)
        try:
            yield server.address
        finally:
            server.stop()
            thread.join()


class HealthPage:
    """The WSGI application of the health page; it answers GET and HEAD.

    Parameters
    ----------
    token : what `Authorization: Bearer` must give for all pages but `/livez`; empty = nothing.
    """

    def __init__(self, health: Health, metrics: Callable[[], str], token: str) -> None:
        self._health = health
        self._metrics = metrics
        self._authorization = f"Bearer {token}".encode() if token else b""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer a request."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        more: list[tuple[str, str]] = []
        if method not in ("GET", "HEAD"):
            status, kind, content = HTTPStatus.METHOD_NOT_ALLOWED, JSON, _error("use GET")
            more = [("Allow", "GET, HEAD")]
        elif not self._allowed(path, environ.get("HTTP_AUTHORIZATION", "")):
            status, kind, content = HTTPStatus.UNAUTHORIZED, JSON, _error("give the token: Authorization: Bearer ...")
            more = [("WWW-Authenticate", "Bearer")]
        else:
            code, kind, content = answer(path, self._health, self._metrics)
            status = HTTPStatus(code)
        length = ("Content-Length", str(len(content)))
        start_response(
            f"{status.value} {status.phrase}",
            [("Content-Type", kind), length, ("Cache-Control", "no-store"), *more],
        )
        return [] if method == "HEAD" else [content]

    def _allowed(self, path: str, authorization: str) -> bool:
        if not self._authorization or path == OPEN_PAGE:
            return True
        scheme, _, token = authorization.partition(" ")
        authorization_sent = f"{scheme.capitalize()} {token.strip()}".encode()
        return hmac.compare_digest(authorization_sent, self._authorization)


def answer(path: str, health: Health, metrics: Callable[[], str]) -> Answer:
    """Return status, content type and body for a path.

    `/healthz` is 200 if the agent is green, else 503 with the reasons. `/livez` is 200 as long as the process answers,
    as a restart of the agent does not help Elasticsearch out of trouble.
    """
    if path == "/metrics":
        return HTTPStatus.OK, CONTENT_TYPE, metrics().encode()
    if path == OPEN_PAGE:
        return HTTPStatus.OK, JSON, orjson.dumps({"status": "alive"})
    if path == "/healthz":
        document = health.document()
        green = document["status"] == STATUS_GREEN
        return (HTTPStatus.OK if green else HTTPStatus.SERVICE_UNAVAILABLE), JSON, orjson.dumps(document)
    return HTTPStatus.NOT_FOUND, JSON, _error("no such page; there are /healthz, /livez and /metrics")


def _error(message: str) -> bytes:
    return orjson.dumps({"error": message})
