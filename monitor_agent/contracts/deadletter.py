"""Dead letters: lines that the pipeline could not read or Elasticsearch refused for good, with text and reason."""

from __future__ import annotations

from collections.abc import Sequence

from monitor_agent.contracts.bounds import (
    DURATION,
    LABEL,
    LOG_LOSS,
    NUMBER,
    POSITIVE_PROBABILITY,
    PROBABILITY,
    RANK,
    SEQUENCE,
    STATUS_CODE,
    VALUE,
)
from monitor_agent.contracts.ecs import DATASETS
from monitor_agent.contracts.index_contract import Field, IndexContract, date, integer, keyword, long, text
from monitor_agent.contracts.prediction import ASSIGNMENT_UNITS
from monitor_agent.contracts.release import ACTIONS, OUTCOMES


def _one_of(values: Sequence[str]) -> str:
    """Return values as code, such as in "`1`, `2` or `3`".

    >>> _one_of(("a", "b", "c"))
    '`a`, `b` or `c`'
    """
    *first, last = (f"`{value}`" for value in values)
    return f"{', '.join(first)} or {last}"


BAD_ROW, UNKNOWN_PREDICTION = "bad row", "unknown prediction"
"""Reasons of rows of imported tables."""
OF_THE_AGENT = "bad feedback"
"""The reason of predictions whose fields below `feedback` are wrong: the pipeline does not take these fields."""

UNNAMED_KIND = "no prediction.kind"
"""The reason of predictions with a class but without a kind: they are not counted as binary ones."""

REASONS: dict[str, str] = {
    "malformed": "no JSON object, not UTF-8, or more text after the object, such as a second object",
    "oversized": "more than 32 KiB",
    "nested too deeply": "more than 100 objects and lists, in more than 20 levels",
    "no timestamp": "no `@timestamp`; only feedback by HTTP may omit it",
    "bad timestamp": "`@timestamp` is no ISO 8601 time with seconds and a zone, or is before 1970",
    "timestamp in the future": "`@timestamp` is more than a day ahead",
    "bad event": "feedback by HTTP: `event` is no object",
    "no prediction.id or feedback.type": "feedback by HTTP: `prediction.id` or `feedback.type` is missing",
    "no event.id": "`event.id` is missing or no text",
    "event.id too long": "`event.id` has more than 512 bytes",
    "bad event.duration": f"`event.duration` is no {DURATION} (nanoseconds)",
    "bad event.sequence": f"`event.sequence` is no {SEQUENCE}",
    "unknown dataset": f"`event.dataset` is not {_one_of(DATASETS)}",
    "bad prediction.kind": "`prediction.kind` is not `binary`, `multiclass` or `regression`",
    "bad prediction.score": f"`prediction.score` is missing or no {PROBABILITY}",
    "bad prediction.label": f"`prediction.label` is missing or not {LABEL}",
    "bad prediction.log_loss": f"`prediction.log_loss_1` or `_0` is no {LOG_LOSS}",
    "bad prediction.class": "`prediction.class` is missing or no text of 1..256 characters",
    "bad prediction.scores": f"`prediction.scores` is no object whose values are each a {PROBABILITY}",
    "bad prediction.value": f"`prediction.value` is no {NUMBER}, or a `regression` lacks it",
    "bad prediction.threshold": f"`prediction.threshold` is no {PROBABILITY}",
    "bad prediction.propensity": f"`prediction.propensity` is no {PROBABILITY}",
    "bad prediction.primary_id": "`prediction.primary_id` is no text of 1..512 characters",
    "bad prediction.engine": "`prediction.engine` is no text of 1..256 characters",
    "bad prediction.assignment": "`prediction.assignment` is no object",
    "bad prediction.assignment.name": "`prediction.assignment.name` is no text of 1..256 characters",
    "bad prediction.assignment.unit": f"`prediction.assignment.unit` is not {_one_of(ASSIGNMENT_UNITS)}",
    "bad prediction.assignment.propensity": f"`prediction.assignment.propensity` is no {POSITIVE_PROBABILITY}",
    "bad prediction.rank": f"`prediction.rank` is no {RANK}",
    "bad prediction.request_size": f"`prediction.request_size` is no {RANK}",
    "bad prediction.batch_size": f"`prediction.batch_size` is no {RANK}",
    "bad duration": f"`prediction.queue_time` or `compute_time` is no {DURATION} (nanoseconds)",
    "bad ranking.rank": f"`ranking.rank` is no {RANK}",
    "bad ranking.size": f"`ranking.size` is no {RANK}",
    "bad item.position": f"`item.position` is no {RANK}",
    "bad features.numeric": f"a value below `features.numeric` is no {NUMBER}",
    "bad features.age_s": f"a value below `features.age_s` is no {NUMBER}",
    "bad model.name": "`model.name` is missing or no text of 1..256 characters",
    "bad model.version": "`model.version` is missing, no text of 1..256 characters, or `all`",
    "bad prediction.id": "feedback: `prediction.id` is missing or no text of 1..512 characters",
    "bad feedback.type": "`feedback.type` is not `impression`, `click`, `purchase` or `label`",
    "bad feedback.label": f"`feedback.label` is not {LABEL}",
    "bad feedback.class": "`feedback.class` is no text of 1..256 characters",
    "bad feedback.truth": f"`feedback.truth` is no {NUMBER}",
    "bad feedback.value": f"`feedback.value` is no {VALUE}",
    "no feedback.label": "feedback of the type `label` without `feedback.label`, `class` or `truth`",
    "bad prediction.timestamp": "`prediction.timestamp` is no ISO 8601 time with seconds and a zone, or is before 1970",
    "prediction.timestamp in the future": "feedback: `prediction.timestamp` is more than a day ahead",
    "bad event.action": f"release: `event.action` is not {_one_of(ACTIONS)}",
    "bad event.outcome": f"release: `event.outcome` is not {_one_of(OUTCOMES)}",
    "bad http.response.status_code": f"`http.response.status_code` is no {STATUS_CODE}",
    "unknown field": "a field that the dataset does not have",
    BAD_ROW: "`monitor-agent import`: a cell of the row cannot be read; see `error.message`",
    UNKNOWN_PREDICTION: "`monitor-agent import`: a label without a time, and no prediction of the model has its id",
    "refused": "Elasticsearch refused the document; see `error.message`",
    UNNAMED_KIND: "only found by the agent: the prediction has `prediction.class`, but no `prediction.kind`",
    OF_THE_AGENT: "only found by the agent: a number below `feedback` of a prediction is out of its range",
}
"""Every value of `error.type`, with its meaning."""

