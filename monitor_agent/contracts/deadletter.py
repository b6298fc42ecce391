"""Dead letters: lines that the pipeline could not read or Elasticsearch refused for good, with text and reason."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, integer, keyword, long, text

FIELDS: dict[str, Field] = {
    "@timestamp": date("time of the event, or when the line was read"),
    "event.dataset": keyword("the dataset in the text, if there is one"),
    "event.id": keyword("the id in the text, if there is one"),
    "event.ingested": date("when the pipeline handled the line"),
    "error.type": keyword("the reason: `malformed`, `oversized`, `unknown dataset or no event.id`, ..."),
    "error.message": text("message of the refusal"),
    "http.response.status_code": integer("status of the refused bulk item"),
    "log.file.path": keyword("the file of the line"),
    "log.offset": long("start of the line in the file", "bytes"),
    "host.name": keyword("the host of the file"),
    "message": text("the original text"),
    "tags": keyword("set by the pipeline on errors"),
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
        "tags": ["_jsonparsefailure"],
    },
)
