"""Predictions: one document per scored instance, in the index of its own day."""

from __future__ import annotations

from monitor_agent.contracts.bounds import (
    COUNT,
    DELAY,
    DURATION,
    ERROR,
    ERROR_BIN,
    LABEL,
    LOG_LOSS,
    NUMBER,
    PERCENTAGE_ERROR,
    POSITIVE_PROBABILITY,
    PROBABILITY,
    RANK,
    VALUE_SUM,
)
from monitor_agent.contracts.ecs import COMMON, DATASET_PREDICTION, ECS_VERSION
from monitor_agent.contracts.feedback import MAX_EVENTS_PER_TYPE
from monitor_agent.contracts.index_contract import (
    Field,
    IndexContract,
    alias,
    boolean,
    bounded,
    date,
    double,
    dynamic,
    exact,
    integer,
    keyword,
    long,
    stored,
    text,
)
from monitor_agent.contracts.kinds import DEFAULT_KIND, KINDS, MOST_CLASS_CHARACTERS
from monitor_agent.contracts.model_names import MOST_CHARACTERS

LOG_LOSS_CLIP = 1e-7
"""Probabilities are clipped to [clip, 1 - clip] before the logarithm."""

ASSIGNMENT_UNITS = ("user", "session", "request")
"""What is assigned to a version in a split of the traffic."""


FIELDS: dict[str, Field] = {
    **COMMON,
    "event.duration": bounded(
        long("duration of the whole request; counted once per request, at rank 1", "ns"), DURATION
    ),
    "prediction.id": keyword("the same as `event.id`; clients send it with feedback"),
    "prediction.kind": keyword(
        "kind of the prediction: " + ", ".join(f"`{kind.name}`" for kind in KINDS) + f"; absent = `{DEFAULT_KIND.name}`"
    ),
    "prediction.score": bounded(exact(double("probability of a positive; required for `binary`")), PROBABILITY),
    "prediction.label": bounded(
        exact(integer("1 if the score is at or above the threshold, else 0; required for `binary`")), LABEL
    ),
    "prediction.class": keyword("the predicted class; required for `multiclass`"),
    "prediction.scores": Field("flattened", "class -> score, 0..1; for `multiclass`", options={"ignore_above": 256}),
    "prediction.value": bounded(double("the predicted number; required for `regression`"), NUMBER),
    "prediction.threshold": bounded(double("the applied threshold"), PROBABILITY),
    "prediction.rank": bounded(integer("1 = best score of its request"), RANK),
    "prediction.request_size": bounded(integer("instances in the request"), RANK),
    "ranking.id": keyword(
        "id of the ranked list: the id of the request, or an id of the client if the client scores the items one by one"
    ),
    "ranking.rank": bounded(integer("place in the ranked list, 1 = first"), RANK),
    "ranking.size": bounded(integer("items of the ranked list, 2 or more"), RANK),
    "prediction.batch_size": bounded(integer("instances that the model computed together"), RANK),
    "prediction.log_loss_1": bounded(
        exact(double("log loss for the label 1 (probability clipped at 1e-7); optional")), LOG_LOSS
    ),
    "prediction.log_loss_0": bounded(
        exact(double("log loss for the label 0 (probability clipped at 1e-7); optional")), LOG_LOSS
    ),
    "prediction.shadow": boolean("whether the item was scored, but never shown"),
    "prediction.propensity": bounded(double("probability of the choice of the shown item"), PROBABILITY),
    "prediction.primary_id": keyword(
        "in an event of a shadow version: the `prediction.id` of the prediction that the client got for this instance"
    ),
    "prediction.engine": keyword("what computed the score: `tensorflow` or `litert`", ignore_above=MOST_CHARACTERS),
    "prediction.assignment.name": keyword(
        "in a split of the traffic: the label or the version that the unit was assigned to",
        ignore_above=MOST_CHARACTERS,
    ),
    "prediction.assignment.unit": keyword(
        "what was assigned as a whole: " + ", ".join(f"`{unit}`" for unit in ASSIGNMENT_UNITS)
    ),
    "prediction.assignment.propensity": bounded(double("probability of this assignment"), POSITIVE_PROBABILITY),
    "prediction.queue_time": bounded(long("time of waiting for a batch", "ns"), DURATION),
    "prediction.compute_time": bounded(long("time in the model", "ns"), DURATION),
    "model.name": keyword("the model", ignore_above=MOST_CHARACTERS),
    "model.version": keyword("its version; never `all`", ignore_above=MOST_CHARACTERS),
    "model_name": alias("model.name"),
    "model_version": alias("model.version"),
    "http.request.id": keyword("one per request"),
    "session.id": keyword("HMAC of the client's session id"),
    "user.id": keyword("HMAC of the client's user id"),
    "item.id": keyword("the scored item"),
    "item.position": bounded(integer("position on the page, 1 = first"), RANK),
    "query.hash": keyword("HMAC of the search query"),
    "query.text": text("the search query, if the settings allow it"),
    "features.numeric": bounded(dynamic("double", "numeric features, behind an allow-list"), NUMBER),
    "features.categorical": dynamic("keyword", "categorical features, behind an allow-list", ignore_above=256),
    "features.age_s": bounded(
        dynamic("double", "age of a numeric or categorical feature at scoring, by its name; optional"), NUMBER
    ),
    "features.other": Field(
        "flattened",
        "features outside the allow-lists; only if `MODEL_SERVER_LOG_OTHER_FEATURES` is on",
        options={"ignore_above": 256},
    ),
    "feedback.label": bounded(
        integer(
            "the label, 1 or 0: the last word of the judged type (`MONITOR_FEEDBACK_TYPE`) within the attribution "
            "window, by the time of the events, then by their ids; written by the agent from feedback, never guessed"
        ),
        LABEL,
    ),
    "feedback.class": keyword(
        "the true class of a `multiclass` prediction: that of the last feedback of type `label` within the attribution "
        "window; written by the agent"
    ),
    "feedback.class_rank": bounded(
        integer("place of the true class by its score, 1 = highest; null without scores; written by the agent"), RANK
    ),
    "feedback.class_log_loss": bounded(
        double("-ln of the score of the true class, clipped at 1e-7; null without scores; written by the agent"),
        LOG_LOSS,
    ),
    "feedback.class_scores": keyword(
        "for each class, `+` for the true one or `-`, the bin of its score, and the class (docs/state-blob.md); empty "
        "if there are scores of more than 50 classes; written by the agent",
        ignore_above=MOST_CLASS_CHARACTERS + 8,
    ),
    "feedback.truth": bounded(
        double("the true number of a `regression`, by the same rule; written by the agent"), NUMBER
    ),
    "feedback.error": bounded(double("the predicted number minus the true one; written by the agent"), ERROR),
    "feedback.error_bin": bounded(
        integer("the bin of the error: three significant digits (docs/state-blob.md); written by the agent"),
        ERROR_BIN,
    ),
    "feedback.percentage_error": bounded(
        double("|error / true number|; null if the true number is 0; written by the agent"), PERCENTAGE_ERROR
    ),
    "feedback.shown": boolean(
        "whether an impression, click or purchase that is not taken back confirms that the item was shown; written by "
        "the agent"
    ),
    "feedback.clicked_at": date(
        "time of the event that makes the label 1: the first one since a `label: 0` of this type, of type `label` the "
        "latest one; null if the label is not 1; written by the agent"
    ),
    "feedback.delay": bounded(
        long(
            "time from the prediction to its first positive feedback that is not taken back, also if it is late; "
            "written by the agent",
            "ns",
        ),
        DELAY,
    ),
    "feedback.types": keyword(
        "types of its feedback within the attribution window whose last word is not `label: 0`; written by the agent"
    ),
    "feedback.value": bounded(
        double(
            "exact sum of `feedback.value` over its feedback with the status `matched`: every distinct purchase within "
            "the attribution window, refunds (negative values) too, and the one event of each other type that counts. "
            "Nothing is added for duplicates, feedback outside the window, events with `label: 0`, and purchases "
            "before a purchase with `label: 0`, which takes them back; null = no value; written by the agent"
        ),
        VALUE_SUM,
    ),
    "feedback.count": bounded(
        integer(
            f"distinct feedback events: of each type at most {MAX_EVENTS_PER_TYPE:,} within the attribution window, "
            "and as many outside it; written by the agent"
        ),
        COUNT,
    ),
    "feedback.duplicates": bounded(
        integer(
            "feedback within the attribution window that repeats other feedback, or that later feedback takes back or "
            "replaces; written by the agent"
        ),
        COUNT,
    ),
    "feedback.too_late": bounded(integer("feedback outside the attribution window; written by the agent"), COUNT),
    "feedback.events": stored("its feedback: id, type, time, label, value of each event; written by the agent"),
    "outcome": keyword(
        "`tp` or `fn` (`fp` or `tn` if feedback has the label 0); of a `multiclass` prediction `correct` or "
        "`incorrect`; written by the agent"
    ),
}

