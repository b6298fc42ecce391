"""The description of the server's HTTP API for the models that it serves (pure).

Source: OpenAPI Specification 3.1.0; its schemas are JSON Schema 2020-12.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from model_server.access import RELOAD
from model_server.signatures.input_form import EXAMPLE, FEATURES, IDS, INPUT_SEQ, SPLITS, TEXTS, InputForm
from model_server.signatures.instance_inputs import ANY_ID, InputReader
from model_server.signatures.json_values import B64, MAX_TEXT_LENGTH, numpy_dtype
from model_server.signatures.tensor_spec import TensorSpec
from monitor_agent.contracts.bounds import LABEL, NUMBER, RANK, VALUE, Bounds
from monitor_agent.contracts.feedback import TYPES
from monitor_agent.contracts.kinds import MOST_CLASS_CHARACTERS
from monitor_agent.prediction_log.limits import (
    MAX_EVENT_ID_LENGTH,
    MAX_FEATURE_LENGTH,
    MAX_FEATURE_NAME_LENGTH,
    MAX_ID_LENGTH,
    MAX_LABEL_LENGTH,
    MAX_QUERY_LENGTH,
)
from monitor_agent.settings import ServerSettings

Schema = dict[str, Any]
JSON = "application/json"
TEXT_TYPE = "text/plain"
ERROR_STATUSES = {
    "400": "the body is malformed; `field` names the place",
    "401": "an API key is missing or unknown",
    "403": "the API key lacks the right, or the page of another site has sent the request",
    "404": "there is no such model, version, label or signature",
    "413": "the body is too large",
    "415": "Content-Type or Content-Encoding is not taken",
    "500": "the model failed, or gave no probability",
    "503": "the queue is full, or events cannot be written: try again later",
    "504": "the model did not answer in time",
}


def describe(settings: ServerSettings, readers: Mapping[str, InputReader], version: str) -> Schema:
    """Return the description of the API.

    Parameters
    ----------
    readers : the inputs of each served model, of the version that answers, by the name of the model.
    version : of the server.
    """
    keys: list[Schema] = [{"bearer": []}, {"header": []}] if settings.api_keys else []
    bodies = [_predict_body(settings, reader, name, is_only=len(readers) == 1) for name, reader in readers.items()]
    body = bodies[0] if len(bodies) == 1 else {"anyOf": bodies}
    paths: Schema = {
        "/predict": {"post": _post("score instances", body, 200, "predictions", keys)},
        "/feedback": {"post": _post("report what users did", _feedback_body(settings), 202, "ids of events", keys)},
        **{path: item for name, reader in readers.items() for path, item in _serving_paths(name, reader, keys).items()},
        RELOAD: {"post": _reload()},
        "/healthz": {"get": _get("whether the process is alive", JSON, [])},
        "/readyz": {"get": _get("whether the server takes requests", JSON, [], "503")},
        "/metrics": {"get": _get("figures for Prometheus", TEXT_TYPE, keys)},
        "/openapi.json": {"get": _get("this description", JSON, [])},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"model-server: {', '.join(readers)}", "version": version},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
        },
    }


def _serving_paths(name: str, reader: InputReader, keys: Sequence[Schema]) -> Schema:
    """Return the paths of TensorFlow Serving's API for a model, for the version that answers."""
    path = f"/v1/models/{quote(name, safe='')}"
    return {
        f"{path}:predict": {"post": _post("TensorFlow Serving: predict", _rows(reader), 200, "all outputs", keys)},
        f"{path}:classify": {"post": _post("TensorFlow Serving: classify", _examples(), 200, "classes", keys)},
        f"{path}:regress": {"post": _post("TensorFlow Serving: regress", _examples(), 200, "numbers", keys)},
        path: {"get": _get("TensorFlow Serving: the states of the versions", JSON, keys)},
        f"{path}/metadata": {"get": _get("TensorFlow Serving: the signatures", JSON, keys)},
    }


