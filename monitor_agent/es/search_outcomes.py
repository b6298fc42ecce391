"""Searches for pages and reports: a search that fails is reported by itself, and the others keep their responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.errors import ElasticsearchError, PartialResultsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import search_lines
from monitor_agent.es.responses import missing_shards, root_cause
from monitor_agent.es.rights import unreadable

SearchOutcome = dict[str, Any] | ElasticsearchError
"""The whole response of a search, or the reason why there is none."""


def search_outcomes(gateway: Gateway, searches: Sequence[tuple[str, Mapping[str, Any]]]) -> list[SearchOutcome]:
    """Return the outcome of each search over the indices that exist, in order; all searches are one request.

    A search that is refused, or that not all shards have answered, is not repeated: a person waits for the others.

    Parameters
    ----------
    searches : (index names or patterns, body).

    Raises
    ------
    ElasticsearchError
        If there is no response at all, after as many tries as the gateway makes.
    """
    if not searches:
        return []
    # With partial results allowed, the response holds the number of missing shards.
    lines = search_lines(searches, allow_partial=True)
    responses = gateway.call("Elasticsearch", lambda client: client.msearch(searches=lines).body["responses"])
    outcomes = [_outcome(response) for response in responses]
    # An index that the user may not read is left out of the response, as if there were none.
    doubtful = [
        _contracts_of(index) if isinstance(outcome, dict) and not outcome["_shards"]["total"] else []
        for (index, _), outcome in zip(searches, outcomes, strict=True)
    ]
    errors = _errors_of(gateway, {contract.name: contract for row in doubtful for contract in row})
    return [
        next((errors[contract.name] for contract in row if contract.name in errors), outcome)
        for row, outcome in zip(doubtful, outcomes, strict=True)
    ]


def _errors_of(gateway: Gateway, contracts: Mapping[str, IndexContract]) -> Mapping[str, ElasticsearchError]:
    """Return why indices were not read, by the name of the contract; what was read is there even without an answer."""
    try:
        return unreadable(gateway, list(contracts.values()))
    except ElasticsearchError as error:
        return dict.fromkeys(contracts, error)


def _contracts_of(index: str) -> list[IndexContract]:
    names = index.split(",")
    return [contract for contract in CONTRACTS if contract.pattern in names or contract.alias in names]


def _outcome(response: dict[str, Any]) -> SearchOutcome:
    if "error" in response:
        return _refusal(response)
    shards = response["_shards"]
    missing = missing_shards(response)
    if missing:
        reason = _reason(shards["failures"][0]["reason"]) if shards.get("failures") else ""
        return PartialResultsError(
            f"incomplete: {missing} of {shards['total']} shards did not answer{f' ({reason})' if reason else ''}",
            "check the health of Elasticsearch",
        )
    if response.get("timed_out"):
        return PartialResultsError(
            "incomplete: the search was stopped at its time limit",
            "choose a shorter time range",
        )
    return response


def _refusal(response: Mapping[str, Any]) -> ElasticsearchError:
    status = response.get("status")
    return ElasticsearchError(f"Elasticsearch refuses the search: {_reason(response['error'])} (status {status})")


def _reason(error: Any) -> str:
    cause = root_cause(error) if isinstance(error, Mapping) else {"reason": str(error)}
    return " ".join(str(cause.get("reason") or cause.get("type")).split())[:200]
