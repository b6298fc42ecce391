"""Builds documents as the pipeline indexes them, with defaults that a test can override."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from elasticsearch import Elasticsearch, helpers

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.prediction import LOG_LOSS_CLIP, PREDICTIONS
from monitor_agent.contracts.release import RELEASES
from monitor_agent.contracts.request_error import ERRORS

Document = dict[str, Any]
START = datetime(2026, 3, 2, 10, 0, tzinfo=timezone.utc)


def iso(moment: datetime) -> str:
    """Return a moment in the form of the events."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def make_prediction(
    at: datetime = START,
    score: float = 0.25,
    *,
    threshold: float = 0.5,
    model: str = "click",
    version: str = "1",
    scene: str | None = "search",
    duration_ms: float = 3.0,
    **fields: Any,
) -> Document:
    """Return a prediction; `fields` are further fields below `prediction`."""
    identifier = uuid7.make(at)
    clipped = min(max(score, LOG_LOSS_CLIP), 1 - LOG_LOSS_CLIP)
    return {
        "@timestamp": iso(at),
        "event": {"id": identifier, "dataset": "model.prediction", "duration": round(duration_ms * 1e6)},
        "model": {"name": model, "version": version},
        **({"labels": {"scene": scene}} if scene else {}),
        "prediction": {
            "id": identifier,
            "score": score,
            "label": int(score >= threshold),
            "threshold": threshold,
            "rank": 1,
            "log_loss_1": -math.log(clipped),
            "log_loss_0": -math.log(1 - clipped),
            **fields,
        },
    }


def make_feedback(
    prediction: Document, after: timedelta = timedelta(seconds=5), type_: str = "click", **fields: Any
) -> Document:
    """Return feedback on a prediction; `fields` are fields below `feedback`, such as `label` and `value`."""
    predicted_at = datetime.fromisoformat(prediction["@timestamp"].replace("Z", "+00:00"))
    moment = predicted_at + after
    label = {"label": 1} if type_ == "click" else {}
    return {
        "@timestamp": iso(moment),
        "event": {"id": uuid7.make(moment), "dataset": "model.feedback"},
        "prediction": {"id": prediction["prediction"]["id"], "timestamp": prediction["@timestamp"]},
        "feedback": {"type": type_, "status": "new", **label, **fields},
        "model": prediction["model"],
    }


def feedback_id(feedback: Document) -> str:
    """Return the id of the document that the pipeline makes of feedback."""
    event, prediction = feedback["event"]["id"], feedback["prediction"].get("id")
    if prediction is None:  # of another program: the pipeline refuses it
        return str(event)
    return hashlib.sha256(f"|[event][id]|{event}|[prediction][id]|{prediction}|".encode()).hexdigest()


def make_error(at: datetime = START, *, model: str = "click", version: str = "1", scene: str | None = None) -> Document:
    """Return a request error."""
    return {
        "@timestamp": iso(at),
        "event": {"id": uuid7.make(at), "dataset": "model.request_error"},
        **({"labels": {"scene": scene}} if scene else {}),
        "error": {"type": "ValidationError", "message": "score: a number is expected"},
        "model": {"name": model, "version": version},
    }


def make_release(
    at: datetime = START, action: str = "version-loaded", *, version: str = "1", reason: str = ""
) -> Document:
    """Return the event of a model server about a version."""
    return {
        "@timestamp": iso(at),
        "event": {
            "id": uuid7.make(at),
            "dataset": "model.release",
            "action": action,
            "outcome": "failure" if reason else "success",
            **({"reason": reason} if reason else {}),
        },
        "model": {"name": "click", "version": version},
    }


def id_of(document: Document) -> str:
    """Return the `_id` that the pipeline would choose."""
    is_feedback = document["event"]["dataset"] == "model.feedback"
    identifier: str = feedback_id(document) if is_feedback else document["event"]["id"]
    return identifier


def index_of(document: Document) -> str:
    """Return the index that the pipeline would choose."""
    contract = {
        "model.prediction": PREDICTIONS,
        "model.feedback": FEEDBACK,
        "model.request_error": ERRORS,
        "model.release": RELEASES,
    }[document["event"]["dataset"]]
    timestamp = document["@timestamp"]
    if contract is FEEDBACK:
        timestamp = document["prediction"].get("timestamp", timestamp)
    return contract.index_for(datetime.fromisoformat(timestamp.replace("Z", "+00:00")))


def stored(document: Document) -> Document:
    """Return what the pipeline would store of an event."""
    if document["event"]["dataset"] != "model.release":
        return document
    model = document["model"]
    return {**document, "source": "server", "model_name": model["name"], "model_version": model["version"]}


def deliver(client: Elasticsearch, documents: Iterable[Document]) -> None:
    """Create each document once by its id, as the pipeline does; searches see them afterwards."""
    actions = [
        {"_op_type": "create", "_index": index_of(document), "_id": id_of(document), "_source": stored(document)}
        for document in documents
    ]
    _, errors = helpers.bulk(client, actions, raise_on_error=False)
    refused = [error for error in errors if error["create"]["status"] != 409]
    assert not refused, refused[:2]
    client.indices.refresh(index="model-*")
