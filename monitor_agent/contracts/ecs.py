"""Fields of all events, by the Elastic Common Schema, and the names of the datasets."""

from __future__ import annotations

from monitor_agent.contracts.bounds import SEQUENCE
from monitor_agent.contracts.index_contract import Field, bounded, closed, date, keyword, long, text

ECS_VERSION = "8.17.0"
MAX_LABELS = 16
MAX_LINE_BYTES = 32 * 1024

DATASET_PREDICTION = "model.prediction"
DATASET_FEEDBACK = "model.feedback"
DATASET_ERROR = "model.request_error"
DATASET_RELEASE = "model.release"
DATASETS = (DATASET_PREDICTION, DATASET_FEEDBACK, DATASET_ERROR, DATASET_RELEASE)

COMMON: dict[str, Field] = {
    "@timestamp": date("time of the event, in microseconds"),
    "ecs.version": keyword("version of the Elastic Common Schema of the line"),
    "event.id": keyword("UUIDv7; the document's `_id`"),
    "event.dataset": keyword(", ".join(f"`{dataset}`" for dataset in DATASETS)),
    "event.kind": keyword("`event`"),
    "event.outcome": keyword("`success` or `failure`"),
    "event.created": date("when the writer wrote the line"),
    "event.sequence": bounded(long("number of the line per writer, over all its datasets, without gaps"), SEQUENCE),
    "event.ingested": date("when the pipeline handled the line"),
    "service.name": keyword("name of the service that wrote the line"),
    "service.version": keyword("version of that service"),
    "service.environment": keyword("such as `production` or `staging`"),
    "service.node.name": keyword("the writer: host, process id and start"),
    "trace.id": keyword("from the request's W3C `traceparent`"),
    "span.id": keyword("from the request's W3C `traceparent`"),
    "log.level": keyword("`info`, `warning` or `error`"),
    "log.file.path": keyword("the file that the pipeline read the line from"),
    "host.name": keyword("the host that the pipeline read the line on"),
    "message": text("one sentence for people"),
    "tags": keyword("only in documents of earlier releases"),
    "labels": closed(
        "keyword",
        "segments: names of clients, at most 16; searchable are those in `MONITOR_SEGMENTS`, in "
        "`MODEL_SERVER_LABELS` and in tables of the settings file when `monitor-agent setup` runs",
        ignore_above=256,
    ),
}
