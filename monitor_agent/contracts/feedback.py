"""Feedback: the actions of users on a prediction, in the index of the prediction's day."""

from __future__ import annotations

from monitor_agent.contracts.bounds import LABEL, NUMBER, VALUE
from monitor_agent.contracts.ecs import COMMON, DATASET_FEEDBACK, ECS_VERSION
from monitor_agent.contracts.index_contract import (
    Field,
    IndexContract,
    alias,
    bounded,
    date,
    double,
    exact,
    integer,
    keyword,
)

TYPES = ("impression", "click", "purchase", "label")

STATUS_NEW = "new"
STATUS_MATCHED = "matched"
STATUS_DUPLICATE = "duplicate"
STATUS_TOO_LATE = "too_late"
STATUS_WAITING = "waiting"
STATUS_ORPHAN = "orphan"
STATUS_EXPIRED = "expired"
STATUS_INVALID = "invalid"
STATUSES = (
    STATUS_NEW,
    STATUS_MATCHED,
    STATUS_DUPLICATE,
    STATUS_TOO_LATE,
    STATUS_WAITING,
    STATUS_ORPHAN,
    STATUS_EXPIRED,
    STATUS_INVALID,
)

MAX_EVENTS_PER_TYPE = 2_000
"""Number of events of one type that count on one prediction within the attribution window, and again outside it."""

FIELDS: dict[str, Field] = {
    **COMMON,
    "event.id": keyword("id of the feedback; the document's `_id` is the SHA-256 of this and `prediction.id`"),
    "prediction.id": keyword("the prediction of the feedback; a UUID is stored in lower case, without braces"),
    "prediction.timestamp": date(
        "time in the prediction's UUIDv7, else time of the feedback; it selects the index; where it is missing, the "
        "agent adds the time in the UUIDv7 when the feedback begins to wait"
    ),
    "feedback.type": keyword("`impression`, `click`, `purchase` or `label`"),
    "feedback.label": bounded(
        exact(
            integer(
                "1 or 0. For the type `label`: the true label of a `binary` prediction. For all other types, 0 takes "
                "back the earlier events of this type, and everything else is a yes"
            )
        ),
        LABEL,
    ),
    "feedback.class": keyword("the true class of a `multiclass` prediction"),
    "feedback.truth": bounded(double("the true number of a `regression`"), NUMBER),
    "feedback.value": bounded(
        double("such as the revenue of a purchase; a refund is a purchase with a negative value"), VALUE
    ),
    "feedback.status": keyword("`new`, then set by the agent: " + ", ".join(f"`{status}`" for status in STATUSES[1:])),
    "feedback.problem": keyword("why the feedback is `invalid`, as a reason of the dead letters"),
    "feedback.waiting_since": date("when the agent first searched for the prediction and did not find it"),
    "model.name": keyword("the model of the server that took the feedback"),
    "model.version": keyword("the model's version on that server"),
    "model_name": alias("model.name"),
    "model_version": alias("model.version"),
}

FEEDBACK = IndexContract(
    name="model-feedback",
    alias="model-feedback",
    suffix="%Y.%m.%d",
    help="Feedback by the day of its prediction (UTC)",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:00:05.000000Z",
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": "019ab0a5-b086-7d10-9d3b-0a4c5e6f7081",
            "dataset": DATASET_FEEDBACK,
            "kind": "event",
            "outcome": "success",
            "created": "2026-11-23T10:00:05.001200Z",
            "ingested": "2026-11-23T10:00:05.420000Z",
            "sequence": 18,
        },
        "service": {
            "name": "model-server",
            "version": "0.1.0",
            "environment": "production",
            "node": {"name": "web-1:4242:1763892000"},
        },
        "log": {"level": "info", "file": {"path": "/var/log/model-server/events-4242.ndjson"}},
        "host": {"name": "web-1"},
        "message": "feedback",
        "prediction": {
            "id": "019ab0a5-9d7b-7c3e-8a51-6f2b9d1c4e70",
            "timestamp": "2026-11-23T10:00:00.123000Z",
        },
        "feedback": {"type": "click", "label": 1, "status": STATUS_NEW},
        "model": {"name": "click", "version": "1"},
    },
)
