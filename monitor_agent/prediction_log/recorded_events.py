"""The events of predictions that another program has recorded, such as the rows of a table (pure).

Their ids, times and decisions are those of the record. They have no number: nobody counts lost lines of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor_agent.contracts.drift import AGE, CATEGORICAL, NUMERIC
from monitor_agent.contracts.ecs import DATASET_PREDICTION, ECS_VERSION
from monitor_agent.contracts.kinds import MULTICLASS, REGRESSION
from monitor_agent.prediction_log import events
from monitor_agent.prediction_log.events import Event
from monitor_agent.prediction_log.json_text import iso
from monitor_agent.prediction_log.outcomes import log_losses
from monitor_agent.prediction_log.records import Call, FeedbackRecord, Origin


@dataclass(frozen=True)
class RecordedPrediction:
    """One prediction, with values that are checked already; what is None or empty is absent.

    Attributes
    ----------
    id, moment : its id, and its time (UTC).
    result : the result of the model: `binary_result`, `class_result` or `number_result`.
    user, session : they become pseudonyms.
    numeric, categorical : its features.
    ages : how old features were, in seconds.
    joined : the fields below `feedback` that the join of its feedback gives; None = no feedback came with it.
    outcome : `tp`, `fn`, `fp` or `tn`, if the feedback says so.
    """

    id: str
    moment: datetime
    model: str
    version: str
    result: Mapping[str, Any]
    user: str = ""
    session: str = ""
    item: str = ""
    position: int | None = None
    propensity: float | None = None
    ranking: str = ""
    rank: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    numeric: Mapping[str, float] = field(default_factory=dict)
    categorical: Mapping[str, str] = field(default_factory=dict)
    ages: Mapping[str, float] = field(default_factory=dict)
    joined: Mapping[str, Any] | None = None
    outcome: str | None = None


def binary_result(score: float, label: int, threshold: float | None) -> dict[str, Any]:
    """Return the result of a binary model.

    Parameters
    ----------
    label : the decision, 0 or 1.
    threshold : that decided; None = unknown.
    """
    loss_1, loss_0 = log_losses(score)
    limit = {} if threshold is None else {"threshold": threshold}
    return {"score": score, "label": label, **limit, "log_loss_1": loss_1, "log_loss_0": loss_0}


def class_result(name: str, score: float | None) -> dict[str, Any]:
    """Return the result of a multiclass model: the class, and its probability if it is known."""
    result: dict[str, Any] = {"kind": MULTICLASS.name, "class": name}
    return result if score is None else {**result, "scores": {name: score}}


def number_result(value: float) -> dict[str, Any]:
    """Return the result of a regression."""
    return {"kind": REGRESSION.name, "value": value}


class RecordedEvents:
    """Makes the events.

    Parameters
    ----------
    pseudonym : turns the id of a user or a session into a pseudonym.
    environment : `service.environment` of the events.
    """

    def __init__(self, pseudonym: Callable[[str], str], environment: str = "production") -> None:
        self._pseudonym = pseudonym
        self._environment = environment

    def prediction(self, record: RecordedPrediction) -> Event:
        """Return the event of a prediction; each is a request of its own."""
        event: Event = {
            "@timestamp": iso(record.moment),
            "ecs": {"version": ECS_VERSION},
            "event": {"id": record.id, "dataset": DATASET_PREDICTION, "kind": "event", "outcome": "success"},
            "service": {"name": record.model, "environment": self._environment},
            "log": {"level": "info"},
            "message": "prediction",
            "model": {"name": record.model, "version": record.version},
            "prediction": {"id": record.id, **record.result, "rank": 1, "request_size": 1, "shadow": False},
        }
        if record.propensity is not None:
            event["prediction"]["propensity"] = record.propensity
        if record.labels:
            event["labels"] = record.labels
        if record.user:
            event["user"] = {"id": self._pseudonym(record.user)}
        if record.session:
            event["session"] = {"id": self._pseudonym(record.session)}
        if item := _present(id=record.item or None, position=record.position):
            event["item"] = item
        if ranking := _present(id=record.ranking or None, rank=record.rank):
            event["ranking"] = ranking
        logged = {NUMERIC: record.numeric, CATEGORICAL: record.categorical, AGE: record.ages}
        if features := {name: values for name, values in logged.items() if values}:
            event["features"] = features
        if record.joined is not None:
            event["feedback"] = _present(**record.joined)
        if record.outcome:
            event["outcome"] = record.outcome
        return event

    def feedback(self, record: FeedbackRecord, model: str, version: str) -> Event:
        """Return the event of feedback whose time and id are known."""
        origin = Origin(model, "", self._environment, "", model, version)
        moment = record.timestamp or record.prediction_time
        if moment is None:
            raise ValueError("feedback without a time")
        event = events.feedback(record, Call("", "", moment, None), origin)
        del event["service"]["node"]
        return event


def _present(**fields: Any) -> Event:
    return {name: value for name, value in fields.items() if value is not None}
