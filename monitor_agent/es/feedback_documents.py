"""Documents of feedback and predictions as the join reads them; whoever wrote them, they are checked, not guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, NamedTuple

from monitor_agent.contracts.bounds import NUMBER, PROBABILITY, SEQUENCE
from monitor_agent.contracts.deadletter import out_of_bounds
from monitor_agent.contracts.feedback import FEEDBACK, STATUS_DUPLICATE, STATUS_NEW, TYPES
from monitor_agent.contracts.identifiers import canonical
from monitor_agent.contracts.kinds import BINARY, DEFAULT_KIND, MOST_CLASS_CHARACTERS
from monitor_agent.es.operations import DocumentVersion
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.attribution import FeedbackEvent
from monitor_agent.pipeline.instants import DAY
from monitor_agent.pipeline.outputs import PredictedOutput
from monitor_agent.pipeline.prediction_times import time_in_id

PREDICTION_FIELDS = (
    "@timestamp",
    "prediction.id",
    "prediction.kind",
    "prediction.label",
    "prediction.class",
    "prediction.scores",
    "prediction.value",
    "model.name",
    "feedback",
    "outcome",
)
FEEDBACK_FIELDS = ("@timestamp", "event.id", "event.sequence", "prediction", "feedback", "model.name")

_COLUMNS = len(FeedbackEvent._fields) - 2
"""Columns of a joined event that says neither a true class nor a true number."""

_BELOW_FEEDBACK = "feedback."
_BOUNDS = {
    name.removeprefix(_BELOW_FEEDBACK): (entry.bounds, out_of_bounds(name))
    for name, entry in FEEDBACK.fields.items()
    if entry.bounds and name.startswith(_BELOW_FEEDBACK)
}
"""Field below `feedback` -> the range of its numbers, and the reason why a number out of it cannot count."""


@dataclass(frozen=True, slots=True)
class _StoredDocument:
    """A document that was read.

    Attributes
    ----------
    version : the version that was read.
    """

    version: DocumentVersion

    @property
    def index(self) -> str:
        """The index of the document."""
        return self.version.index

    @property
    def id(self) -> str:
        """The document's `_id`."""
        return self.version.id

    @property
    def key(self) -> tuple[str, str]:
        """Index and `_id`."""
        return self.version.index, self.version.id


@dataclass(frozen=True, slots=True)
class Feedback(_StoredDocument):
    """One feedback document.

    Attributes
    ----------
    event : its event; the event's id is `event.id`, which several documents may have.
    prediction_id : the id of the prediction that it is about; empty if it names none.
    predicted_at : the time of that prediction: the time that the feedback names, else the time in the id, else the
        time of the event.
    names_time : whether the feedback names a time of its prediction.
    model : the model that it names; empty if it names none.
    status : its status, such as `new`.
    waiting_since : since when it has waited for its prediction; None if it does not wait.
    problem : why it cannot count, as a reason of the dead letters; empty if it can.
    """

    event: FeedbackEvent
    prediction_id: str
    predicted_at: datetime
    model: str
    status: str
    waiting_since: datetime | None
    problem: str = ""
    names_time: bool = True

    @property
    def names_its_window(self) -> bool:
        """Whether searches find the document by `predicted_at`."""
        return self.names_time or self.predicted_at == self.event.time


class EventStatus(NamedTuple):
    """The status of an event, and the time of the document that counts for it.

    An event may be in several documents with different times: it was sent again without a time.
    """

    status: str
    time: datetime

    def of(self, time: datetime | None) -> str:
        """Return the status of a document of the event that has this time."""
        return self.status if time == self.time else STATUS_DUPLICATE


@dataclass(frozen=True, slots=True)
class Prediction(_StoredDocument):
    """One prediction, as far as feedback needs it.

    Attributes
    ----------
    prediction_id : the id that feedback names.
    made_at : its time.
    output : what it says.
    model : its model.
    feedback : its fields below `feedback`.
    outcome : its `outcome`, or None.
    """

    prediction_id: str
    made_at: datetime
    output: PredictedOutput
    model: str
    feedback: Mapping[str, Any]
    outcome: str | None


def feedback_of(hit: Mapping[str, Any]) -> Feedback:
    """Return the feedback of a search hit."""
    source = hit["_source"]
    fields, prediction = _object(source, "feedback"), _object(source, "prediction")
    time, since = _moment(source.get("@timestamp")), _moment(fields.get("waiting_since"))
    label, value = fields.get("label"), fields.get("value")
    named, prediction_id = _moment(prediction.get("timestamp")), canonical(_text(prediction.get("id")))
    problem = "bad timestamp" if time is None else _problem(fields) or _problem_of_number(_object(source, "event"))
    if time is None or problem:
        time, label, value = time or instants.EPOCH, None, None
    # Tens of thousands are in memory at once, with the same few texts: each text is stored once.
    return Feedback(
        version=DocumentVersion(intern(hit["_index"]), hit["_id"], hit["_seq_no"], hit["_primary_term"]),
        event=FeedbackEvent(
            time,
            event_id_of(hit),
            intern(str(fields.get("type", ""))),
            _label(label),
            value,
            *_truths(fields if not problem else {}),
        ),
        prediction_id=prediction_id,
        predicted_at=(named if named and named - time <= DAY else None) or time_in_id(prediction_id, time) or time,
        model=intern(_text(_object(source, "model").get("name"))),
        status=intern(_text(fields.get("status")) or STATUS_NEW),
        waiting_since=since,
        problem=intern(problem),
        names_time=named is not None,
    )


