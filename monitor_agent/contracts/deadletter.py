"""Dead letters: what the pipeline could not read or Elasticsearch refused for good, with its text and the reason."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, integer, keyword, long, text

FIELDS: dict[str, Field] = {
    "@timestamp": date("the event's own time, or when it was read"),
    "event.dataset": keyword("where the text told it"),
    "event.id": keyword("where the text told it"),
    "event.ingested": date("when the pipeline handled it"),
    "error.type": keyword("why it is here: `malformed`, `oversized`, `unknown dataset or no event.id`, ..."),
    "error.message": text("what refused it, in its own words"),
    "http.response.status_code": integer("status of the refused bulk item"),
    "log.file.path": keyword("the file that it was read from"),
    "log.offset": long("where in that file the line starts", "bytes"),
    "host.name": keyword("the host that it was read on"),
    "message": text("the original text"),
    "tags": keyword("set by the pipeline on trouble"),
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
