"""Bulk requests of Elasticsearch: building a body, and reading an answer. No input, no output."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from monitor_agent.contracts.index_troubles import index_trouble
from monitor_agent.logstash.events.json_text import write_line
from monitor_agent.logstash.plugin import Event

MOST_BODY_BYTES = 10 * 1024 * 1024
FILTER_PATH = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by"


class DeliveryOutcome(enum.Enum):
    """The outcome of a document's delivery, or of a whole request."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FORBIDDEN = "forbidden"
    RETRY = "retry"


_OUTCOMES = {
    200: DeliveryOutcome.DELIVERED,
    201: DeliveryOutcome.DELIVERED,
    409: DeliveryOutcome.DELIVERED,
    400: DeliveryOutcome.REFUSED,
    404: DeliveryOutcome.REFUSED,
    413: DeliveryOutcome.REFUSED,
    401: DeliveryOutcome.FORBIDDEN,
    403: DeliveryOutcome.FORBIDDEN,
}
"""The outcome of each status; every other status is retried.

The agent has another table (`es.retry.ResponseAction`), because its work differs:

- The pipeline creates an event by the event's id, so a conflict (409) means that an earlier attempt has succeeded. The
  agent's conflict means that another agent was faster.
- The pipeline must not lose an event, so it waits until its rights are corrected (401, 403) or a failing server
  recovers (500). The agent stops with an error.
- The pipeline makes a dead letter of a document that can never be stored (400, 404, 413). An index that takes no
  documents has such a status sometimes; the document is not the cause, so it is sent again.
"""


class DocumentOrigin(NamedTuple):
    """The origin of a document, for its dead letter.

    Attributes
    ----------
    text : from which the event was read; None if unknown.
    path, host : the file of the text, and the machine that read it; None if there is none.
    row : the row of the text, if the file is an imported table.
    """

    text: str | None
    path: str | None
    host: str | None
    row: str | None = None


@dataclass(slots=True)
class BulkItem:
    """One document of a bulk request.

    Attributes
    ----------
    action, source : its two lines in the body, each with its newline.
    origin : None for a dead letter, which never becomes a dead letter itself.
    """

    index: str
    id: str
    action: bytes
    source: bytes
    origin: DocumentOrigin | None

    def size(self) -> int:
        """Return its bytes in a body."""
        return len(self.action) + len(self.source)


@dataclass(frozen=True)
class ItemResult:
    """The answer of Elasticsearch for one document."""

    outcome: DeliveryOutcome
    status: int
    reason: str = ""


_NO_ORIGIN = DocumentOrigin(None, None, None)
_CREATED = ItemResult(DeliveryOutcome.DELIVERED, 201)


def outcome_of(status: int, reason: str = "") -> DeliveryOutcome:
    """Return the outcome of the document, or of the request, that Elasticsearch answered with this HTTP status.

    Parameters
    ----------
    reason : type and reason of the error, as `reason_of` writes them.

    >>> [outcome_of(status).value for status in (201, 409, 400, 403, 429, 503)]
    ['delivered', 'delivered', 'refused', 'forbidden', 'retry', 'retry']
    >>> outcome_of(400, "index_closed_exception: closed").value
    'retry'
    """
    outcome = _OUTCOMES.get(status, DeliveryOutcome.RETRY)
    if outcome is DeliveryOutcome.REFUSED and index_trouble("", reason):
        return DeliveryOutcome.RETRY
    return outcome


def json_line(document: Any) -> bytes:
    """Return a document as a line of JSON, whatever a filter has put into it.

    A value that some JSON readers refuse (a number beyond 64 bits, half a character) is written nevertheless:
    Elasticsearch decides about it.

    >>> json_line({"n": 2**70})
    b'{"n":1180591620717411303424}\\n'
    """
    return write_line(document)


def origin_of(event: Event) -> DocumentOrigin:
    """Return the origin of an event's document, from its `@metadata`.

    >>> origin_of({"@metadata": {"path": "/log/a.ndjson", "host": 1}})
    DocumentOrigin(text=None, path='/log/a.ndjson', host=None, row=None)
    """
    metadata = event.get("@metadata")
    if type(metadata) is not dict:
        return _NO_ORIGIN
    values = (metadata.get(name) for name in ("original", "path", "host", "row"))
    return DocumentOrigin(*(value if isinstance(value, str) else None for value in values))


def action_line(action: str, index: str, identifier: str | None) -> bytes:
    """Return the first of a document's two lines.

    >>> action_line("create", "model-errors-2026.11.23", "e1")
    b'{"create":{"_index":"model-errors-2026.11.23","_id":"e1"}}\\n'
    """
    target = {"_index": index} if identifier is None else {"_index": index, "_id": identifier}
    return json_line({action: target})


def portions(items: Sequence[BulkItem], most_bytes: int = MOST_BODY_BYTES) -> Iterator[list[BulkItem]]:
    """Yield the items in portions whose bodies are not larger than `most_bytes`, or hold one item."""
    portion: list[BulkItem] = []
    size = 0
    for item in items:
        if portion and size + item.size() > most_bytes:
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += item.size()
    if portion:
        yield portion


def body_of(items: Sequence[BulkItem]) -> bytes:
    """Return the body of a bulk request."""
    lines: list[bytes] = []
    for item in items:
        lines.append(item.action)
        lines.append(item.source)
    return b"".join(lines)


def item_results(answer: bytes, count: int) -> list[ItemResult] | None:
    """Return the results of `count` documents from an answer of status 200; None if the answer is malformed."""
    if answer.startswith(b'{"errors":false') and answer.endswith((b"]}", b'{"errors":false}')):
        return [_CREATED] * count
    try:
        document: dict[str, Any] = orjson.loads(answer)
        items = [next(iter(item.values())) for item in document.get("items", ())]
        if len(items) != count:
            return None
        return [_item_result(item["status"], item.get("error")) for item in items]
    except (orjson.JSONDecodeError, AttributeError, KeyError, StopIteration, TypeError):
        return None


def _item_result(status: int, error: Any) -> ItemResult:
    if status == 201:
        return _CREATED
    reason = reason_of(error)
    outcome = outcome_of(status, reason)
    if outcome is DeliveryOutcome.REFUSED and not isinstance(error["type"], str):
        raise TypeError("only an error with a type refuses a document for good")
    return ItemResult(outcome, status, reason)


def reason_of(error: Any) -> str:
    """Return the text of an error object of Elasticsearch, with the text of its cause."""
    if not isinstance(error, dict):
        return str(error or "")
    text = f"{error.get('type', 'error')}: {error.get('reason', '')}"
    cause = error.get("caused_by")
    return f"{text} ({reason_of(cause)})" if isinstance(cause, dict) else text
