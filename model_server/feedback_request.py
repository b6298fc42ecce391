"""The body of `POST /feedback`: one event or a list of them, checked, as plain values (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from model_server.json_object import JsonObject, elements
from monitor_agent.contracts import uuid7
from monitor_agent.contracts.feedback import TYPES
from monitor_agent.settings import ServerSettings

KNOWN = ("prediction_id", "type", "label", "value", "event_id", "timestamp")
MAX_ID_LENGTH = 256
MAX_EVENT_ID_LENGTH = 128
"""It becomes a document's `_id`, which may have 512 bytes; a character has 4 at most."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of this machine the clock may be that made a prediction's id."""


@dataclass(frozen=True)
class ClientFeedback:
    """What somebody did with a prediction.

    Attributes
    ----------
    prediction_time : as the prediction's UUIDv7 tells, UTC; None for ids made elsewhere.
    event_id : the client's, so that sending it again changes nothing; None = the server makes one.
    timestamp : the event time that the client supplies, UTC; None = when the request arrived.
    """

    prediction_id: str
    prediction_time: datetime | None
    type: str
    label: int | None = None
    value: float | None = None
    event_id: str | None = None
    timestamp: datetime | None = None


def parse(body: Any, settings: ServerSettings, now: datetime) -> list[ClientFeedback]:
    """Return the feedback that a decoded body holds; ValidationError names the field that is refused."""
    if isinstance(body, list):
        return [_feedback(value, path, settings, now) for path, value in elements(body, "", settings.max_instances)]
    return [_feedback(body, "", settings, now)]


def _feedback(value: Any, path: str, settings: ServerSettings, now: datetime) -> ClientFeedback:
    node = JsonObject(value, path, KNOWN)
    if "timestamp" in node and not settings.allow_client_timestamps:
        node.refuse("timestamp", "the server sets the time (MODEL_SERVER_ALLOW_CLIENT_TIMESTAMPS is off)")
    prediction_id = node.required("prediction_id", lambda name: node.text(name, MAX_ID_LENGTH))
    prediction_time = uuid7.time_of(prediction_id)
    # The id names the index of its day: a made-up one must not create indices of days to come.
    if prediction_time and prediction_time > now + CLOCK_SKEW and not settings.allow_client_timestamps:
        node.refuse("prediction_id", f"tells a time to come, {prediction_time.isoformat()}")
    kind = node.required("type", lambda name: node.choice(name, TYPES))
    label = node.integer("label", 0, 1)
    if kind == "label" and label is None:
        node.refuse("label", "is missing")
    return ClientFeedback(
        prediction_id=prediction_id,
        prediction_time=prediction_time,
        type=kind,
        label=label,
        value=node.number("value"),
        event_id=node.text("event_id", MAX_EVENT_ID_LENGTH),
        timestamp=node.moment("timestamp"),
    )
