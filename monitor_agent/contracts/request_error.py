"""Request errors: one document per request that the model server refused or failed."""

from __future__ import annotations

from monitor_agent.contracts.bounds import DURATION, STATUS_CODE
from monitor_agent.contracts.ecs import COMMON, DATASET_ERROR, ECS_VERSION
from monitor_agent.contracts.index_contract import Field, IndexContract, alias, bounded, integer, keyword, long, text
from monitor_agent.contracts.model_names import MOST_CHARACTERS

FIELDS: dict[str, Field] = {
    **COMMON,
    "event.duration": bounded(long("from the request's first byte to the answer", "ns"), DURATION),
    "error.type": keyword("class of the error"),
    "error.message": text("the reason, with the name of the field"),
    "http.request.id": keyword("one per request"),
    "http.response.status_code": bounded(integer("HTTP status of the answer"), STATUS_CODE),
    "url.path": keyword("path of the request"),
    "model.name": keyword("the model", ignore_above=MOST_CHARACTERS),
    "model.version": keyword("its version; never `all`", ignore_above=MOST_CHARACTERS),
    "model_name": alias("model.name"),
    "model_version": alias("model.version"),
}

ERRORS = IndexContract(
    name="model-errors",
    alias="model-errors",
    suffix="%Y.%m.%d",
    help="Refused and failed requests by day (UTC)",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:00:06.000000Z",
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": "019ab0a5-b470-7b9e-a1c2-d3e4f5061728",
            "dataset": DATASET_ERROR,
            "kind": "event",
            "outcome": "failure",
            "created": "2026-11-23T10:00:06.000000Z",
            "sequence": 19,
            "duration": 410_000,
        },
        "service": {"name": "model-server", "version": "0.1.0", "node": {"name": "web-1:4242:1763892000"}},
        "log": {"level": "warning"},
        "message": "request refused",
        "error": {"type": "ValidationError", "message": "input_mask: 64 values expected, 3 given"},
        "http": {"request": {"id": "9c1185a5c5e9fc54"}, "response": {"status_code": 400}},
        "url": {"path": "/predict"},
        "model": {"name": "click", "version": "1"},
    },
)
