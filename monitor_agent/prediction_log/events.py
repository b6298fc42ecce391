"""The events about feedback, refused requests and releases: one function per dataset; the contracts define the fields.

Predictions, of which there are many, have `prediction_lines`. All of this is pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.ecs import DATASET_ERROR, DATASET_FEEDBACK, DATASET_RELEASE, ECS_VERSION
from monitor_agent.contracts.feedback import STATUS_NEW
from monitor_agent.contracts.release import FAILURE, SUCCESS
from monitor_agent.prediction_log.json_text import iso
from monitor_agent.prediction_log.limits import MAX_MESSAGE_LENGTH, MAX_PATH_LENGTH
from monitor_agent.prediction_log.names import loggable_path
from monitor_agent.prediction_log.records import Call, FeedbackRecord, Origin, ReleaseChange, RequestFailure
from monitor_agent.prediction_log.trace_context import Trace

Event = dict[str, Any]
SERVER_ERRORS = 500


def feedback(record: FeedbackRecord, call: Call, origin: Origin, place: int = 0) -> Event:
    """Return the event of one feedback: the time of its prediction selects the index, its id identifies repeats.

    Parameters
    ----------
    place : its place in the list of the request, from 0: each event is a microsecond later than the one before it, so
        that a click and its `label: 0` in one request keep their order.
    """
    moment = record.timestamp or call.received + timedelta(microseconds=place)
    event = _event(DATASET_FEEDBACK, record.event_id or uuid7.make(moment), moment, origin, "feedback")
    event |= trace_members(call.trace)
    event["prediction"] = {"id": record.prediction_id, "timestamp": iso(record.prediction_time or moment)}
    event["feedback"] = {"type": record.type, "status": STATUS_NEW}
    if record.label is not None:
        event["feedback"]["label"] = record.label
    if record.class_name is not None:
        event["feedback"]["class"] = record.class_name
    if record.truth is not None:
        event["feedback"]["truth"] = record.truth
    if record.value is not None:
        event["feedback"]["value"] = record.value
    return event


def request_error(call: Call, origin: Origin, failure: RequestFailure) -> Event:
    """Return the event of a request that was refused (4xx) or failed (5xx)."""
    failed = failure.status >= SERVER_ERRORS
    message = "request failed" if failed else "request refused"
    event = _event(DATASET_ERROR, uuid7.make(call.received), call.received, origin, message)
    event |= trace_members(call.trace)
    event["event"] |= {"outcome": "failure", "duration": failure.duration}
    event["log"] = {"level": "error" if failed else "warning"}
    event["error"] = {"type": failure.kind, "message": failure.message[:MAX_MESSAGE_LENGTH]}
    event["http"] = {"request": {"id": call.request_id}, "response": {"status_code": failure.status}}
    event["url"] = {"path": loggable_path(call.path)[:MAX_PATH_LENGTH]}
    if call.labels:
        event["labels"] = call.labels
    return event


def release(change: ReleaseChange, moment: datetime, origin: Origin) -> Event:
    """Return the event of what a server did with a version of a model."""
    event = _event(DATASET_RELEASE, uuid7.make(moment), moment, origin, change.action.replace("-", " "))
    event["event"] |= {"action": change.action, "outcome": SUCCESS if change.succeeded else FAILURE}
    if change.reason:
        event["event"]["reason"] = change.reason[:MAX_MESSAGE_LENGTH]
    if change.duration is not None:
        event["event"]["duration"] = change.duration
    event["log"] = {"level": "info" if change.succeeded else "error"}
    event["model"] = {"name": change.model_name, "version": change.model_version}
    if change.labels:
        event["release"] = {"labels": list(change.labels)}
    return event


def service_members(origin: Origin) -> Event:
    """Return the object `service`; what the program does not know is absent."""
    fields = {
        "name": origin.service_name,
        "version": origin.service_version,
        "environment": origin.environment,
    }
    return {**{name: text for name, text in fields.items() if text}, "node": {"name": origin.node}}


def trace_members(trace: Trace | None) -> Event:
    """Return the objects `trace` and `span`; none without a trace."""
    return {"trace": {"id": trace.trace_id}, "span": {"id": trace.span_id}} if trace else {}


def _event(dataset: str, identifier: str, moment: datetime, origin: Origin, message: str) -> Event:
    """Return the fields of all these events but `event.created` and `event.sequence`, which the log adds."""
    event: Event = {
        "@timestamp": iso(moment),
        "ecs": {"version": ECS_VERSION},
        "event": {"id": identifier, "dataset": dataset, "kind": "event", "outcome": "success"},
        "service": service_members(origin),
        "log": {"level": "info"},
        "message": message,
    }
    if origin.model_name:
        event["model"] = {"name": origin.model_name, "version": origin.model_version}
    return event
