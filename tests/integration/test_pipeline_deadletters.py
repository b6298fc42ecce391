"""`monitor-agent deadletters`: what was refused is listed, shown, and sent again once the cause is mended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from monitor_agent.contracts import ALL, PREDICTIONS
from monitor_agent.stack.embedded.logstash import runner
from tests.cluster import Cluster
from tests.factories import make_prediction
from tests.pipelines import ROOT, Place, until


@pytest.fixture
def cluster(clean_indices: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Return the cluster with the product's templates; the runner writes its statistics often."""
    monkeypatch.setattr(runner, "STATISTICS_SECONDS", 0.05)
    with clean_indices.client() as client:
        for contract in ALL:
            client.indices.put_index_template(name=contract.name, body=contract.template())
    return clean_indices


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path) -> Place:
    """Return the folders of a pipeline."""
    return Place(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])


def deadletters(place: Place, cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as the agent's user."""
    environ = {
        "ELASTICSEARCH_USERNAME": "monitor_agent",
        "ELASTICSEARCH_PASSWORD": cluster.users["monitor_agent"],
    }
    return subprocess.run(
        [sys.executable, "-m", "monitor_agent", "deadletters", *arguments],
        env={**os.environ, **place.environ(), **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def deliver(place: Place) -> None:
    """Run the pipeline until everything is delivered."""
    with place.running():
        until(lambda: place.statistics().get("state") == "running" and place.statistics()["delivered"])


def test_a_letter_arrives_once_the_cause_is_mended(place: Place, cluster: Cluster) -> None:
    """A field that the mapping did not know: after it does, replay brings the event, and the letter is gone."""
    event = {**make_prediction(), "campaign": "spring"}
    place.append(event, b"not json")
    deliver(place)
    listed = deadletters(place, cluster, "list").stdout
    shown = orjson.loads(deadletters(place, cluster, "show", "--reason", "refused").stdout)
    with cluster.client() as client:
        mapping = {"properties": {"campaign": {"type": "keyword"}}}
        client.indices.put_mapping(index="model-predictions-*", body=mapping)

    replayed = deadletters(place, cluster, "replay", "--reason", "refused")
    deliver(place)

    assert "1 refused" in listed
    assert "1 malformed" in listed
    assert orjson.loads(shown["message"]) == event
    assert replayed.stdout.startswith("1 lines are on their way again")
    with cluster.client() as client:
        client.indices.refresh(index="model-*")
        (hit,) = client.search(index=PREDICTIONS.alias)["hits"]["hits"]
        assert (hit["_id"], hit["_source"]["campaign"]) == (event["event"]["id"], "spring")
    assert "refused" not in deadletters(place, cluster, "list").stdout


def test_letters_in_the_data_folder_can_be_sent_without_elasticsearch(place: Place, cluster: Cluster) -> None:
    """--offline: what the runner kept on disk is enough; the files are set aside, so that it is not sent twice."""
    event = {**make_prediction(), "campaign": "spring"}
    place.append(event)
    deliver(place)
    nowhere = Place(place.folder, "http://127.0.0.1:9")

    first = deadletters(nowhere, cluster, "replay", "--all", "--offline")
    second = deadletters(nowhere, cluster, "replay", "--all", "--offline")

    assert first.stdout.startswith("1 lines")
    assert second.stdout.startswith("0 lines")
    (file,) = place.logs.glob("replay-*.ndjson")
    assert orjson.loads(file.read_bytes()) == event


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["replay"], "error: nothing was chosen to be sent again: name ids, --reason or --all"),
        (["show", "feed"], "error: there is no dead letter feed: see `monitor-agent deadletters list`"),
    ],
)
def test_a_mistake_is_told_in_one_line(place: Place, cluster: Cluster, arguments: list[str], told: str) -> None:
    """Nothing is sent again by accident; an unknown id is said to be one."""
    done = deadletters(place, cluster, *arguments)

    assert (done.returncode, done.stderr.strip()) == (1, told)
