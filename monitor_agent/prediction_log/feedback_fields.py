"""What one feedback event says, whether a program or an HTTP request sends it: one set of rules (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn, Protocol

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.bounds import LABEL, NUMBER, VALUE, Bounds
from monitor_agent.contracts.feedback import TYPES
from monitor_agent.contracts.identifiers import canonical
from monitor_agent.contracts.kinds import MOST_CLASS_CHARACTERS
from monitor_agent.prediction_log.limits import MAX_EVENT_ID_LENGTH, MAX_ID_LENGTH
from monitor_agent.prediction_log.records import FeedbackRecord

FEEDBACK_FIELDS = ("prediction_id", "type", "label", "class", "truth", "value", "event_id", "timestamp")


class FieldReader(Protocol):
    """Reads the fields of a record; each method returns None for an absent field, and refuses a wrong one."""

    def text(self, name: str, longest: int) -> str | None:
        """Read a text of 1 to `longest` characters."""

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        """Read one of several words."""

    def whole(self, name: str, bounds: Bounds) -> int | None:
        """Read a whole number within bounds."""

    def number(self, name: str, bounds: Bounds) -> float | None:
        """Read a number within bounds."""

    def moment(self, name: str, now: datetime) -> datetime | None:
        """Read a time from 1970 to a day ahead."""

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise the error of a field."""


def read_feedback(node: FieldReader, now: datetime, latest: datetime) -> FeedbackRecord:
    """Return the feedback in a record.

    Parameters
    ----------
    latest : the latest time that the id of a prediction may carry.
    """
    prediction_id = canonical(_required(node, "prediction_id", node.text("prediction_id", MAX_ID_LENGTH)))
    prediction_time = uuid7.time_of(prediction_id)
    # The id selects the index of its day: an invented id must not create indices of future days.
    if prediction_time and prediction_time > latest:
        node.refuse("prediction_id", f"has a time in the future, {prediction_time.isoformat()}")
    kind = _required(node, "type", node.choice("type", TYPES))
    label = node.whole("label", LABEL)
    class_name = node.text("class", MOST_CLASS_CHARACTERS)
    truth = node.number("truth", NUMBER)
    if kind == "label" and label is None and class_name is None and truth is None:
        node.refuse("label", "is missing")
    event_id = node.text("event_id", MAX_EVENT_ID_LENGTH)
    return FeedbackRecord(
        prediction_id=prediction_id,
        prediction_time=prediction_time or node.moment("prediction_time", now),
        type=kind,
        label=label,
        value=node.number("value", VALUE),
        event_id=None if event_id is None else canonical(event_id),
        timestamp=node.moment("timestamp", now),
        class_name=class_name,
        truth=truth,
    )


def _required(node: FieldReader, name: str, value: Any) -> Any:
    if value is None:
        node.refuse(name, "is missing")
    return value
