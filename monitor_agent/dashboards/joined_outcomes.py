"""The outcomes of the searches of a page; those that read the same documents are sent as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from monitor_agent.errors import ElasticsearchError, PartialResultsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.search_outcomes import SearchOutcome, search_outcomes
from monitor_agent.kibana.joined_searches import joined_searches
from monitor_agent.kibana.searches import SearchRequest


def joined_outcomes(gateway: Gateway, requests: Sequence[SearchRequest]) -> list[SearchOutcome]:
    """Return the outcome of each search, in order.

    If Elasticsearch refuses a joined search, its searches are sent singly: only the panel at fault fails.

    Raises
    ------
    ElasticsearchError
        If there is no response at all.
    """
    joined = joined_searches(requests)
    answers = search_outcomes(gateway, joined.requests)
    outcomes: list[SearchOutcome] = []
    for place, number in enumerate(joined.numbers):
        answer = answers[number]
        outcomes.append(answer if isinstance(answer, ElasticsearchError) else dict(joined.response(place, answer)))
    sharing = Counter(joined.numbers)
    refused = [
        place
        for place, (number, outcome) in enumerate(zip(joined.numbers, outcomes, strict=True))
        if sharing[number] > 1
        and isinstance(outcome, ElasticsearchError)
        and not isinstance(outcome, PartialResultsError)
    ]
    for place, outcome in zip(refused, search_outcomes(gateway, [requests[place] for place in refused]), strict=True):
        outcomes[place] = outcome
    return outcomes