def _reload() -> Schema:
    return {
        "summary": "look for new versions and rules now",
        "security": [{"bearer": []}, {"header": []}],
        "responses": {
            "200": {"description": "all of them are served", "content": {JSON: {"schema": {"type": "object"}}}},
            **{code: _error(ERROR_STATUSES[code]) for code in ("401", "403")},
            "409": {"description": "some are refused; `refused` says why", "content": {JSON: {}}},
        },
    }


def _post(summary: str, body: Schema, status: int, answer: str, keys: Sequence[Schema]) -> Schema:
    operation: Schema = {
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": body}}},
        "responses": {
            str(status): {"description": answer, "content": {JSON: {"schema": {"type": "object"}}}},
            **{code: _error(meaning) for code, meaning in ERROR_STATUSES.items()},
        },
    }
    return {**operation, "security": list(keys)} if keys else operation


def _get(summary: str, kind: str, keys: Sequence[Schema], *problems: str) -> Schema:
    responses: Schema = {"200": {"description": summary, "content": {kind: {}}}}
    codes = (*problems, *(("401",) if keys else ()))
    responses |= {code: {"description": ERROR_STATUSES[code], "content": {JSON: {}}} for code in codes}
    operation: Schema = {"summary": summary, "responses": responses}
    return {**operation, "security": list(keys)} if keys else operation


def _error(meaning: str) -> Schema:
    return {"description": meaning, "content": {JSON: {"schema": _object({"error": {}}, ["error"])}}}


def _predict_body(settings: ServerSettings, reader: InputReader, name: str, *, is_only: bool) -> Schema:
    context = _context(settings)
    of_model: Schema = {"model": {"const": name}}
    needed = [] if is_only else ["model"]
    instances = [_instance(settings, form, reader) for form in reader.forms]
    single = [
        {
            **schema,
            "properties": {**schema["properties"], "context": context, **of_model},
            "required": [*schema.get("required", []), *needed],
            "title": "one instance",
        }
        for schema in instances
    ]
    batch = _object(
        {
            "instances": _list({"anyOf": instances}, 1, min(settings.max_instances, int(RANK.high))),
            "context": context,
            **of_model,
            **_timestamp(settings),
        },
        ["instances", *needed],
    )
    return {"anyOf": [*single, {**batch, "title": "several instances"}]}


def _instance(settings: ServerSettings, form: InputForm, reader: InputReader) -> Schema:
    fields = {field: _field(field, reader) for field in form.fields}
    inputs = {
        column.key: tensor_schema(column.tensor, is_ragged=column.is_ragged)
        for column in form.columns
        if column.key and not column.features and not column.place.startswith((SPLITS, FEATURES))
    }
    required = [field for field in form.fields if field != EXAMPLE]
    details = _details(settings)
    if inputs:
        # A single value may be in `features` instead.
        needed = [name for name, schema in inputs.items() if schema.get("type") == "array"]
        details["inputs"] = _object(inputs, needed)
        required += ["inputs"] if needed else []
    return _object({**fields, **details}, required)


def _details(settings: ServerSettings) -> Schema:
    numeric = {name: _number(NUMBER) for name in settings.numeric_features}
    categorical = {name: _text(MAX_FEATURE_LENGTH, 0) for name in settings.categorical_features}
    features = {
        "type": "object",
        "properties": {**numeric, **categorical},
        "propertyNames": {"minLength": 1, "maxLength": MAX_FEATURE_NAME_LENGTH},
        "additionalProperties": {"anyOf": [_number(NUMBER), _text(MAX_FEATURE_LENGTH, 0)]},
    }
    ranking = _object(
        {"id": _text(MAX_ID_LENGTH), "rank": _number(RANK), "size": _number(RANK)}, ["id", "rank", "size"]
    )
    return {
        "item_id": _text(MAX_ID_LENGTH),
        "position": _number(RANK),
        "propensity": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "ranking": ranking,
        "features": features,
        "shadow": {"type": "boolean"},
        **_timestamp(settings),
    }


def _timestamp(settings: ServerSettings) -> Schema:
    return {"timestamp": {"type": "string", "format": "date-time"}} if settings.allow_client_timestamps else {}


