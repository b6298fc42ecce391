"""How much disk the events of a day take."""

from __future__ import annotations

from contextlib import suppress

from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway


def bytes_per_day(gateway: Gateway) -> float | None:
    """Return the mean size of the events of a day, with their replicas; None without events.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch does not tell it.
    """
    patterns = [contract.pattern for contract in EVENT_CONTRACTS if contract.suffix]
    response = gateway.call(
        "read the sizes of the indices",
        lambda client: (
            client.indices.stats(index=patterns, metric="store", filter_path="indices.*.total.store.size_in_bytes").body
        ),
    )
    indices = response.get("indices", {})
    days = set()
    for name in indices:
        with suppress(ValueError):
            days.add(PREDICTIONS.day_of(name))
    size: int = sum(index["total"]["store"]["size_in_bytes"] for index in indices.values())
    return size / len(days) if days else None
