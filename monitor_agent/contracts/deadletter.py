"""Dead letters: lines that the pipeline could not read or Elasticsearch refused for good, with text and reason."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, integer, keyword, long, text

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
    "bad event.duration": "`event.duration` is no whole number of nanoseconds, 0..1e15",
    "unknown dataset": "`event.dataset` is not `model.prediction`, `model.feedback` or `model.request_error`",
    "bad prediction.kind": "`prediction.kind` is not `binary`, `multiclass` or `regression`",
    "bad prediction.score": "`prediction.score` is missing or no number in 0..1",
    "bad prediction.label": "`prediction.label` is missing or neither 0 nor 1",
    "bad prediction.log_loss": "`prediction.log_loss_1` or `_0` is no number in 0..17",
    "bad prediction.class": "`prediction.class` is missing or no text of 1..256 characters",
    "bad prediction.scores": "`prediction.scores` is no object with numbers in 0..1",
    "bad prediction.value": "`prediction.value` is missing or no number in -1e15..1e15",
    "bad duration": "`prediction.queue_time` or `compute_time` is no whole number of nanoseconds, 0..1e15",
    "bad model.name": "`model.name` is missing or no text of 1..256 characters",
    "bad model.version": "`model.version` is missing, no text of 1..256 characters, or `all`",
    "bad prediction.id": "feedback: `prediction.id` is missing or no text of 1..512 characters",
    "bad feedback.type": "`feedback.type` is not `impression`, `click`, `purchase` or `label`",
    "bad feedback.label": "`feedback.label` is neither 0 nor 1",
    "bad feedback.class": "`feedback.class` is no text of 1..256 characters",
    "bad feedback.truth": "`feedback.truth` is no number in -1e15..1e15",
    "bad feedback.value": "`feedback.value` is no number in -1e12..1e12",
    "no feedback.label": "feedback of the type `label` without `feedback.label`, `class` or `truth`",
    "bad prediction.timestamp": "`prediction.timestamp` is no ISO 8601 time with seconds and a zone, or is before 1970",
    "prediction.timestamp in the future": "feedback: `prediction.timestamp` is more than a day ahead",
    "unknown field": "a field that the dataset does not have",
    "refused": "Elasticsearch refused the document; see `error.message`",
}
"""Every value of `error.type`, with its meaning."""

FIELDS: dict[str, Field] = {
    "@timestamp": date("time of the event, or when the line was read"),
    "event.dataset": keyword("the dataset in the text, if there is one"),
    "event.id": keyword("the id in the text, if there is one"),
    "event.ingested": date("when the pipeline handled the line"),
    "error.type": keyword("the reason: " + ", ".join(f"`{reason}`" for reason in REASONS)),
    "error.message": text("message of the refusal"),
    "http.response.status_code": integer("status of the refused bulk item"),
    "log.file.path": keyword("the file of the line"),
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
