"""HTTP answers to errors: the table of statuses, and the form of the body."""

from __future__ import annotations

import orjson
import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from model_server.access import SERVING_PREFIX
from model_server.errors import (
    BodyTooLargeError,
    EventLogError,
    ForbiddenOriginError,
    MissingRightError,
    ModelFailureError,
    NoSuchModelError,
    PredictionTimeoutError,
    QueueFullError,
    RefusedInputsError,
    RequestError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
    ValidationError,
)
from model_server.model_service import ModelService
from monitor_agent.prediction_log.limits import MAX_MESSAGE_LENGTH
from monitor_agent.prediction_log.names import loggable_path

STATUS: dict[type[RequestError], int] = {
    ValidationError: 400,
    RefusedInputsError: 400,
    UnauthorizedError: 401,
    MissingRightError: 403,
    ForbiddenOriginError: 403,
    NoSuchModelError: 404,
    BodyTooLargeError: 413,
    UnsupportedMediaTypeError: 415,
    ModelFailureError: 500,
    QueueFullError: 503,
    EventLogError: 503,
    PredictionTimeoutError: 504,
}
RETRY_AFTER_SECONDS: dict[type[RequestError], int] = {QueueFullError: 1, EventLogError: 5}
UNAUTHORIZED = 401
INTERNAL_ERROR = 500
SERVER_FAILED = "the server failed; its log gives the reason"
_log = structlog.get_logger()


def register(app: Flask, service: ModelService) -> None:
    """Let `app` answer all errors as JSON and log them as events."""

    def answer(status: int, kind: str, message: str, logged_message: str, field: str = "") -> Response:
        message = message[:MAX_MESSAGE_LENGTH]
        if not g.is_stranger:  # strangers must not be able to fill the disk; the counters hold their requests
            service.log_error(g.call, g.began, status, kind, logged_message, model=g.get("model"))
        of_field = {"type": kind, "message": message, "field": field[:MAX_MESSAGE_LENGTH] or None}
        # Clients of TensorFlow Serving expect a text.
        body = {"error": message if request.path.startswith(SERVING_PREFIX) else of_field}
        return Response(orjson.dumps(body), status, mimetype="application/json")

    def on_request_error(error: RequestError) -> Response:
        response = answer(STATUS[type(error)], type(error).__name__, str(error), error.logged_message, error.field)
        if STATUS[type(error)] == UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
        if seconds := RETRY_AFTER_SECONDS.get(type(error)):
            response.headers["Retry-After"] = str(seconds)
        return response

    def on_http_error(error: HTTPException) -> Response:
        messages = (_message(error, path) for path in (request.path, loggable_path(request.path)))
        response = answer(error.code or INTERNAL_ERROR, type(error).__name__, *messages)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    def on_any_error(error: Exception) -> Response:
        _log.error("request failed", exc_info=error, **{"http.request.id": g.call.request_id})
        return answer(INTERNAL_ERROR, type(error).__name__, SERVER_FAILED, SERVER_FAILED)

    app.register_error_handler(RequestError, on_request_error)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(Exception, on_any_error)


def _message(error: HTTPException, path: str) -> str:
    if isinstance(error, NotFound):
        return f"there is no {path}; see /predict, /feedback, /v1/models/NAME:predict, /healthz, /readyz, /metrics"
    if isinstance(error, MethodNotAllowed):
        allowed = sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"})
        return f"{request.method} is not allowed here; use {', '.join(allowed)}"
    return error.description or error.name
