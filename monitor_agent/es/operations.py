"""The lines of bulk and multi-search requests, and the versions of documents that operations depend on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

BULK_ITEMS, BULK_BYTES = 1000, 4_000_000
"""Items and bytes of one bulk request at most; a single larger item makes a request of its own."""

# Copies of a shard refresh at different moments: requests to the same copy never go back in time.
PREFERENCE = "monitor-agent"

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """One item of a bulk request.

    Attributes
    ----------
    kind : `index`, `create`, `update` or `delete`.
    index, id : the document.
    body : the second line of the item; None if the item has none.
    options : further options of the first line, such as `if_seq_no`.
    """

    kind: str
    index: str
    id: str
    body: Body | None
    options: Body | None = None

    def encoded(self) -> bytes:
        """Return the item's lines in the body of a bulk request."""
        action = {self.kind: {"_index": self.index, "_id": self.id, **(self.options or {})}}
        lines = [action] if self.body is None else [action, self.body]
        return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """The version of a document that was read.

    Attributes
    ----------
    index, id : the document.
    seq_no, primary_term : Elasticsearch's numbers of the version.
    """

    index: str
    id: str
    seq_no: int
    primary_term: int

    @classmethod
    def from_hit(cls, hit: Mapping[str, Any]) -> DocumentVersion:
        """Return the version of a search hit or of a get response."""
        return cls(hit["_index"], hit["_id"], hit["_seq_no"], hit["_primary_term"])

    def operation(self, kind: str, body: Body | None) -> Operation:
        """Return an operation on the document that conflicts if the document has another version."""
        options = {"if_seq_no": self.seq_no, "if_primary_term": self.primary_term}
        return Operation(kind, self.index, self.id, body, options)


NumberedOperation = tuple[int, Operation]
"""An operation and its position among the operations of a call."""


@dataclass
class BulkRequest:
    """One bulk request.

    Attributes
    ----------
    operations : its operations.
    lines : their encoded lines.
    size : bytes of the lines.
    """

    operations: list[NumberedOperation] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    size: int = 0


def bulk_requests(operations: Iterable[NumberedOperation]) -> Iterator[BulkRequest]:
    """Yield operations as bulk requests, none larger than the limits."""
    request = BulkRequest()
    for number, operation in operations:
        lines = operation.encoded()
        if request.lines and (len(request.lines) == BULK_ITEMS or request.size + len(lines) > BULK_BYTES):
            yield request
            request = BulkRequest()
        request.operations.append((number, operation))
        request.lines.append(lines)
        request.size += len(lines)
    if request.lines:
        yield request


def search_lines(searches: Sequence[tuple[str, Body]], *, allow_partial: bool) -> list[Body]:
    """Return the lines of a multi-search request; each search is over the indices that exist.

    Parameters
    ----------
    searches : (index names or patterns, body).
    allow_partial : whether Elasticsearch returns the results of the other shards if some shards do not answer.
    """
    options = {
        "preference": PREFERENCE,
        "allow_partial_search_results": allow_partial,
        "ignore_unavailable": True,
        "allow_no_indices": True,
    }
    return [line for index, body in searches for line in ({"index": index, **options}, body)]
