"""The WSGI application of the receiver: paths, the token, bodies, and the statuses of errors."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog

from monitor_agent.errors import LogWriteError, RecordError
from monitor_agent.http_serving.origins import ANY, PageOrigins
from monitor_agent.receiving.exposition import CONTENT_TYPE, ReceiverMetrics
from monitor_agent.receiving.receiver import Receiver
from monitor_agent.settings import ReceiveSettings

JSON = "application/json"
EVENT_PATHS = ("/", "/cloudevents")
UBI_QUERIES, UBI_EVENTS = "/ubi/queries", "/ubi/events"
HEALTH, METRICS = "/healthz", "/metrics"
PAGES = (HEALTH, METRICS)
POSTED = (*EVENT_PATHS, UBI_QUERIES, UBI_EVENTS)
RETRY_SECONDS = "5"
PREFLIGHT_SECONDS = "600"
MOST_MESSAGE_CHARACTERS = 1000
Headers = list[tuple[str, str]]
_log = structlog.get_logger()


class UntakenRequest(Exception):  # noqa: N818 - it is an answer
    """Raised for a request that is not taken.

    Attributes
    ----------
    field : path of the field that is wrong, "" = none.
    headers : further headers of the answer.
    """

    def __init__(self, status: HTTPStatus, message: str, field: str = "", headers: tuple[tuple[str, str], ...] = ()):
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.headers = headers


class ReceiverApplication:
    """Answers the requests of a receiver."""

    def __init__(self, receiver: Receiver, settings: ReceiveSettings) -> None:
        self._receiver = receiver
        self._settings = settings
        self._metrics = ReceiverMetrics(receiver)
        self._origins = PageOrigins(settings.allowed_origins)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        """Answer a request."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"] or "/"
        headers: Headers = []
        kind = JSON
        try:
            status, kind, content = self._answer(method, path, environ)
        except UntakenRequest as error:
            status, headers = error.status, list(error.headers)
            content = _error(type(error.__cause__ or error).__name__, error.message, error.field)
        except Exception as error:  # noqa: BLE001 - no request may end the server
            _log.error("request failed", exc_info=error, **{"url.path": path[:MOST_MESSAGE_CHARACTERS]})
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            content = _error(type(error).__name__, "the receiver failed; its log gives the reason")
        self._metrics.count(path if path in (*POSTED, *PAGES) else "other", status)
        headers += self._page_headers(environ, status)
        length = ("Content-Length", str(len(content)))
        start_response(
            f"{status.value} {status.phrase}", [("Content-Type", kind), length, ("Cache-Control", "no-store"), *headers]
        )
        return [] if method == "HEAD" else [content]

    def _answer(self, method: str, path: str, environ: Mapping[str, Any]) -> tuple[HTTPStatus, str, bytes]:
        """Return status, content type and body.

        Raises
        ------
        UntakenRequest
            If the request is not taken.
        """
        if path in PAGES:
            _require_method(method, ("GET", "HEAD"))
            if path == HEALTH:
                return self._health()
            self._require_token(environ)
            return HTTPStatus.OK, CONTENT_TYPE, self._metrics.text().encode()
        if path not in POSTED:
            raise UntakenRequest(HTTPStatus.NOT_FOUND, f"there is no such path; see {', '.join((*POSTED, *PAGES))}")
        if page := self._origins.refused_page(environ):
            raise UntakenRequest(
                HTTPStatus.FORBIDDEN, f"{page} may not send this; see PIPELINE_RECEIVE_ALLOWED_ORIGINS"
            )
        if method == "OPTIONS":
            return HTTPStatus.NO_CONTENT, JSON, b""
        _require_method(method, ("POST", "OPTIONS"))
        self._require_token(environ)
        return HTTPStatus.ACCEPTED, JSON, orjson.dumps(self._take(path, environ))

    def _take(self, path: str, environ: Mapping[str, Any]) -> dict[str, int]:
        body = self._body(environ)
        media_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        try:
            if path == UBI_QUERIES:
                return self._receiver.ubi_queries(body)
            if path == UBI_EVENTS:
                return self._receiver.ubi_events(body)
            return self._receiver.cloud_events(media_type, _headers(environ), body)
        except RecordError as error:
            raise UntakenRequest(HTTPStatus.BAD_REQUEST, str(error)[:MOST_MESSAGE_CHARACTERS], error.field) from error
        except LogWriteError as error:
            retry = (("Retry-After", RETRY_SECONDS),)
            raise UntakenRequest(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=retry) from error

    def _body(self, environ: Mapping[str, Any]) -> bytes:
        most = self._settings.max_body_bytes
        size = int(environ.get("CONTENT_LENGTH") or 0)
        if size > most:
            raise UntakenRequest(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has {size} bytes; the receiver accepts at most {most}"
            )
        coding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
        if coding not in ("", "identity"):
            raise UntakenRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without Content-Encoding")
        body: bytes = environ["wsgi.input"].read(size)
        return body

    def _health(self) -> tuple[HTTPStatus, str, bytes]:
        if problem := self._receiver.log.problem():
            reason = f"events cannot be written ({problem})"
            return HTTPStatus.SERVICE_UNAVAILABLE, JSON, orjson.dumps({"status": "unhealthy", "reason": reason})
        return HTTPStatus.OK, JSON, orjson.dumps({"status": "alive"})

    def _require_token(self, environ: Mapping[str, Any]) -> None:
        token = self._settings.token
        if not token or hmac.compare_digest(_presented(environ.get("HTTP_AUTHORIZATION", "")), token.encode()):
            return
        raise UntakenRequest(
            HTTPStatus.UNAUTHORIZED,
            "give the token: `Authorization: Bearer ...`, or as the password of the URL",
            headers=(("WWW-Authenticate", 'Bearer, Basic realm="receive"'),),
        )

    def _page_headers(self, environ: Mapping[str, Any], status: HTTPStatus) -> Headers:
        """Return the headers that let the page of an allowed origin read the answer."""
        origin = environ.get("HTTP_ORIGIN", "")
        if not self._origins:
            return []
        headers = [("Vary", "Origin")]
        if origin and self._origins.lists(origin):
            headers.append(("Access-Control-Allow-Origin", ANY if self._origins.any else origin))
            if status == HTTPStatus.NO_CONTENT:
                headers += [
                    ("Access-Control-Allow-Methods", "POST"),
                    ("Access-Control-Allow-Headers", "Content-Type, Authorization"),
                    ("Access-Control-Max-Age", PREFLIGHT_SECONDS),
                ]
        return headers


def _require_method(method: str, allowed: tuple[str, ...]) -> None:
    if method not in allowed:
        headers = (("Allow", ", ".join(allowed)),)
        raise UntakenRequest(HTTPStatus.METHOD_NOT_ALLOWED, f"use {allowed[0]}", headers=headers)


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a request, by their names in small letters with hyphens."""
    prefix = "HTTP_"
    return {
        name.removeprefix(prefix).replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith(prefix)
    }


def _presented(authorization: str) -> bytes:
    """Return the token that a header `Authorization` holds: of Bearer, or the password of Basic; empty = none."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return text.strip().encode("utf-8", "replace")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(text.strip(), validate=True).partition(b":")[2]
    except (ValueError, binascii.Error):
        return b""


def _error(kind: str, message: str, field: str = "") -> bytes:
    return orjson.dumps({"error": {"type": kind, "message": message, "field": field or None}})
