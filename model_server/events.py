"""The events that the server writes: one function per dataset; the contracts define the fields (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from model_server.batching import InstanceScore
from model_server.feedback_request import ClientFeedback
from model_server.predict_request import NO_FEATURES, PredictInstance, PredictRequest, Ranking, RequestContext
from model_server.setting_limits import loggable_path
from model_server.trace_context import Trace
from monitor_agent.contracts import uuid7
from monitor_agent.contracts.ecs import DATASET_ERROR, DATASET_FEEDBACK, DATASET_PREDICTION, ECS_VERSION
from monitor_agent.contracts.feedback import STATUS_NEW
from monitor_agent.contracts.kinds import BINARY, MULTICLASS, REGRESSION
from monitor_agent.contracts.prediction import LOG_LOSS_CLIP

Event = dict[str, Any]
MAX_MESSAGE_LENGTH = 1000
MAX_PATH_LENGTH = 256
SERVER_ERRORS = 500


@dataclass(frozen=True)
class Origin:
    """The origin of events: the same for all events of a process.

    Attributes
    ----------
    node : the writer's name, from the event log.
    threshold : the model's threshold; a score at or above it gets the label 1.
    kind, classes : kind of the predictions, and the names of the classes of a multiclass model.
    """

    service_name: str
    service_version: str
    environment: str
    node: str
    model_name: str
    model_version: str
    threshold: float
    kind: str = BINARY.name
    classes: tuple[str, ...] = ()

    @cached_property
    def float32_threshold(self) -> float:
        """The threshold as a float32: models and NumPy compare a score with it."""
        return float(np.float32(self.threshold))


@dataclass(frozen=True)
class Call:
    """One HTTP request.

    Attributes
    ----------
    request_id : the client's `X-Request-Id`, else one of the server.
    received : when its first byte arrived, UTC.
    trace : the caller's trace, from the header `traceparent`.
    labels : the labels in its body, for the event of an error.
    list_id : the id of the ranked list that its instances are: no client can give two lists one id by chance.
    """

    request_id: str
    path: str
    received: datetime
    trace: Trace | None
    labels: dict[str, str] = field(default_factory=dict)
    list_id: str = ""


@dataclass(frozen=True)
class PredictionAnswer:
    """The answer for one instance, and the event with the same content.

    Attributes
    ----------
    outcome : what the model says: `score` and `label`; or `class` and `scores`; or `value`.
    """

    id: str
    rank: int
    outcome: dict[str, Any]
    event: Event


def predictions(
    request: PredictRequest,
    scores: Sequence[InstanceScore],
    call: Call,
    origin: Origin,
    duration: int,
    pseudonym: Callable[[str], str],
    *,
    query_text: bool,
) -> list[PredictionAnswer]:
    """Return one prediction per instance, in the order of the instances.

    Parameters
    ----------
    duration : time of the whole request so far, ns; the same in all events.
    query_text : whether the search query itself is logged, not only its pseudonym.
    """
    shared = _context_fields(request.context, pseudonym, query_text=query_text)
    ranks = rank([instance_score.score for instance_score in scores])
    answers = []
    for instance, computed, place in zip(request.instances, scores, ranks, strict=True):
        moment = instance.timestamp or call.received
        event = _event(DATASET_PREDICTION, uuid7.make(moment), moment, call, origin, "prediction")
        event["event"]["duration"] = duration
        event["http"] = {"request": {"id": call.request_id}}
        answer, logged = _outcome(computed, origin)
        event["prediction"] = {
            "id": event["event"]["id"],
            **logged,
            "rank": place,
            "request_size": len(scores),
            "batch_size": computed.batch_size,
            "shadow": instance.shadow,
            "queue_time": computed.queue_time,
            "compute_time": computed.compute_time,
        }
        event.update(shared)
        _add_instance(event, instance)
        ranking = instance.ranking or Ranking(call.list_id or call.request_id, place, len(scores))
        if ranking.size > 1:
            event["ranking"] = {"id": ranking.id, "rank": ranking.rank, "size": ranking.size}
        answers.append(PredictionAnswer(event["event"]["id"], place, answer, event))
    return answers


def _outcome(computed: InstanceScore, origin: Origin) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the model says of an instance: for the client, and for the event."""
    if origin.kind == MULTICLASS.name:
        scores = dict(zip(origin.classes, computed.classes, strict=True))
        of_class = {"class": max(scores, key=lambda name: scores[name]), "scores": scores}
        return of_class, {"kind": origin.kind, **of_class}
    if origin.kind == REGRESSION.name:
        return {"value": computed.score}, {"kind": origin.kind, "value": computed.score}
    of_score = {"score": computed.score, "label": int(computed.score >= origin.float32_threshold)}
    return of_score, {**of_score, "threshold": origin.threshold, **log_losses(computed.score)}


