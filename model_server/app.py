"""The Flask application: its routes, and the id, start and trace of each request."""

from __future__ import annotations

import re
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from flask import Flask, Response, g, request
from werkzeug.exceptions import default_exceptions

from model_server import error_handlers, openapi, serving_routes
from model_server.access import RELOAD, AccessRules, KeyFinder
from model_server.errors import BodyTooLargeError, UnsupportedMediaTypeError, ValidationError
from model_server.json_object import decode
from model_server.model_service import ModelService
from model_server.request_counters import RequestCounters
from monitor_agent.http_serving.requests import RECEIVED, REFUSAL
from monitor_agent.prediction_log import trace_context
from monitor_agent.prediction_log.records import Call

OK = 200
ACCEPTED = 202
CONFLICT = 409
TOO_LARGE = 413
UNAVAILABLE = 503
GZIP = ("gzip", "x-gzip")
GZIP_FORMAT = 16
"""What zlib adds to its window size for the format of gzip (zlib manual, inflateInit2)."""
REQUEST_ID = re.compile(r"[!-~]{1,128}")
FAILURE = "model_server.failure"
"""WSGI key: an error that the loop of the HTTP server met, the `Call` of the request, and the name of its model."""


def create_app(
    service: ModelService, counters: RequestCounters, clock: Callable[[], datetime], keys: KeyFinder | None = None
) -> Flask:
    """Return the application; nothing is started here.

    Parameters
    ----------
    clock : returns the time, UTC.
    keys : the API keys; None = the server is open.
    """
    app = Flask(__name__)
    rules = AccessRules(service.dependencies.settings, keys)
    error_handlers.register(app, service)
    _add_routes(app, service, counters)

    @app.before_request
    def begin() -> None:
        g.began = request.environ.get(RECEIVED) or time.perf_counter_ns()
        waited = timedelta(microseconds=(time.perf_counter_ns() - g.began) // 1000)
        headers = request.headers
        g.call = call_of(
            request.path, headers.get("X-Request-Id", ""), headers.get("traceparent", ""), clock() - waited
        )
        rules.identify()
        if FAILURE in request.environ:
            error, g.call, g.model = request.environ[FAILURE]
            raise error
        if REFUSAL in request.environ:
            status, reason = request.environ[REFUSAL]
            raise BodyTooLargeError(reason) if status == TOO_LARGE else default_exceptions[status](reason)

    rules.register(app)

    @app.after_request
    def end(response: Response) -> Response:
        rule = request.url_rule
        path = rule.rule if rule else "other"
        counters.count(path, response.status_code, (time.perf_counter_ns() - g.began) / 1e9)
        response.headers["X-Request-Id"] = g.call.request_id
        return response

    return app


def call_of(path: str, request_id: str, traceparent: str, received: datetime) -> Call:
    """Return a request as the events name it.

    Parameters
    ----------
    request_id, traceparent : the headers `X-Request-Id` and `traceparent`; "" = absent.
    received : when its first byte arrived, UTC.
    """
    unique = uuid.uuid4().hex
    trace = trace_context.parse(traceparent) if traceparent else None
    return Call(request_id if REQUEST_ID.fullmatch(request_id) else unique, path, received, trace, list_id=unique)


def _add_routes(app: Flask, service: ModelService, counters: RequestCounters) -> None:
    max_body_bytes = service.dependencies.settings.max_body_bytes

    @app.post("/predict")
    def predict() -> Response:
        body = decode(_body(max_body_bytes))
        g.call = replace(g.call, labels=service.labels(body))
        g.model = service.name_in(body)
        return _json(service.predict(g.model, body, g.call, g.began))

    @app.post("/feedback")
    def feedback() -> Response:
        return _json(service.feedback(decode(_body(max_body_bytes)), g.call), ACCEPTED)

    serving_routes.add_routes(app, service, lambda: _body(max_body_bytes))

    @app.get("/openapi.json")
    def openapi_document() -> Response:
        dependencies = service.dependencies
        models = service.serving.models
        readers = {name: model.versions[model.default].content.inputs for name, model in models.items()}
        return _json(openapi.describe(dependencies.settings, readers, dependencies.log.origin.service_version))

    @app.get("/healthz")
    def healthz() -> Response:
        return _json({"status": "alive"})

    @app.get("/readyz")
    def readyz() -> Response:
        if reason := service.problem():
            return _json({"status": "not ready", "reason": reason, **service.state()}, UNAVAILABLE)
        return _json({"status": "ready", **service.state()})

    @app.post(RELOAD)
    def reload() -> Response:
        service.dependencies.refresh()
        state = service.state()
        problem = state.get("problem") or "; ".join(entry["reason"] for entry in state.get("refused", ()))
        return _json({"error": problem, **state} if problem else state, CONFLICT if problem else OK)

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(counters.text(), mimetype="text/plain; version=0.0.4")


def _body(max_bytes: int) -> bytes:
    """Return the body of the request, decompressed (RFC 9110, 8.4).

    Raises
    ------
    RequestError
        If it is too large, damaged, or compressed in another way than gzip.
    """
    if (size := request.content_length or 0) > max_bytes:
        raise BodyTooLargeError(f"the body has {size} bytes; the server accepts at most {max_bytes}")
    body = request.get_data(cache=False)
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in ("identity", ""):
        return body
    if coding not in GZIP:
        raise UnsupportedMediaTypeError(f"Content-Encoding: {coding[:100]} is not taken; send gzip or no encoding")
    return _unzipped(body, max_bytes)


def _unzipped(body: bytes, max_bytes: int) -> bytes:
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | GZIP_FORMAT)
    try:
        content = decompressor.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise ValidationError(f"the body is not gzip ({error})") from error
    if len(content) > max_bytes:
        raise BodyTooLargeError(f"the body has more than {max_bytes} bytes when it is decompressed")
    if not decompressor.eof or decompressor.unused_data:
        raise ValidationError("the body is not one whole gzip member")
    return content


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, mimetype="application/json")