def event_id_of(hit: Mapping[str, Any]) -> str:
    """Return the id of a feedback document's event; documents of other programs may name none."""
    return canonical(_text(_object(hit["_source"], "event").get("id")) or hit["_id"])


def time_of(hit: Mapping[str, Any]) -> datetime | None:
    """Return the time of a document; None if it cannot be read."""
    return _moment(hit["_source"].get("@timestamp"))


def prediction_id_of(hit: Mapping[str, Any]) -> str:
    """Return the id of the prediction that a document names; empty if it names none."""
    return canonical(_text(_object(hit["_source"], "prediction").get("id")))


def prediction_of(doc: Mapping[str, Any]) -> Prediction | None:
    """Return the prediction of a document; None if its time cannot be read: then no feedback can count."""
    source = doc["_source"]
    fields, made_at = _object(source, "prediction"), _moment(source.get("@timestamp"))
    if made_at is None:
        return None
    return Prediction(
        version=DocumentVersion.from_hit(doc),
        prediction_id=canonical(_text(fields.get("id")) or doc["_id"]),
        made_at=made_at,
        output=_output(fields),
        model=_text(_object(source, "model").get("name")),
        feedback=_object(source, "feedback"),
        outcome=source.get("outcome"),
    )


def _output(fields: Mapping[str, Any]) -> PredictedOutput:
    """Return what the fields of a prediction say; only what its kind needs is read."""
    kind = _text(fields.get("kind")) or DEFAULT_KIND.name
    if kind == BINARY.name:
        return PredictedOutput(label=_label(fields.get("label")))
    scores = {name: score for name, score in _object(fields, "scores").items() if PROBABILITY.hold(score)}
    value = fields.get("value")
    return PredictedOutput(
        intern(kind),
        predicted_class=_class(fields.get("class")),
        scores=scores,
        value=value if NUMBER.hold(value) else None,
    )


def _truths(fields: Mapping[str, Any]) -> tuple[str | None, float | None]:
    """Return the true class and the true number that feedback says."""
    truth = fields.get("truth")
    return _class(fields.get("class")), truth if NUMBER.hold(truth) else None


def _class(value: Any) -> str | None:
    return intern(value) if isinstance(value, str) and 0 < len(value) <= MOST_CLASS_CHARACTERS else None


def joined_rows(feedback: Mapping[str, Any]) -> list[Sequence[Any]]:
    """Return the rows of `feedback.events` of a prediction; rows that the agent cannot have written are left out."""
    rows = feedback.get("events")
    return [row for row in rows if _is_row(row)] if isinstance(rows, list) else []


def _is_row(row: Any) -> bool:
    if not isinstance(row, list) or len(row) not in (_COLUMNS, len(FeedbackEvent._fields)):
        return False
    identifier, kind, time, label, value, *truths = row
    is_event = isinstance(identifier, str) and kind in TYPES and _moment(time) is not None
    has_truths = not truths or (isinstance(truths[0], (str, type(None))) and not _out_of_bounds({"truth": truths[1]}))
    return is_event and has_truths and not _out_of_bounds({"label": label, "value": value})


def _problem(fields: Mapping[str, Any]) -> str:
    """Return why feedback cannot count; empty if it can."""
    if fields.get("type") not in TYPES:
        return "bad feedback.type"
    if reason := _out_of_bounds(fields):
        return reason
    if fields["type"] == "label" and all(fields.get(name) is None for name in ("label", "class", "truth")):
        return "no feedback.label"
    return ""


def _problem_of_number(event: Mapping[str, Any]) -> str:
    number = event.get("sequence")
    return "" if number is None or SEQUENCE.hold(number) else out_of_bounds("event.sequence")


def _out_of_bounds(fields: Mapping[str, Any]) -> str:
    """Return the reason of the first number out of its range; empty if there is none."""
    for name, (bounds, reason) in _BOUNDS.items():
        value = fields.get(name)
        if value is not None and not bounds.hold(value):
            return reason
    return ""


def _label(value: Any) -> int | None:
    return int(value) if _is_number(value) and value in (0, 1) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _moment(value: Any) -> datetime | None:
    """Return a moment; None if it cannot be read, or lies in no year that an event may have."""
    try:
        moment = instants.parse(value)
    except (AttributeError, OverflowError, TypeError, ValueError):
        return None
    return moment if instants.EPOCH.year <= moment.year < datetime.max.year else None


def _object(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object of a document; its fields may be written with dots, as Elasticsearch accepts them."""
    value = source.get(name)
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping):
        return value[0]
    prefix = f"{name}."
    return {key.removeprefix(prefix): entry for key, entry in source.items() if key.startswith(prefix)}
