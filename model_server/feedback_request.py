"""The body of `POST /feedback`: one event or a list of events, checked and turned into plain values (pure)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from model_server.json_object import JsonObject, elements
from monitor_agent.contracts import uuid7
from monitor_agent.contracts.bounds import LABEL, NUMBER, VALUE
from monitor_agent.contracts.feedback import TYPES
from monitor_agent.contracts.identifiers import canonical
from monitor_agent.contracts.kinds import MOST_CLASS_CHARACTERS
from monitor_agent.prediction_log.limits import CLOCK_SKEW, MAX_EVENT_ID_LENGTH, MAX_ID_LENGTH, MOST_AHEAD
from monitor_agent.prediction_log.records import FeedbackRecord
from monitor_agent.settings import ServerSettings

FIELDS = ("prediction_id", "type", "label", "class", "truth", "value", "event_id", "timestamp")


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
    node = JsonObject(value, path, FIELDS)
    if "timestamp" in node and not settings.allow_client_timestamps:
        node.refuse("timestamp", "the server sets the time (MODEL_SERVER_ALLOW_CLIENT_TIMESTAMPS is off)")
    prediction_id = canonical(node.required("prediction_id", lambda name: node.text(name, MAX_ID_LENGTH)))
    prediction_time = uuid7.time_of(prediction_id)
    # The id selects the index of its day: an invented id must not create indices of future days.
    if prediction_time and prediction_time > now + (MOST_AHEAD if settings.allow_client_timestamps else CLOCK_SKEW):
        node.refuse("prediction_id", f"has a time in the future, {prediction_time.isoformat()}")
    kind = node.required("type", lambda name: node.choice(name, TYPES))
    label = node.whole("label", LABEL)
    class_name = node.text("class", MOST_CLASS_CHARACTERS)
    truth = node.number("truth", NUMBER)
    if kind == "label" and label is None and class_name is None and truth is None:
        node.refuse("label", "is missing")
    event_id = node.text("event_id", MAX_EVENT_ID_LENGTH)
    return FeedbackRecord(
        prediction_id=prediction_id,
        prediction_time=prediction_time,
        type=kind,
        label=label,
        value=node.number("value", VALUE),
        event_id=None if event_id is None else canonical(event_id),
        timestamp=node.moment("timestamp", now + MOST_AHEAD),
        class_name=class_name,
        truth=truth,
    )
