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


class Decision(enum.Enum):
    """What becomes of a document, or of a whole request."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FORBIDDEN = "forbidden"
    RETRY = "retry"


@dataclass(slots=True)
class Item:
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
class Verdict:
    """What Elasticsearch said about one document."""

    decision: Decision
    status: int
    reason: str = ""


_CREATED = Verdict(Decision.DELIVERED, 201)


def decide(status: int) -> Decision:
    """Return what an HTTP status means for the document, or the request, that it is the answer to.

    >>> [decide(status).value for status in (201, 409, 400, 403, 429, 503)]
    ['delivered', 'delivered', 'refused', 'forbidden', 'retry', 'retry']
    """
    if status in _DELIVERED:
        return Decision.DELIVERED
    if status in _REFUSED:
        return Decision.REFUSED
    return Decision.FORBIDDEN if status in _FORBIDDEN else Decision.RETRY


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


def portions(items: Sequence[Item], most_bytes: int = MOST_BODY_BYTES) -> Iterator[list[Item]]:
    """Yield the items in portions whose bodies are not larger than `most_bytes`, or hold one item."""
    portion: list[Item] = []
    size = 0
    for item in items:
        if portion and size + item.size() > most_bytes:
            yield portion
            portion, size = [], 0
        portion.append(item)
        size += item.size()
    if portion:
        yield portion


def body_of(items: Sequence[Item]) -> bytes:
    """Return the body of a bulk request."""
    parts: list[bytes] = []
    for item in items:
        parts.append(item.action)
        parts.append(item.source)
    return b"".join(parts)


def verdicts(answer: bytes, count: int) -> list[Verdict] | None:
    """Return what an answer of status 200 says about each of `count` documents; None where it cannot be understood."""
    if answer.startswith(b'{"errors":false'):
        return [_CREATED] * count
    try:
        document: dict[str, Any] = orjson.loads(answer)
        items = [next(iter(item.values())) for item in document.get("items", ())]
        if len(items) != count:
            return None
        return [_verdict(item["status"], item.get("error")) for item in items]
    except (orjson.JSONDecodeError, AttributeError, KeyError, StopIteration, TypeError):
        return None


def _verdict(status: int, error: Any) -> Verdict:
    return _CREATED if status == 201 else Verdict(decide(status), status, reason_of(error))


def reason_of(error: Any) -> str:
    """Return what an error object of Elasticsearch says, with what caused it."""
    if not isinstance(error, dict):
        return str(error or "")
    text = f"{error.get('type', 'error')}: {error.get('reason', '')}"
    cause = error.get("caused_by")
    return f"{text} ({reason_of(cause)})" if isinstance(cause, dict) else text