_SHARED = {
    **dict.fromkeys(("prediction.log_loss_1", "prediction.log_loss_0"), "bad prediction.log_loss"),
    **dict.fromkeys(("prediction.queue_time", "prediction.compute_time"), "bad duration"),
}


def out_of_bounds(field_name: str) -> str:
    """Return the reason of an event whose number is out of its bounds.

    >>> out_of_bounds("prediction.rank"), out_of_bounds("prediction.queue_time")
    ('bad prediction.rank', 'bad duration')
    """
    return _SHARED.get(field_name, f"bad {field_name}")


FIELDS: dict[str, Field] = {
    "@timestamp": date("time of the event, or when the line was read"),
    "event.dataset": keyword("the dataset in the text, if there is one"),
    "event.id": keyword("the id in the text, if there is one"),
    "event.ingested": date("when the pipeline handled the line"),
    "error.type": keyword("the reason: " + ", ".join(f"`{reason}`" for reason in REASONS)),
    "error.message": text("message of the refusal; of an imported table, the cell that is wrong"),
    "http.response.status_code": integer("status of the refused bulk item"),
    "log.file.path": keyword("the file of the line"),
    "log.file.row": long(
        "of an imported table: the line in a CSV or NDJSON file, or the row in a Parquet file; from 1"
    ),
    "log.offset": long("start of the line in the file", "bytes"),
    "host.name": keyword("the host of the file"),
    "message": text("the original text"),
    "tags": keyword("only in documents of earlier releases"),
}

DEADLETTERS = IndexContract(
    name="model-deadletters",
    alias="model-deadletters",
    suffix="%Y.%m.%d",
    help="Lines that could not be read or were refused, with text and reason",
    fields=FIELDS,
    strict=False,
    sample={
        "@timestamp": "2026-11-23T10:00:07.000Z",
        "event": {"ingested": "2026-11-23T10:00:07.000Z"},
        "error": {"type": "malformed"},
        "host": {"name": "web-1"},
        "log": {"file": {"path": "/var/log/model-server/events-4242.ndjson"}},
        "message": '{"broken": ',
    },
)