def _context(settings: ServerSettings) -> Schema:
    return _object(
        {
            "session_id": _text(MAX_ID_LENGTH),
            "user_id": _text(MAX_ID_LENGTH),
            "query": _text(MAX_QUERY_LENGTH),
            "labels": _object({name: _text(MAX_LABEL_LENGTH) for name in settings.labels}, []),
        },
        [],
    )


def _feedback_body(settings: ServerSettings) -> Schema:
    event = _object(
        {
            "prediction_id": _text(MAX_ID_LENGTH),
            "type": {"enum": list(TYPES)},
            "label": _number(LABEL),
            "class": _text(MOST_CLASS_CHARACTERS),
            "truth": _number(NUMBER),
            "value": _number(VALUE),
            "event_id": _text(MAX_EVENT_ID_LENGTH),
            **_timestamp(settings),
        },
        ["prediction_id", "type"],
    )
    return {"anyOf": [event, _list(event, 1, settings.max_instances)]}


def _rows(reader: InputReader) -> Schema:
    form = reader.forms[0]
    tensors = {column.tensor.name: tensor_schema(column.tensor) for column in form.columns}
    columns = {name: _list(schema, 1, None) for name, schema in tensors.items()}
    name = {"enum": [form.signature]}
    rows = _object(
        {"signature_name": name, "instances": _list(_object(tensors, list(tensors)), 1, None)}, ["instances"]
    )
    return {"anyOf": [rows, _object({"signature_name": name, "inputs": _object(columns, list(columns))}, ["inputs"])]}


def _examples() -> Schema:
    values = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "array"}]}
    features = {"type": "object", "additionalProperties": values}
    return _object({"context": features, "examples": _list(features, 1, None)}, ["examples"])


def _field(field: str, reader: InputReader) -> Schema:
    limits = reader.limits
    if field in IDS:
        above = (limits.vocab_size or ANY_ID) if field == INPUT_SEQ else 2
        return _list({"type": "integer", "minimum": 0, "maximum": above - 1}, 1, limits.max_seq_length)
    if field in TEXTS:
        return {"anyOf": [_text(MAX_TEXT_LENGTH, 0), _base64()]}
    return _base64()


def tensor_schema(tensor: TensorSpec, *, is_ragged: bool = False) -> Schema:
    """Return the schema of the value of a tensor for one instance.

    >>> tensor_schema(TensorSpec("x", "float32", (None, 2)))["maxItems"]
    2
    """
    schema = _element(tensor)
    shape: Iterable[int | None] = tensor.instance_shape or ()
    for size in reversed((None, *shape) if is_ragged else tuple(shape)):
        schema = _list(schema, 1 if size is None else size, size)
    return {} if tensor.shape is None else schema


def _element(tensor: TensorSpec) -> Schema:
    if tensor.is_text:
        return {"anyOf": [_text(MAX_TEXT_LENGTH, 0), _base64()]}
    if tensor.is_integer:
        limits = np.iinfo(numpy_dtype(tensor))
        return {"type": "integer", "minimum": int(limits.min), "maximum": int(limits.max)}
    if tensor.is_float:
        most = float(np.finfo(numpy_dtype(tensor)).max)
        return {"type": "number", "minimum": -most, "maximum": most}
    return {"type": "boolean"}


def _base64() -> Schema:
    return _object({B64: {"type": "string", "contentEncoding": "base64"}}, [B64])


def _text(longest: int, shortest: int = 1) -> Schema:
    return {"type": "string", "minLength": shortest, "maxLength": longest}


def _number(bounds: Bounds) -> Schema:
    kind = "integer" if bounds.is_whole else "number"
    low, high = (int(bounds.low), int(bounds.high)) if bounds.is_whole else (bounds.low, bounds.high)
    return {"type": kind, "minimum": low, "maximum": high}


def _list(items: Schema, least: int, most: int | None) -> Schema:
    schema: Schema = {"type": "array", "items": items, "minItems": least}
    return schema if most is None else {**schema, "maxItems": most}


def _object(properties: Mapping[str, Any], required: Sequence[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema
