"""Searches whose failures are reported one by one; against literal responses of Elasticsearch over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from monitor_agent.errors import ElasticsearchError, PartialResultsError
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.es.search_outcomes import search_outcomes
from monitor_agent.settings import ElasticsearchSettings
from tests.unit.monitor_agent.es.answers import Answer, Server, serving

SEARCHES = [("model-predictions-*", {"size": 0}), ("model-feedback-*", {"size": 1})]
WHOLE = {
    "status": 200,
    "timed_out": False,
    "_shards": {"total": 3, "successful": 3, "skipped": 1, "failed": 0},
    "hits": {"total": {"value": 7}, "hits": []},
}
FAILURE = {"shard": 1, "index": "model-predictions-1", "reason": {"type": "x", "reason": "node  left"}}


@contextlib.contextmanager
def gateway_to(*answers: Answer) -> Iterator[tuple[Gateway, Server]]:
    """Yield a gateway to a server with these answers."""
    with serving(*answers) as server:
        gateway = Gateway(connect(ElasticsearchSettings(url=(server.url,))), Backoff(tries=2, first=0.0))
        with contextlib.closing(gateway):
            yield gateway, server


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"_shards": {"total": 3, "successful": 2, "skipped": 0, "failed": 1, "failures": [FAILURE]}},
            "incomplete: 1 of 3 shards did not answer (node left): check the health of Elasticsearch",
        ),
        (
            {"_shards": {"total": 3, "successful": 1, "skipped": 0, "failed": 0}},
            "incomplete: 2 of 3 shards did not answer: check the health of Elasticsearch",
        ),
        ({"timed_out": True}, "incomplete: the search was stopped at its time limit: choose a shorter time range"),
    ],
    ids=["a shard failed", "shards are missing", "timed out"],
)
def test_partial_results_are_an_error_of_their_own_search(change: dict[str, Any], message: str) -> None:
    """The other search has its response, and nothing is repeated: the reader of a page does not wait longer."""
    with gateway_to(Answer({"responses": [{**WHOLE, **change}, WHOLE]})) as (gateway, server):
        partial, whole = search_outcomes(gateway, SEARCHES)

    assert isinstance(partial, PartialResultsError)
    assert str(partial).startswith(message)
    assert whole == WHOLE
    assert len(server.requests) == 1


def test_a_refused_search_is_an_error_of_its_own() -> None:
    """It names the reason, and is no matter of missing shards."""
    refusal = {"error": {"root_cause": [{"type": "x", "reason": "no such\nfield"}]}, "status": 400}
    with gateway_to(Answer({"responses": [refusal, WHOLE]})) as (gateway, _):
        refused, whole = search_outcomes(gateway, SEARCHES)

    assert isinstance(refused, ElasticsearchError)
    assert not isinstance(refused, PartialResultsError)
    assert str(refused) == "Elasticsearch refuses the search: no such field (status 400)"
    assert whole == WHOLE


def test_all_searches_are_one_request_for_partial_results() -> None:
    """Elasticsearch must say how many shards are missing, and always reads the same copies."""
    with gateway_to(Answer({"responses": [WHOLE, WHOLE]})) as (gateway, server):
        search_outcomes(gateway, SEARCHES)

    ((method, path, lines),) = server.requests
    assert (method, path, lines[1::2]) == ("POST", "/_msearch", [body for _, body in SEARCHES])
    assert lines[0] == {
        "index": "model-predictions-*",
        "preference": "monitor-agent",
        "allow_partial_search_results": True,
        "ignore_unavailable": True,
        "allow_no_indices": True,
    }


def test_no_search_is_no_request() -> None:
    """A dashboard without panels sends nothing."""
    with gateway_to(Answer({"responses": []})) as (gateway, server):
        assert search_outcomes(gateway, []) == []

    assert server.requests == []


def test_an_elasticsearch_that_does_not_respond_is_an_error_for_all() -> None:
    """After the tries of the gateway, the error is raised."""
    with gateway_to(Answer(dropped=True)) as (gateway, server), pytest.raises(ElasticsearchError, match="check that"):
        search_outcomes(gateway, SEARCHES)

    assert len(server.requests) == 2


NOTHING = {**WHOLE, "_shards": {"total": 0, "successful": 0, "skipped": 0, "failed": 0}}


def privileges(**readable: bool) -> Answer:
    """Return what Elasticsearch says of the rights on indices."""
    names = {
        name: {"read": allowed}
        for prefix, allowed in readable.items()
        for name in (f"model-{prefix}", f"model-{prefix}-????.??.??")
    }
    return Answer({"username": "ada", "cluster": {}, "index": names})


def test_indices_that_the_user_may_not_read_are_not_empty() -> None:
    """Elasticsearch answers as if there were none; the error names user, privilege and role."""
    answers = Answer({"responses": [NOTHING, NOTHING]}), privileges(predictions=False, feedback=True)
    with gateway_to(*answers) as (gateway, server):
        closed, empty = search_outcomes(gateway, SEARCHES)

    assert str(closed) == "the user ada lacks the privilege read on model-predictions: give the user the role analyst"
    assert empty == NOTHING
    assert [path for _, path, _ in server.requests] == ["/_msearch", "/_security/user/_has_privileges"]


def test_rights_that_cannot_be_read_leave_the_answer_open() -> None:
    """Nobody knows then whether there are documents; what was read is there."""
    with gateway_to(Answer({"responses": [NOTHING, WHOLE]}), Answer(dropped=True)) as (gateway, _):
        unknown, whole = search_outcomes(gateway, SEARCHES)

    assert isinstance(unknown, ElasticsearchError)
    assert whole == WHOLE


def test_indices_that_do_not_exist_yet_are_empty() -> None:
    """Also on a cluster without security."""
    off = Answer({"error": "no handler found for uri [/_security/user/_has_privileges]", "status": 400}, 400)
    for rights in (off, privileges(predictions=True, feedback=True)):
        with gateway_to(Answer({"responses": [NOTHING, WHOLE]}), rights) as (gateway, _):
            assert search_outcomes(gateway, SEARCHES) == [NOTHING, WHOLE]
