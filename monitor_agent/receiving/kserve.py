"""Turns the request and the answer of an inference service into predictions (pure).

Source: KServe, "Inference Logger": one CloudEvent for the request and one for the answer, with the same id.
"""

from __future__ import annotations

import orjson

from monitor_agent.contracts.bounds import DURATION
from monitor_agent.errors import RecordError
from monitor_agent.prediction_log import trace_context
from monitor_agent.receiving.cloud_events import CloudEvent
from monitor_agent.receiving.outputs import outcome_of
from monitor_agent.receiving.payloads import Cell, PayloadRows, request_rows, response_rows, value_at
from monitor_agent.receiving.source_events import (
    InputReader,
    SourceInstance,
    SourcePredictions,
    identity,
    instance_of,
)
from monitor_agent.settings.source_mapping import UNNAMED_VERSION, SourceMapping, SourceMappings, mapping_of
from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS, REGRESSION

REQUEST, RESPONSE = "request", "response"
SERVICE, NAMESPACE, COMPONENT, ENDPOINT = "inferenceservicename", "namespace", "component", "endpoint"
METADATA = "metadata"
"""The extension with headers of the request, as a JSON text; in a mapping, `metadata.NAME` is one of them."""
_ROLES = {".inference.request": REQUEST, ".inference.response": RESPONSE}
_NANOSECONDS = 10**9
_ANY_OUTCOME = {
    BINARY: {"score": Cell(0.0, "")},
    MULTICLASS: {"class": Cell("0", "")},
    REGRESSION: {"value": Cell(0.0, "")},
}


def role_of(event: CloudEvent) -> str:
    """Return whether an event is a request or a response.

    Raises
    ------
    RecordError
        If it is neither.
    """
    for ending, role in _ROLES.items():
        if event.type.endswith(ending):
            return role
    raise RecordError("ce-type", "org.kubeflow.serving.inference.request or ....response is expected")


def service_of(event: CloudEvent) -> str:
    """Return namespace and name of the inference service; an event without them has its source."""
    name, namespace = event.extensions.get(SERVICE, ""), event.extensions.get(NAMESPACE, "")
    return f"{namespace}/{name}" if namespace and name else name or event.source


def mapping_for(event: CloudEvent, mappings: SourceMappings) -> SourceMapping:
    """Return the mapping of an event's service."""
    return mapping_of(mappings, service_of(event), event.extensions.get(SERVICE, ""))


def counts(event: CloudEvent, mapping: SourceMapping) -> bool:
    """Return whether an event comes from the component that the mapping counts, or names none."""
    return event.extensions.get(COMPONENT) in (None, "", mapping.component)


def join_key(event: CloudEvent) -> tuple[str, str]:
    """Return what the request and the response of one call share."""
    return service_of(event), event.id


def instances_of(request: CloudEvent, mapping: SourceMapping, most: int) -> PayloadRows:
    """Return the instances of a request.

    Raises
    ------
    RecordError
        If its data are no request.
    """
    return request_rows(request.data(), request.place, mapping.columns, most)


def features_of(request: CloudEvent, mapping: SourceMapping, most: int) -> SourcePredictions:
    """Return the instances of a request as if their outcome were known, to see whether what is logged of them is right.

    Raises
    ------
    RecordError
        If its data are no request.
    """
    rows = instances_of(request, mapping, most)
    return SourcePredictions(
        service=service_of(request),
        model=mapping.model or request.extensions.get(SERVICE) or service_of(request),
        version=mapping.version or UNNAMED_VERSION,
        kind=mapping.kind,
        threshold=mapping.threshold,
        moment=request.time,
        request_id=request.id,
        instances=[
            instance_of(identity(request.id, row), _ANY_OUTCOME[mapping.kind], mapping, _inputs(row, rows, request))
            for row in range(rows.size)
        ],
    )


def predictions_of(
    response: CloudEvent, request: CloudEvent | None, mapping: SourceMapping, most: int
) -> SourcePredictions:
    """Return the predictions of a response, with the features of its request if that is there and fits.

    All but the features and the response time follows from the response alone, so a second one changes nothing.

    Raises
    ------
    RecordError
        If the data are not what the mapping says; it names the path of the value.
    """
    data = response.data()
    rows = response_rows(data, response.place, most)
    instances = None if request is None else instances_of(request, mapping, most)
    if instances is not None and instances.size != rows.size:
        instances = None
    service = service_of(response)
    stated_version = data.get("model_version")
    return SourcePredictions(
        service=service,
        model=mapping.model or response.extensions.get(SERVICE) or service,
        version=mapping.version
        or (stated_version if isinstance(stated_version, str) else "")
        or response.extensions.get(ENDPOINT)
        or UNNAMED_VERSION,
        kind=mapping.kind,
        threshold=mapping.threshold,
        moment=response.time,
        request_id=response.id,
        instances=[_instance(row, rows, instances, response, mapping) for row in range(rows.size)],
        duration=_duration(request, response) if mapping.response_time else None,
        is_list=mapping.ranked_list,
        trace=trace_context.parse(response.extensions.get("traceparent", "")),
        has_request=instances is not None,
    )


def _instance(
    row: int, rows: PayloadRows, instances: PayloadRows | None, response: CloudEvent, mapping: SourceMapping
) -> SourceInstance:
    outcome = outcome_of(rows.output(row, mapping.output), mapping)
    identifier = identity(service_of(response), response.id, row)
    return instance_of(identifier, outcome, mapping, _inputs(row, instances, response))


def _inputs(row: int, instances: PayloadRows | None, event: CloudEvent) -> InputReader:
    """Return what reads the inputs of an instance: from the request, else from the headers of the request."""

    def read(name: str) -> Cell | None:
        cell = None if instances is None else instances.cell(row, name)
        return _header(event, name) if cell is None else cell

    return read


def _header(event: CloudEvent, name: str) -> Cell | None:
    """Return the first value of a header of the request that the logger was told to send along."""
    step, _, header = name.partition(".")
    text = event.extensions.get(METADATA)
    if step != METADATA or not header or not text:
        return None
    try:
        values = value_at(orjson.loads(text), header)
    except orjson.JSONDecodeError:
        return None
    value = values[0] if isinstance(values, list) and values else values
    return Cell(value, f"ce-{METADATA}") if isinstance(value, str) and value else None


def _duration(request: CloudEvent | None, response: CloudEvent) -> int | None:
    """Return the time between the two events of a call, ns."""
    if request is None:
        return None
    spent = int((response.time - request.time).total_seconds() * _NANOSECONDS)
    return spent if DURATION.hold(spent) else None
