"""The outcome of each document, read from recorded answers of Elasticsearch."""

from __future__ import annotations

import pytest

from monitor_agent.logstash.delivery.bulk import (
    BulkItem,
    DeliveryOutcome,
    item_results,
    json_line,
    outcome_of,
    portions,
)

REJECTED = b"""{"errors":true,"items":[
 {"create":{"status":201}},
 {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[1]: version conflict"}}},
 {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"failed to parse",
   "caused_by":{"type":"number_format_exception","reason":"For input string: \\"x\\""}}}},
 {"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue full"}}},
 {"create":{"status":403,"error":{"type":"security_exception","reason":"unauthorized"}}},
 {"create":{"status":503,"error":{"type":"unavailable_shards_exception","reason":"primary shard is not active"}}}
]}"""


def item(size: int) -> BulkItem:
    return BulkItem("index", "id", b"", b"x" * size, None)


def test_each_document_has_a_result() -> None:
    """Created and conflict are delivered; a malformed document is refused; the others are sent again."""
    results = item_results(REJECTED, 6)

    assert results is not None
    assert [result.outcome.value for result in results] == [
        "delivered",
        "delivered",
        "refused",
        "retry",
        "forbidden",
        "retry",
    ]
    assert results[2].reason == (
        'document_parsing_exception: failed to parse (number_format_exception: For input string: "x")'
    )


def test_an_answer_without_errors_is_not_read_further() -> None:
    """`errors: false` holds for all documents."""
    results = item_results(b'{"errors":false,"items":[{"create":{"status":201}}]}', 3)

    assert results is not None
    assert [result.outcome for result in results] == [DeliveryOutcome.DELIVERED] * 3


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>a proxy</html>",
        b"[]",
        b"{}",
        b'{"errors":true}',
        b'{"errors":true,"items":[{}]}',
        b'{"errors":false,"items":[{"create":{"status":201}},{"crea',
        b'{"errors":true,"items":[{"create":{"status":400,"error":"no"}}]}',
        b'{"errors":true,"items":[{"create":{}}]}',
        b'{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":201}}]}',
    ],
)
def test_an_answer_that_does_not_fit_the_request_delivers_nothing(answer: bytes) -> None:
    """A proxy's page or a cut answer must not count as success."""
    assert item_results(answer, 1) is None


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, "index_closed_exception", "closed"),
        (
            400,
            "validation_exception",
            "this action would add [2] shards, but this cluster currently has [2]/[1] maximum normal shards open;",
        ),
        (400, "illegal_argument_exception", "no write index is defined for alias [a]."),
        (400, "illegal_argument_exception", "pipeline with id [x] does not exist"),
        (404, "index_not_found_exception", "no such index [a] and [action.auto_create_index] is [false]"),
        (429, "cluster_block_exception", "index [a] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded ...];"),
    ],
)
def test_an_index_that_takes_nothing_refuses_no_document(status: int, kind: str, reason: str) -> None:
    """The document is not the cause, so it is sent again, whatever the status is."""
    assert outcome_of(status, f"{kind}: {reason}") is DeliveryOutcome.RETRY
    assert outcome_of(status, "document_parsing_exception: failed") is outcome_of(status)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 302, 418])
def test_every_other_status_is_retried(status: int) -> None:
    """Only 400, 404 and 413 make a dead letter; every other cause may go away."""
    assert outcome_of(status) is DeliveryOutcome.RETRY


def test_a_body_has_a_largest_size() -> None:
    """Documents are divided among requests in their order; a larger document gets a request alone."""
    sizes = [
        [document.size() for document in portion] for portion in portions([item(size) for size in (4, 4, 4, 20, 1)], 10)
    ]

    assert sizes == [[4, 4], [4], [20], [1]]


@pytest.mark.parametrize("value", [2**70, "\ud800", float("nan"), {1, 2}])
def test_no_value_stops_the_pipeline(value: object) -> None:
    """Every event can be written, whatever a filter puts into it; Elasticsearch decides whether to store it."""
    assert json_line({"field": value}).endswith(b"}\n")
