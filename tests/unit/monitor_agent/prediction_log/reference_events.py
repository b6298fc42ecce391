"""The event of a prediction as one object, the slow way: the text of the log must be that of orjson for this object."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor_agent.contracts.ecs import ECS_VERSION
from monitor_agent.prediction_log import Origin, ScoredRequest
from monitor_agent.prediction_log.pseudonyms import Pseudonyms
from tests.unit.monitor_agent.prediction_log.factories import ScoredInstance


def reference_event(
    request: ScoredRequest,
    instances: list[ScoredInstance],
    index: int,
    identifier: str,
    origin: Origin,
    pseudonym: Pseudonyms,
) -> dict[str, Any]:
    """Return the event of one instance, without `event.created` and `event.sequence`."""
    instance, call, size = instances[index], request.call, len(instances)
    place = 1 + sum(
        other.score > instance.score or (other.score == instance.score and position < index)
        for position, other in enumerate(instances)
    )
    moment = instance.timestamp or call.received
    primary = request.primary_ids[index] if request.primary_ids else ""
    event: dict[str, Any] = {
        "@timestamp": f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z",
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": identifier,
            "dataset": "model.prediction",
            "kind": "event",
            "outcome": "success",
            **absent({"duration": request.duration}),
        },
        "service": {
            "name": origin.service_name,
            "version": origin.service_version,
            "environment": origin.environment,
            "node": {"name": origin.node},
        },
        "log": {"level": "info"},
        "message": "prediction",
        "model": {"name": origin.model_name, "version": origin.model_version},
    }
    if call.trace:
        event |= {"trace": {"id": call.trace.trace_id}, "span": {"id": call.trace.span_id}}
    event["http"] = {"request": {"id": call.request_id}}
    assignment = request.assignment
    event["prediction"] = {
        "id": identifier,
        **outcome_of(instance, origin),
        "rank": place,
        "request_size": size,
        **absent({"batch_size": instance.batch_size}),
        "shadow": instance.shadow or bool(primary),
        **absent({"queue_time": instance.queue_time, "compute_time": instance.compute_time}),
        **absent(
            {
                "propensity": instance.propensity,
                "primary_id": primary or None,
                "engine": instance.engine or origin.engine or None,
            }
        ),
    }
    if assignment:
        event["prediction"]["assignment"] = vars(assignment)
    context = request.context
    people = {"session": context.session_id, "user": context.user_id}
    event |= {"labels": context.labels} if context.labels else {}
    event |= {name: {"id": pseudonym(text)} for name, text in people.items() if text}
    event |= {"query": {"hash": pseudonym(context.query), "text": context.query}} if context.query else {}
    item = absent({"id": instance.item_id, "position": instance.position})
    by_type = {name: getattr(instance.features, name) for name in ("numeric", "categorical", "other")}
    features = {name: values for name, values in by_type.items() if values}
    event |= {name: members for name, members in (("item", item), ("features", features)) if members}
    if instance.ranking:
        event |= {"ranking": vars(instance.ranking)} if instance.ranking.size > 1 else {}
    elif request.is_list and size > 1:
        event["ranking"] = {"id": call.list_id or call.request_id, "rank": place, "size": size}
    return event


def outcome_of(instance: ScoredInstance, origin: Origin) -> dict[str, Any]:
    """Return what the model says of an instance."""
    if origin.kind == "multiclass":
        scores = dict(zip(origin.classes, instance.classes, strict=True))
        return {"kind": origin.kind, "class": max(scores, key=lambda name: scores[name]), "scores": scores}
    if origin.kind == "regression":
        return {"kind": origin.kind, "value": instance.score}
    clipped = min(max(instance.score, 1e-7), 1 - 1e-7)
    return {
        "score": instance.score,
        "label": int(np.float32(instance.score) >= np.float32(origin.threshold)),
        "threshold": origin.threshold,
        "log_loss_1": -math.log(clipped),
        "log_loss_0": -math.log1p(-clipped),
    }


def absent(members: dict[str, Any]) -> dict[str, Any]:
    """Return the members that are there."""
    return {name: value for name, value in members.items() if value is not None}