PREDICTIONS = IndexContract(
    name="model-predictions",
    alias="model-predictions",
    suffix="%Y.%m.%d",
    help="Predictions by day (UTC), one document per scored instance",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:00:00.123456Z",
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": "019ab0a5-9d7b-7c3e-8a51-6f2b9d1c4e70",
            "dataset": DATASET_PREDICTION,
            "kind": "event",
            "outcome": "success",
            "created": "2026-11-23T10:00:00.131002Z",
            "ingested": "2026-11-23T10:00:00.642000Z",
            "sequence": 17,
            "duration": 3_120_000,
        },
        "service": {
            "name": "model-server",
            "version": "0.1.0",
            "environment": "production",
            "node": {"name": "web-1:4242:1763892000"},
        },
        "log": {"level": "info", "file": {"path": "/var/log/model-server/events-4242.ndjson"}},
        "host": {"name": "web-1"},
        "message": "prediction",
        "labels": {"scene": "search"},
        "prediction": {
            "id": "019ab0a5-9d7b-7c3e-8a51-6f2b9d1c4e70",
            "score": 0.25,
            "label": 0,
            "threshold": 0.5,
            "rank": 1,
            "request_size": 1,
            "batch_size": 1,
            "log_loss_1": 1.3862943611198906,
            "log_loss_0": 0.2876820724517809,
            "shadow": False,
            "queue_time": 210_000,
            "compute_time": 2_300_000,
        },
        "model": {"name": "click", "version": "1"},
        "http": {"request": {"id": "5f1c1c9a3e5d4f0a"}},
        "session": {"id": "b8f0c1d2e3a4b5c6"},
        "item": {"id": "79", "position": 2},
        "features": {"numeric": {"price": -0.49}, "categorical": {"category": "c12"}},
    },
)
