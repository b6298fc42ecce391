"""kill -9 of writers, runner and Elasticsearch at any moment: every event in the files is in Elasticsearch once.

A short form of each test runs always; `make soak` runs fifty rounds, and an Elasticsearch that is gone for minutes.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.pipeline_load import PATIENCE_SECONDS, ClusterLoad, PipelineLoad, cluster_load
from tests.pipelines import PipelineSandbox
from tests.stand_in import Faults, StandIn
from tests.waiting import wait_until

SEED = 11
VICTIMS = ("writer", "runner", "elasticsearch")


def kill(load: ClusterLoad, victim: str) -> None:
    """Kill a process and start it again while the other processes continue."""
    if victim == "writer":
        load.kill_writer()
        load.start_writer()
    elif victim == "runner":
        load.kill_runner()
        load.start_runner()
    else:
        load.nodes.kill()
        load.nodes.start()


def kill_again_and_again(load: ClusterLoad, victims: list[str], dice: random.Random) -> None:
    """Kill each of `victims` after some more events have arrived."""
    for victim in victims:
        load.until_count(load.count() + dice.randrange(20, 600))
        kill(load, victim)


def assert_every_event_once(load: ClusterLoad) -> None:
    """Compare the events in the files with those in Elasticsearch."""
    load.drain()
    stored = load.stored()
    assert set(stored) == load.written()
    assert [event for event, count in stored.items() if count > 1] == []


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.soak)])
def test_kills_lose_and_repeat_nothing(rounds: int) -> None:
    """Ids in Elasticsearch == ids in the files after kills of writers, runner and Elasticsearch, in any order."""
    dice = random.Random(SEED)
    victims = list(VICTIMS) + dice.choices(VICTIMS, k=rounds - len(VICTIMS))
    dice.shuffle(victims)
    with cluster_load(1) as load:
        load.start_writer()
        load.start_writer()
        load.start_runner()
        kill_again_and_again(load, victims, dice)

        assert_every_event_once(load)


def test_a_cluster_that_loses_a_node_loses_nothing() -> None:
    """kill -9 of the node with the primary shard, under load: its replica takes over, and writing continues."""
    with cluster_load(3) as load:
        load.start_writer()
        load.start_runner()
        load.until_count(300)
        with load.nodes.client() as client:
            client.cluster.health(wait_for_status="green", timeout=f"{PATIENCE_SECONDS:.0f}s")
            shards = client.cat.shards(index="model-predictions-*", h="prirep,node,state", format="json")
        primary = next(shard["node"] for shard in shards if shard["prirep"] == "p")
        assert Counter(shard["state"] for shard in shards) == {"STARTED": 2}

        load.nodes.kill(primary)

        load.until_count(load.count() + 300)
        assert_every_event_once(load)


def grown_mib(load: PipelineLoad, seconds: float) -> float:
    """Return by how much the runner's memory grows in some seconds of an outage."""
    before = load.memory_mib()
    time.sleep(seconds)  # an outage takes time
    return load.memory_mib() - before


def test_an_outage_under_load_costs_no_memory(tmp_path: Path) -> None:
    """The files are the buffer: while nothing can be delivered, reading pauses, and afterwards everything arrives."""
    with StandIn().serving() as stand_in:
        stand_in.faults = Faults(statuses={503: 1.0})
        load = PipelineLoad(PipelineSandbox(tmp_path, stand_in.url), rate=2000)
        load.start_writer()
        load.start_runner()
        try:
            wait_until(lambda: load.sandbox.statistics().get("trouble"), PATIENCE_SECONDS)
            wait_until(lambda: len(load.written()) > 2000, PATIENCE_SECONDS, interval=0.1)
            growth = grown_mib(load, 2.0)
            stand_in.faults = Faults()
            load.drain()

            assert set(stand_in.of("model-predictions")) == load.written()
            assert growth < 5
        finally:
            load.close()


@pytest.mark.soak
def test_elasticsearch_is_gone_for_minutes() -> None:
    """A real node, killed under load and started again three minutes later: the runner catches up, its memory flat."""
    with cluster_load(1) as load:
        load.start_writer()
        load.start_writer()
        load.start_runner()
        load.until_count(1000)
        load.nodes.kill()
        wait_until(lambda: load.sandbox.statistics()["trouble"], PATIENCE_SECONDS)

        growth = grown_mib(load, 180.0)
        load.nodes.start()

        assert_every_event_once(load)
        assert growth < 5
