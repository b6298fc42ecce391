"""In the embedded Elasticsearch, each role may do its own work and nothing else."""

from __future__ import annotations

import elasticsearch as client_library
import pytest

from tests.cluster import Cluster

PREDICTIONS = "model-predictions-2025.01.01"


def test_nobody_reads_without_a_password(elasticsearch: Cluster) -> None:
    """A request without credentials is refused."""
    client = client_library.Elasticsearch(elasticsearch.url)

    with pytest.raises(client_library.AuthenticationException):
        client.cluster.health()


def test_the_pipeline_creates_events_but_changes_none(clean_indices: Cluster) -> None:
    """The pipeline's user adds a document once; it can neither overwrite nor delete it."""
    client = clean_indices.client("pipeline_writer")

    client.create(index=PREDICTIONS, id="a", document={"message": "first"})

    with pytest.raises(client_library.AuthorizationException):
        client.index(index=PREDICTIONS, id="a", document={"message": "second"})
    with pytest.raises(client_library.AuthorizationException):
        client.delete(index=PREDICTIONS, id="a")


def test_the_analyst_reads_and_writes_nothing(clean_indices: Cluster) -> None:
    """The analyst's user searches the product's documents and cannot write."""
    clean_indices.client().index(index=PREDICTIONS, id="a", document={"message": "x"}, refresh=True)
    client = clean_indices.client("analyst")

    assert client.count(index="model-*")["count"] == 1
    with pytest.raises(client_library.AuthorizationException):
        client.index(index=PREDICTIONS, id="b", document={"message": "y"})


def test_the_agent_stays_within_its_indices(clean_indices: Cluster) -> None:
    """The agent's user writes its own indices and no other index."""
    client = clean_indices.client("monitor_agent")

    client.index(index="model-performance-2025.01", id="a", document={"n": 1})

    with pytest.raises(client_library.AuthorizationException):
        client.index(index="payroll", id="a", document={"n": 1})
