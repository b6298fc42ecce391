"""Requests to Elasticsearch return a complete response or an error, against literal responses of Elasticsearch."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from monitor_agent.errors import ElasticsearchError, StoppedError
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import AT_ONCE, MGET_ITEMS, Gateway
from monitor_agent.es.operations import BULK_BYTES, BULK_ITEMS, Operation
from monitor_agent.es.retry import Backoff, ResponseAction
from monitor_agent.settings import ElasticsearchSettings
from tests.unit.monitor_agent.es.answers import OK_SHARDS, Answer, Server, serving

TRIES = 3
WHOLE = {"status": 200, "timed_out": False, "_shards": OK_SHARDS, "hits": {"total": {"value": 7}, "hits": []}}
OVERLOADED = {"type": "es_rejected_execution_exception", "reason": "rejected execution of coordinating operation"}
UNAVAILABLE = {"error": {"type": "search_phase_execution_exception", "reason": "all shards failed"}, "status": 503}


@contextlib.contextmanager
def gateway_to(*answers: Answer, patience: float = 60.0) -> Iterator[tuple[Gateway, Server, list[float]]]:
    """Yield a gateway to a server with these answers, and its waits, which take no time."""
    waits: list[float] = []
    with serving(*answers) as server:
        settings = ElasticsearchSettings(url=(server.url,), request_timeout=timedelta(seconds=patience))
        gateway = Gateway(connect(settings), Backoff(tries=TRIES), waits.append)
        try:
            yield gateway, server, waits
        finally:
            gateway.close()


def searched(*responses: Any) -> Answer:
    """Return the answer to a request with several searches."""
    return Answer({"took": 1, "responses": list(responses)})


def items(*results: dict[str, Any]) -> Answer:
    """Return the answer to a bulk request."""
    return Answer(bulk_response(*results))


def bulk_response(*results: dict[str, Any]) -> dict[str, Any]:
    """Return the body of the answer to a bulk request."""
    return {"errors": True, "items": [{"update": result} for result in results]}


@pytest.mark.parametrize(
    "bad",
    [
        searched({**WHOLE, "_shards": {"total": 2, "successful": 1, "skipped": 0, "failed": 1}}),
        searched({**WHOLE, "_shards": {"total": 2, "successful": 1, "skipped": 0, "failed": 0}}),
        searched({**WHOLE, "timed_out": True}),
        searched(UNAVAILABLE),
        searched({"error": OVERLOADED, "status": 429}),
        Answer({"error": OVERLOADED, "status": 429}, 429),
        Answer({"error": "no master", "status": 503}, 503),
        Answer(b"<html>Bad Gateway</html>", 502, content_type="text/html"),
        Answer(b"{", 200),
        Answer(dropped=True),
        Answer(searched(WHOLE).body, cut=True),
    ],
    ids=["a shard failed", "a shard is missing", "timed out", "all failed", "rejected", "429", "503", "502", "garbled",
         "dropped", "cut"],
)  # fmt: skip
def test_an_incomplete_search_is_repeated(bad: Answer) -> None:
    """Missing shards and timeouts make a response incomplete, whatever its status; the next complete one counts."""
    with gateway_to(bad, searched(WHOLE)) as (gateway, server, waits):
        answer = gateway.search("model-predictions", {"size": 0})

    assert answer["hits"]["total"]["value"] == 7
    assert (len(server.requests), len(waits), gateway.requests, gateway.trouble) == (2, 1, 2, "")


def test_a_request_without_an_answer_in_time_is_repeated() -> None:
    """The gateway waits for an answer as long as `ELASTICSEARCH_REQUEST_TIMEOUT`."""
    late = Answer(searched(WHOLE).body, after_seconds=0.7)
    with gateway_to(late, searched(WHOLE), patience=0.5) as (gateway, server, waits):
        assert gateway.search("model-predictions", {})["hits"]["total"]["value"] == 7

    # On a busy machine the next answer may be late, too.
    assert len(server.requests) == 1 + len(waits) > 1


def test_one_incomplete_search_of_several_repeats_all() -> None:
    """All searches are repeated together: no result is built from two moments."""
    with gateway_to(searched(WHOLE, UNAVAILABLE), searched(WHOLE, WHOLE)) as (gateway, server, _):
        answers = gateway.msearch([("a", {}), ("b", {})])

    assert len(answers) == 2
    assert len(server.requests) == 2


def test_a_search_requests_complete_answers_from_the_same_copies() -> None:
    """Partial results are not allowed; missing indices are no error."""
    with gateway_to(searched(WHOLE)) as (gateway, server, _):
        gateway.search("model-predictions", {"size": 0})

    ((method, path, (header, body)),) = server.requests
    assert (method, path, body) == ("POST", "/_msearch", {"size": 0})
    assert header == {
        "index": "model-predictions",
        "preference": "monitor-agent",
        "allow_partial_search_results": False,
        "ignore_unavailable": True,
        "allow_no_indices": True,
    }


def test_trouble_that_does_not_end_is_reported_in_one_line() -> None:
    """After the last request the error names the trouble and the setting; the gateway holds it for the health."""
    with gateway_to(Answer({"error": OVERLOADED}, 429)) as (gateway, server, waits):
        with pytest.raises(ElasticsearchError, match=r"rejected execution.*429.*ELASTICSEARCH_URL"):
            gateway.search("model-predictions", {})
        assert "rejected" in gateway.trouble

    assert (len(server.requests), len(waits)) == (TRIES, TRIES - 1)
    assert waits[0] < waits[1]


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "ELASTICSEARCH_PASSWORD"), (403, "docs/users.md"), (404, "monitor-agent setup"), (400, "see")],
)
def test_a_refused_request_is_not_repeated(status: int, hint: str) -> None:
    """Waiting would not help; the error says what helps."""
    answer = Answer({"error": {"type": "some_exception", "reason": "no"}}, status)
    with gateway_to(answer) as (gateway, server, _), pytest.raises(ElasticsearchError, match=hint):
        gateway.refresh(["model-predictions-2026.03.02"])

    assert len(server.requests) == 1


def test_a_search_of_too_many_buckets_can_be_tolerated() -> None:
    """A caller that can make smaller searches gets the error as a response."""
    many = {"error": {"type": "too_many_buckets_exception", "reason": "65536"}, "status": 400}
    with gateway_to(searched(WHOLE, many)) as (gateway, _, _):
        good, bad = gateway.msearch([("a", {}), ("b", {})], tolerate="too_many_buckets_exception")
    with gateway_to(searched(many)) as (gateway, _, _), pytest.raises(ElasticsearchError, match="too_many_buckets"):
        gateway.search("a", {})

    assert good == WHOLE
    assert "error" in bad


def test_rejected_bulk_items_are_repeated_alone() -> None:
    """Only items that were rejected for a passing reason are repeated; the others have their results."""
    operations = [Operation("update", "model-predictions-1", name, {"doc": {}}) for name in "abcd"]
    first = items({"status": 200}, {"status": 429, "error": OVERLOADED}, {"status": 409}, {"status": 404})
    with gateway_to(first, items({"status": 200})) as (gateway, server, waits):
        results = gateway.bulk(operations)

    assert results == [ResponseAction.DONE, ResponseAction.DONE, ResponseAction.CONFLICT, ResponseAction.MISSING]
    assert [line["update"]["_id"] for line in server.requests[1][2][::2]] == ["b"]
    assert len(waits) == 1


def test_a_refused_document_is_an_error() -> None:
    """A document that does not fit the mapping is never ignored."""
    refused = {"status": 400, "error": {"type": "strict_dynamic_mapping_exception", "reason": "[x] is not allowed"}}
    reason = r"model-performance.*\[x\] is not allowed"
    with gateway_to(items(refused)) as (gateway, _, _), pytest.raises(ElasticsearchError, match=reason):
        gateway.bulk([Operation("index", "model-performance-2026.03", "a", {"x": 1})])


def test_rejections_that_do_not_end_are_an_error() -> None:
    """A bulk request is repeated as often as other requests."""
    rejected, reason = items({"status": 429, "error": OVERLOADED}), "rejected execution"
    with gateway_to(rejected) as (gateway, server, _), pytest.raises(ElasticsearchError, match=reason):
        gateway.bulk([Operation("update", "i", "a", {"doc": {}})])

    assert len(server.requests) == TRIES


def updates(count: int) -> list[Operation]:
    """Return updates of documents that are named by their number."""
    return [Operation("update", "model-predictions-1", str(number), {"doc": {}}) for number in range(count)]


def numbers(lines: list[Any]) -> list[int]:
    """Return the numbers of these updates in a request."""
    return [int(line["update"]["_id"]) for line in lines[::2]]


def test_many_operations_take_two_requests_at_once_and_keep_their_order() -> None:
    """The first request is answered after the second one; each operation still has its own result."""
    second_came = threading.Event()

    def results_of(lines: list[Any]) -> dict[str, Any]:
        updated = numbers(lines)
        if updated[0] == BULK_ITEMS:
            second_came.set()
        elif updated[0] == 0:
            assert second_came.wait(60)
        return bulk_response(*({"status": 409 if number % 7 == 0 else 200} for number in updated))

    count = 2 * BULK_ITEMS + 10
    with gateway_to(Answer(results_of)) as (gateway, server, waits):
        results = gateway.bulk(iter(updates(count)))

    assert results == [ResponseAction.CONFLICT if number % 7 == 0 else ResponseAction.DONE for number in range(count)]
    sent = sorted((numbers(lines) for _, _, lines in server.requests), key=lambda updated: updated[0])
    assert [len(updated) for updated in sent] == [BULK_ITEMS, BULK_ITEMS, 10]
    assert (gateway.requests, gateway.failures, waits) == (3, 0, [])


def test_a_rejected_request_of_several_is_repeated() -> None:
    """Other requests are not repeated, and each operation is done once."""
    rejected: list[int] = []

    def results_of(lines: list[Any]) -> dict[str, Any]:
        updated = numbers(lines)
        if updated[0] == BULK_ITEMS and not rejected:
            rejected.extend(updated)
            return bulk_response(*({"status": 429, "error": OVERLOADED} for _ in updated))
        return bulk_response(*({"status": 200} for _ in updated))

    with gateway_to(Answer(results_of)) as (gateway, server, waits):
        results = gateway.bulk(updates(3 * BULK_ITEMS))

    assert results == [ResponseAction.DONE] * 3 * BULK_ITEMS
    assert sorted(numbers(lines)[0] for _, _, lines in server.requests) == [0, BULK_ITEMS, BULK_ITEMS, 2 * BULK_ITEMS]
    assert numbers(server.requests[-1][2]) == rejected
    assert (gateway.failures, len(waits)) == (1, 1)


@pytest.mark.parametrize("bad", [0, BULK_ITEMS + 3, 3 * BULK_ITEMS - 1])
def test_one_refused_item_of_many_raises(bad: int) -> None:
    """The caller gets an error and no results, whichever request the item is in."""

    def results_of(lines: list[Any]) -> dict[str, Any]:
        refused = {"status": 400, "error": {"type": "mapper_exception", "reason": "not a number"}}
        return bulk_response(*(refused if number == bad else {"status": 200} for number in numbers(lines)))

    with gateway_to(Answer(results_of)) as (gateway, _, _), pytest.raises(ElasticsearchError, match="not a number"):
        gateway.bulk(updates(3 * BULK_ITEMS))


def test_a_stop_ends_a_call_of_several_requests() -> None:
    """After the stop no further requests are sent, and no results are returned."""
    with serving(Answer(lambda lines: bulk_response(*({"status": 200} for _ in numbers(lines))))) as server:
        client = connect(ElasticsearchSettings(url=(server.url,)))
        gateway = Gateway(client, stopping=lambda: len(server.requests) > 0)
        with contextlib.closing(gateway), pytest.raises(StoppedError):
            gateway.bulk(updates(10 * BULK_ITEMS))

    assert len(server.requests) <= AT_ONCE


def test_a_request_holds_no_more_than_its_bytes() -> None:
    """A request holds fewer large documents; a document larger than the limit has a request of its own."""
    sizes = [BULK_BYTES // 2, BULK_BYTES // 3, BULK_BYTES // 3, 2 * BULK_BYTES, 10]
    operations = [Operation("index", "i", str(number), {"x": "x" * size}) for number, size in enumerate(sizes)]
    answer = Answer(lambda lines: {"items": [{"index": {"status": 201}} for _ in lines[::2]]})
    with gateway_to(answer) as (gateway, server, _):
        assert gateway.bulk(operations) == [ResponseAction.DONE] * 5

    sent = sorted([line["index"]["_id"] for line in lines[::2]] for _, _, lines in server.requests)
    assert sent == [["0", "1"], ["2"], ["3"], ["4"]]


def test_missing_documents_are_left_out() -> None:
    """A missing index is like a missing document; the request is repeated for any other trouble."""
    existing = {"_index": "i", "_id": "a", "found": True, "_source": {}}
    gone = {"_index": "j", "_id": "b", "error": {"type": "index_not_found_exception", "reason": "no such index [j]"}}
    ill = {"_index": "i", "_id": "c", "error": {"type": "no_shard_available_action_exception", "reason": "red"}}
    with gateway_to(Answer({"docs": [existing, gone, ill]}), Answer({"docs": [existing, gone, existing]})) as (
        gateway,
        server,
        _,
    ):
        docs = gateway.mget([("i", "a"), ("j", "b"), ("i", "c")])

    assert docs == [existing, existing]
    assert len(server.requests) == 2


def test_many_documents_take_two_requests_at_once_and_keep_their_order() -> None:
    """The first request is answered after the second one; the documents are still in the order of their ids."""
    second_came = threading.Event()

    def docs_of(lines: list[Any]) -> dict[str, Any]:
        ids = [doc["_id"] for doc in lines[0]["docs"]]
        if ids[0] == str(MGET_ITEMS):
            second_came.set()
        elif ids[0] == "0":
            assert second_came.wait(60)
        return {"docs": [{"_index": "i", "_id": id_, "found": int(id_) % 7 > 0, "_source": {}} for id_ in ids]}

    count = 2 * MGET_ITEMS + 10
    with gateway_to(Answer(docs_of)) as (gateway, server, _):
        docs = gateway.mget([("i", str(number)) for number in range(count)])

    assert [int(doc["_id"]) for doc in docs] == [number for number in range(count) if number % 7]
    assert sorted(len(lines[0]["docs"]) for _, _, lines in server.requests) == [10, MGET_ITEMS, MGET_ITEMS]


def test_a_scan_takes_one_request_if_one_page_holds_all_hits() -> None:
    """Few hits cost one search."""
    hits = {**WHOLE, "hits": {"hits": [{"_id": "a"}]}}
    with gateway_to(searched(hits)) as (gateway, server, _):
        assert list(gateway.scan("model-feedback", {}, page=2)) == [{"_id": "a"}]

    assert len(server.requests) == 1


def test_a_scan_pages_through_one_point_in_time_and_closes_it() -> None:
    """More hits than a page are read from one point in time, page after page; it is closed at the end."""
    first, second = ({"_id": name, "sort": [number]} for number, name in enumerate("ab"))
    full = {**WHOLE, "hits": {"hits": [first, second]}}
    answers = [searched(full), Answer({"id": "pit", "_shards": OK_SHARDS}), Answer(full),
               Answer({**WHOLE, "hits": {"hits": [first]}}), Answer({"succeeded": True})]  # fmt: skip
    with gateway_to(*answers) as (gateway, server, _):
        assert [hit["_id"] for hit in gateway.scan("model-feedback", {}, page=2)] == ["a", "b", "a"]

    calls = [(method, path.split("?")[0]) for method, path, _ in server.requests]
    assert calls[1:] == [
        ("POST", "/model-feedback/_pit"),
        ("POST", "/_search"),
        ("POST", "/_search"),
        ("DELETE", "/_pit"),
    ]
    assert server.requests[3][2][0]["search_after"] == [1]


def test_an_incomplete_page_is_repeated() -> None:
    """Hits that a page lacks would be feedback that is never joined."""
    hit = {"_id": "a", "sort": [1]}
    full = {**WHOLE, "hits": {"hits": [hit]}}
    partial = {**full, "hits": {"hits": []}, "_shards": {"total": 2, "successful": 1, "failed": 1}}
    answers = [searched(full), Answer({"id": "pit", "_shards": OK_SHARDS}), Answer(full), Answer(partial),
               Answer({**WHOLE, "hits": {"hits": []}}), Answer({"succeeded": True})]  # fmt: skip
    with gateway_to(*answers) as (gateway, server, waits):
        assert len(list(gateway.scan("model-feedback", {}, page=1))) == 1

    assert len(waits) == 1
    assert len(server.requests) == len(answers)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            Answer(b"<html><title>404 Not\nFound</title><p>no</p></html>", 404, content_type="text/html"),
            'but a page: "404 Not Found" (status 404): check ELASTICSEARCH_URL and the proxy between',
        ),
        (Answer({"message": "no Route matched"}, 404), "other JSON"),
        (Answer([], has_product=False), "other JSON"),
        (Answer({"error": "forbidden"}, 403, has_product=False), "(status 403): check ELASTICSEARCH_URL and the proxy"),
        (
            Answer(b"", 404, content_type="", has_product=False),
            "but an empty one (status 404): check ELASTICSEARCH_URL",
        ),
        (Answer(b"", 503, content_type="", has_product=False), "but an empty one (status 503)"),
        (Answer(b"\0", content_type="image/png"), "but of the type 'image/png': check ELASTICSEARCH_URL and the proxy"),
        (Answer(b"<h1>sent to HTTPS port</h1>", 400, content_type="text/html"), "write https:// in ELASTICSEARCH_URL"),
        (Answer(b"denied", 401, content_type="text/plain"), "check ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD"),
    ],
)
def test_the_answer_of_another_server_is_one_line(answer: Answer, text: str) -> None:
    """A missing template is not its meaning, whatever its status is."""
    with gateway_to(answer) as (gateway, _, _), pytest.raises(ElasticsearchError) as raised:
        gateway.existing("model-*")

    assert str(raised.value).startswith("list indices: the answer is not Elasticsearch's")
    assert text in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("body", [{}, {"status": "up"}, {"responses": [{}]}])
def test_json_of_another_shape_is_one_line(body: dict[str, Any]) -> None:
    """A proxy or another product may answer 200 with the header of Elasticsearch."""
    with (
        gateway_to(Answer(body)) as (gateway, _server, waits),
        pytest.raises(ElasticsearchError, match=r"the answer is not Elasticsearch's.*: check ELASTICSEARCH_URL"),
    ):
        gateway.search("model-predictions", {})
    assert waits == []
