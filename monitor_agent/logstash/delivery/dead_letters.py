"""Dead letters: documents about the events that Elasticsearch refused for good."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.logstash.delivery.bulk import BulkItem, DocumentOrigin, ItemResult, action_line, json_line
from monitor_agent.logstash.events.timestamps import Timestamp

REFUSED = "refused"
LONGEST_NAME = 256


@dataclass(frozen=True)
class SpooledDeadLetter:
    """One refused document.

    Attributes
    ----------
    index, id : of the dead letter itself.
    document : the dead letter's fields, as the contract `DEADLETTERS` defines them.
    refused_index, refused_id : the index and the id of the refused document.
    """

    index: str
    id: str
    document: dict[str, Any]
    refused_index: str
    refused_id: str

    def item(self) -> BulkItem:
        """Return the dead letter as an item of a bulk request."""
        line = action_line("create", self.index, self.id)
        return BulkItem(self.index, self.id, line, json_line(self.document), None)


def dead_letter(item: BulkItem, origin: DocumentOrigin, result: ItemResult) -> SpooledDeadLetter:
    """Return the dead letter of a refused document, as pipeline/dead-letters makes it on a real Logstash.

    Its message is the text from which the event was read, else the document.
    """
    refused = _fields_of(item.source)
    stamp = Timestamp.now()
    moment = refused.get("@timestamp")
    if not isinstance(moment, str):
        moment = stamp
    text, path, event_id = origin.text or item.source.decode().rstrip("\n"), origin.path, _named(refused, "id")
    document: dict[str, Any] = {
        "@timestamp": moment,
        "event": _without_nulls({"dataset": _named(refused, "dataset"), "id": event_id, "ingested": stamp}),
        "error": {"type": REFUSED, "message": result.reason},
        "http": {"response": {"status_code": result.status}},
        "message": text,
    }
    if path is not None:
        document["log"] = {"file": _without_nulls({"path": path, "row": origin.row})}
        document["host"] = _without_nulls({"name": origin.host})
    named = f"|[event][id]|{event_id or ''}|[log][file][path]|{path or ''}|message|{text}|"
    identifier = hashlib.sha256(named.encode(errors="surrogatepass")).hexdigest()
    index = f"{DEADLETTERS.name}-{moment[:10].replace('-', '.')}"
    return SpooledDeadLetter(index, identifier, document, item.index, item.id)


def _fields_of(source: bytes) -> dict[str, Any]:
    try:  # this reader takes whatever a filter may make, such as NaN
        fields: dict[str, Any] = json.loads(source)
    except (ValueError, RecursionError):
        return {}
    return fields


def _named(document: Mapping[str, Any], name: str) -> str | None:
    """Return the event's id or dataset; longer texts cannot be searched, so they stay in the message only."""
    fields = document.get("event")
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME else None


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