def feedback(client_feedback: ClientFeedback, call: Call, origin: Origin, place: int = 0) -> Event:
    """Return the event of one feedback: the time of its prediction selects the index, its id identifies repeats.

    Parameters
    ----------
    place : its place in the list of the request, from 0: each event is a microsecond later than the one before it, so
        that a click and its `label: 0` in one request keep their order.
    """
    moment = client_feedback.timestamp or call.received + timedelta(microseconds=place)
    event = _event(DATASET_FEEDBACK, client_feedback.event_id or uuid7.make(moment), moment, call, origin, "feedback")
    event["prediction"] = {
        "id": client_feedback.prediction_id,
        "timestamp": iso(client_feedback.prediction_time or moment),
    }
    event["feedback"] = {"type": client_feedback.type, "status": STATUS_NEW}
    if client_feedback.label is not None:
        event["feedback"]["label"] = client_feedback.label
    if client_feedback.value is not None:
        event["feedback"]["value"] = client_feedback.value
    return event


def request_error(call: Call, origin: Origin, duration: int, status: int, kind: str, message: str) -> Event:
    """Return the event of a request that was refused (4xx) or failed (5xx)."""
    failed = status >= SERVER_ERRORS
    message_of_event = "request failed" if failed else "request refused"
    event = _event(DATASET_ERROR, uuid7.make(call.received), call.received, call, origin, message_of_event)
    event["event"] |= {"outcome": "failure", "duration": duration}
    event["log"] = {"level": "error" if failed else "warning"}
    event["error"] = {"type": kind, "message": message[:MAX_MESSAGE_LENGTH]}
    event["http"] = {"request": {"id": call.request_id}, "response": {"status_code": status}}
    event["url"] = {"path": loggable_path(call.path)[:MAX_PATH_LENGTH]}
    if call.labels:
        event["labels"] = call.labels
    return event


def rank(scores: Sequence[float]) -> list[int]:
    """Return the rank of each score, 1 = best; equal scores keep their order.

    >>> rank([0.2, 0.9, 0.2])
    [2, 1, 3]
    """
    places = [0] * len(scores)
    for place, index in enumerate(sorted(range(len(scores)), key=lambda index: -scores[index]), start=1):
        places[index] = place
    return places


def log_losses(score: float) -> dict[str, float]:
    """Return the log loss of a score for the label 1 and for the label 0.

    >>> log_losses(0.25)
    {'log_loss_1': 1.3862943611198906, 'log_loss_0': 0.2876820724517809}
    """
    clipped = min(max(score, LOG_LOSS_CLIP), 1 - LOG_LOSS_CLIP)
    return {"log_loss_1": -math.log(clipped), "log_loss_0": -math.log1p(-clipped)}


def iso(moment: datetime) -> str:
    """Return a UTC time in the form of the events, with microseconds."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _event(dataset: str, identifier: str, moment: datetime, call: Call, origin: Origin, message: str) -> Event:
    """Return the fields of all events but `event.created` and `event.sequence`, which the log adds."""
    event: Event = {
        "@timestamp": iso(moment),
        "ecs": {"version": ECS_VERSION},
        "event": {"id": identifier, "dataset": dataset, "kind": "event", "outcome": "success"},
        "service": {
            "name": origin.service_name,
            "version": origin.service_version,
            "environment": origin.environment,
            "node": {"name": origin.node},
        },
        "log": {"level": "info"},
        "message": message,
        "model": {"name": origin.model_name, "version": origin.model_version},
    }
    if call.trace:
        event |= {"trace": {"id": call.trace.trace_id}, "span": {"id": call.trace.span_id}}
    return event


def _context_fields(context: RequestContext, pseudonym: Callable[[str], str], *, query_text: bool) -> Event:
    fields: Event = {}
    if context.labels:
        fields["labels"] = context.labels
    if context.session_id:
        fields["session"] = {"id": pseudonym(context.session_id)}
    if context.user_id:
        fields["user"] = {"id": pseudonym(context.user_id)}
    if context.query:
        fields["query"] = {"hash": pseudonym(context.query)}
        if query_text:
            fields["query"]["text"] = context.query
    return fields


def _add_instance(event: Event, instance: PredictInstance) -> None:
    if instance.propensity is not None:
        event["prediction"]["propensity"] = instance.propensity
    item = {"id": instance.item_id, "position": instance.position}
    if item_fields := {name: value for name, value in item.items() if value is not None}:
        event["item"] = item_fields
    if instance.features is NO_FEATURES:
        return
    features = {name: values for name, values in vars(instance.features).items() if name != "left_out"}
    if logged_features := {name: values for name, values in features.items() if values}:
        event["features"] = logged_features
