"""The body of `POST /feedback`: one event or a list of events, checked and turned into plain values (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from model_server.json_object import MOST_AHEAD, JsonObject, elements
from monitor_agent.contracts import uuid7
from monitor_agent.contracts.bounds import LABEL, VALUE
from monitor_agent.contracts.feedback import TYPES
from monitor_agent.contracts.identifiers import canonical
from monitor_agent.settings import ServerSettings

FIELDS = ("prediction_id", "type", "label", "value", "event_id", "timestamp")
MAX_ID_LENGTH = 256
MAX_EVENT_ID_LENGTH = 128
"""The event id becomes a document's `_id`, which may have 512 bytes; a character has 4 at most."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clock that made a prediction's id may be ahead of this machine."""


@dataclass(frozen=True)
class ClientFeedback:
    """What a user did with a prediction, as a client reports it; UUIDs are in lower case and without braces.

    Attributes
    ----------
    prediction_time : the time in the prediction's UUIDv7, UTC; None if the id is no UUIDv7.
    event_id : the client's id, so that a second sending changes nothing; None = the server makes an id.
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
    """Return the feedback that a decoded body holds.

    Raises
    ------
    ValidationError
        If the body is malformed; it names the field.
    """
    if isinstance(body, list):
        return [_feedback(value, path, settings, now) for path, value in elements(body, "", settings.max_instances)]
    return [_feedback(body, "", settings, now)]


def _feedback(value: Any, path: str, settings: ServerSettings, now: datetime) -> ClientFeedback:
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
    if kind == "label" and label is None:
        node.refuse("label", "is missing")
    event_id = node.text("event_id", MAX_EVENT_ID_LENGTH)
    return ClientFeedback(
        prediction_id=prediction_id,
        prediction_time=prediction_time,
        type=kind,
        label=label,
        value=node.number("value", VALUE),
        event_id=None if event_id is None else canonical(event_id),
        timestamp=node.moment("timestamp", now + MOST_AHEAD),
    )
