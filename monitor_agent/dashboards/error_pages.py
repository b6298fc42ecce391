"""The viewer's answers to what goes wrong: a page for people, one line of JSON for programs and scripts."""

from __future__ import annotations

from http import HTTPStatus

import orjson
import structlog
from flask import Flask, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from monitor_agent.dashboards.visitor_work import RETRY_AFTER_SECONDS
from monitor_agent.errors import BusyError, DataError, ElasticsearchError, MissingPrivilegeError, MonitorError

PAGE = "text/html"
FAILED = "the viewer failed; its log gives the reason"
TITLES = {
    HTTPStatus.BAD_REQUEST: "Invalid request",
    HTTPStatus.FORBIDDEN: "Refused",
    HTTPStatus.NOT_FOUND: "Not here",
    HTTPStatus.METHOD_NOT_ALLOWED: "Not allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Too large",
    HTTPStatus.BAD_GATEWAY: "No answer from Elasticsearch",
    HTTPStatus.SERVICE_UNAVAILABLE: "Busy",
}
WORTH_TRYING_AGAIN = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
_log = structlog.get_logger()


def register(app: Flask) -> None:
    """Let an application answer all errors so."""

    @app.errorhandler(MonitorError)
    def report_error(error: MonitorError) -> Response:
        return refusal(status_for(error), str(error))

    @app.errorhandler(HTTPException)
    def report_http_error(error: HTTPException) -> Response:
        status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        if error.description == NotFound.description:
            return refusal(status, f"there is no page {request.path[:200]}")
        if not isinstance(error, MethodNotAllowed):
            return refusal(status, error.description or status.description)
        methods = sorted(error.valid_methods or ())
        response = refusal(status, f"{request.method[:20]} is not allowed here: use {' or '.join(methods)}")
        response.headers["Allow"] = ", ".join(methods)
        return response

    @app.errorhandler(Exception)
    def report_fault(error: Exception) -> Response:
        _log.error("a request failed", exc_info=error, path=request.path[:200])
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, FAILED)


def status_for(error: MonitorError) -> HTTPStatus:
    """Return the status of the answer to an error."""
    if isinstance(error, BusyError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(error, MissingPrivilegeError):
        return HTTPStatus.FORBIDDEN
    if isinstance(error, ElasticsearchError):
        return HTTPStatus.BAD_GATEWAY
    return HTTPStatus.BAD_REQUEST if isinstance(error, DataError) else HTTPStatus.INTERNAL_SERVER_ERROR


def wants_page() -> bool:
    """Return whether a person with a browser has sent the request: scripts and programs do not name HTML."""
    return request.endpoint != "data" and any(kind == PAGE for kind, _quality in request.accept_mimetypes)


def refusal(status: HTTPStatus, message: str) -> Response:
    """Return the answer to a request that is refused or has failed."""
    if wants_page():
        repeats = request.method == "GET" and status in WORTH_TRYING_AGAIN
        again = request.script_root + request.full_path if repeats else ""
        title = TITLES.get(status, status.phrase)
        response = make_response(
            render_template("error.html", title=title, error=sentence(message), again=again), status
        )
    else:
        response = Response(orjson.dumps({"error": message}), status, mimetype="application/json")
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    response.vary.add("Accept")
    return response


def sentence(text: str) -> str:
    """Return a text of an error as a sentence.

    >>> sentence("no dashboard is called x: there are a, b"), sentence("'x' is no time")
    ('No dashboard is called x: there are a, b.', "'x' is no time.")
    """
    begin = text[:1].upper() + text[1:]
    return begin if begin.endswith((".", "?", "!")) else f"{begin}."
