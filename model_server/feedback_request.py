"""The body of `POST /feedback`: one event or a list of events, checked and turned into plain values (pure)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from model_server.json_object import JsonObject, elements
from monitor_agent.prediction_log.feedback_fields import FEEDBACK_FIELDS, read_feedback
from monitor_agent.prediction_log.limits import CLOCK_SKEW, MOST_AHEAD
from monitor_agent.prediction_log.records import FeedbackRecord
from monitor_agent.settings import ServerSettings


def parse(body: Any, settings: ServerSettings, now: datetime) -> list[FeedbackRecord]:
    """Return the feedback that a decoded body holds.

    Raises
    ------
    ValidationError
        If the body is malformed; it names the field.
    """
    if isinstance(body, list):
        return [_feedback(value, path, settings, now) for path, value in elements(body, "", settings.max_instances)]
    return [_feedback(body, "", settings, now)]


def _feedback(value: Any, path: str, settings: ServerSettings, now: datetime) -> FeedbackRecord:
    node = JsonObject(value, path, FEEDBACK_FIELDS)
    if "timestamp" in node and not settings.allow_client_timestamps:
        node.refuse("timestamp", "the server sets the time (MODEL_SERVER_ALLOW_CLIENT_TIMESTAMPS is off)")
    return read_feedback(node, now, now + (MOST_AHEAD if settings.allow_client_timestamps else CLOCK_SKEW))
