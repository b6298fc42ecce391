"""Bulk requests of Elasticsearch: how a body is built, and what an answer means. No input, no output."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from monitor_agent.logstash.plugin import Event

MOST_BODY_BYTES = 10 * 1024 * 1024
FILTER_PATH = "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by"

_DELIVERED = frozenset((200, 201, 409))
_REFUSED = frozenset((400, 404, 413))
_FORBIDDEN = frozenset((401, 403))


class DeliveryOutcome(enum.Enum):
    """What becomes of a document, or of a whole request."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FORBIDDEN = "forbidden"
    RETRY = "retry"


@dataclass(slots=True)
class BulkItem:
    """One document on its way.

    Attributes
    ----------
    action, source : its two lines in the body, each with its newline.
    event : what it was made from; None for a dead letter, which is not made into another one.
    """

    index: str
    id: str
    action: bytes
    source: bytes
    event: Event | None

    def size(self) -> int:
        """Return its bytes in a body."""
        return len(self.action) + len(self.source)


@dataclass(frozen=True)
class ItemResult:
    """What Elasticsearch said about one document."""

    outcome: DeliveryOutcome
    status: int
    reason: str = ""


_CREATED = ItemResult(DeliveryOutcome.DELIVERED, 201)


def outcome_of(status: int) -> DeliveryOutcome:
    """Return what an HTTP status means for the document, or the request, that it is the answer to.

    >>> [outcome_of(status).value for status in (201, 409, 400, 403, 429, 503)]
    ['delivered', 'delivered', 'refused', 'forbidden', 'retry', 'retry']
    """
    if status in _DELIVERED:
        return DeliveryOutcome.DELIVERED
    if status in _REFUSED:
        return DeliveryOutcome.REFUSED
    return DeliveryOutcome.FORBIDDEN if status in _FORBIDDEN else DeliveryOutcome.RETRY


def json_line(document: Any) -> bytes:
    """Return a document as a line of JSON, whatever a filter has put into it.

    What no JSON reader is sure to take (a number beyond 64 bits, half a character) is written all the same: it is for
    Elasticsearch to refuse.

    >>> json_line({"n": 2**70})
    b'{"n": 1180591620717411303424}\\n'
    """
    try:
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        return json.dumps(document, default=str).encode() + b"\n"


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
    parts: list[bytes] = []
    for item in items:
        parts.append(item.action)
        parts.append(item.source)
    return b"".join(parts)


def item_results(answer: bytes, count: int) -> list[ItemResult] | None:
    """Return what an answer of status 200 says about each of `count` documents; None where it cannot be understood."""
    if answer.startswith(b'{"errors":false'):
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
    return _CREATED if status == 201 else ItemResult(outcome_of(status), status, reason_of(error))


def reason_of(error: Any) -> str:
    """Return what an error object of Elasticsearch says, with what caused it."""
    if not isinstance(error, dict):
        return str(error or "")
    text = f"{error.get('type', 'error')}: {error.get('reason', '')}"
    cause = error.get("caused_by")
    return f"{text} ({reason_of(cause)})" if isinstance(cause, dict) else text
