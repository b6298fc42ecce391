"""The demo's own verification reports lost, doubled and foreign events, and events that never come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.demo import results
from monitor_agent.demo.results import Results
from monitor_agent.errors import DataError, ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster

IDS = ["019ab0a5-9d7b-7c3e-8a51-6f2b9d1c4e70", "019ab0a5-9d7b-7c3e-8a51-6f2b9d1c4e71"]


@pytest.fixture
def gateway(clean_indices: Cluster) -> Iterator[Gateway]:
    """A cluster with the product's templates and no events."""
    gateway = Gateway(clean_indices.client())
    install(gateway, AgentSettings())
    yield gateway
    gateway.close()


def write(cluster: Cluster, index: str, identifier: str, source: dict[str, Any]) -> None:
    """Index one document and make it visible."""
    with cluster.client() as client:
        client.index(index=index, id=identifier, document=source, refresh=True)


def test_no_events_are_complete_without_an_index(gateway: Gateway) -> None:
    """Without any index all counts are 0, which is complete."""
    demo_results = Results(gateway)

    assert demo_results.wait_for({"predictions": 0, "feedback": 0})["predictions"] == 0
    demo_results.require_exactly_once({"predictions": [], "feedback": []})
    assert demo_results.feedback_status() == {}
    assert demo_results.windows() == []


def test_a_lost_a_doubled_and_a_foreign_event_are_reported(gateway: Gateway, clean_indices: Cluster) -> None:
    """An id that is missing, in two indices, or never accepted is an error with its count."""
    demo_results = Results(gateway)
    write(clean_indices, "model-predictions-2026.11.23", IDS[0], PREDICTIONS.sample)
    demo_results.require_exactly_once({"predictions": IDS[:1]})

    with pytest.raises(DataError, match="2 predictions were accepted; of these, 1 are missing"):
        demo_results.require_exactly_once({"predictions": IDS})
    with pytest.raises(DataError, match="1 others are there"):
        demo_results.require_exactly_once({"predictions": []})
    write(clean_indices, "model-predictions-2026.11.24", IDS[0], PREDICTIONS.sample)
    with pytest.raises(DataError, match="1 are there more than once"):
        demo_results.require_exactly_once({"predictions": IDS[:1]})


def test_missing_events_are_reported(gateway: Gateway, clean_indices: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends with the counts if nothing more arrives, and at once with the reason of a dead letter."""
    demo_results = Results(gateway)
    write(clean_indices, "model-predictions-2026.11.23", IDS[0], PREDICTIONS.sample)
    monkeypatch.setattr(results, "STALLED_SECONDS", 0.3)

    with pytest.raises(ElasticsearchError, match="1 of 3 events are in Elasticsearch"):
        demo_results.wait_for({"predictions": 2, "feedback": 1})
    write(clean_indices, "model-deadletters-2026.11.23", "1", DEADLETTERS.sample)
    with pytest.raises(ElasticsearchError, match="1 event became dead letters"):
        demo_results.wait_for({"predictions": 2, "feedback": 1})
