"""kill -9 of writers, runner and Elasticsearch at any moment: what is in the files is in Elasticsearch, once.

A short part of each proof runs always; `make soak` runs fifty rounds, and an Elasticsearch that is gone for minutes.
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


def kill(made: ClusterLoad, victim: str) -> None:
    """Kill one and start it again; the others go on meanwhile."""
    if victim == "writer":
        made.kill_writer()
        made.start_writer()
    elif victim == "runner":
        made.kill_runner()
        made.start_runner()
    else:
        made.nodes.kill()
        made.nodes.start()


def kill_again_and_again(made: ClusterLoad, victims: list[str], dice: random.Random) -> None:
    """Kill each of `victims` after some more events have arrived."""
    for victim in victims:
        made.until_count(made.count() + dice.randrange(20, 600))
        kill(made, victim)


def assert_each_once(made: ClusterLoad) -> None:
    """Compare the files with Elasticsearch."""
    made.drain()
    stored = made.stored()
    assert set(stored) == made.written()
    assert [event for event, count in stored.items() if count > 1] == []


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.soak)])
def test_whoever_is_killed_nothing_is_lost_or_repeated(rounds: int) -> None:
    """Ids in Elasticsearch == ids in the files after kills of writers, runner and Elasticsearch, in any order."""
    dice = random.Random(SEED)
    victims = list(VICTIMS) + dice.choices(VICTIMS, k=rounds - len(VICTIMS))
    dice.shuffle(victims)
    with cluster_load(1) as made:
        made.start_writer()
        made.start_writer()
        made.start_runner()
        kill_again_and_again(made, victims, dice)

        assert_each_once(made)


def test_a_cluster_that_loses_a_node_loses_nothing() -> None:
    """kill -9 of the node with the primary shard, under load: its replica takes over, writing goes on."""
    with cluster_load(3) as made:
        made.start_writer()
        made.start_runner()
        made.until_count(300)
        with made.nodes.client() as client:
            client.cluster.health(wait_for_status="green", timeout=f"{PATIENCE_SECONDS:.0f}s")
            shards = client.cat.shards(index="model-predictions-*", h="prirep,node,state", format="json")
        primary = next(shard["node"] for shard in shards if shard["prirep"] == "p")
        assert Counter(shard["state"] for shard in shards) == {"STARTED": 2}

        made.nodes.kill(primary)

        made.until_count(made.count() + 300)
        assert_each_once(made)


def grown_mib(made: PipelineLoad, seconds: float) -> float:
    """Return by how much the runner's memory grows in so much time of an outage."""
    before = made.memory_mib()
    time.sleep(seconds)  # the time is what is tested
    return made.memory_mib() - before


def test_an_outage_under_load_costs_no_memory(tmp_path: Path) -> None:
    """The files are the buffer: while nothing can be delivered, reading pauses, and afterwards everything arrives."""
    with StandIn().serving() as stand_in:
        stand_in.faults = Faults(statuses={503: 1.0})
        made = PipelineLoad(PipelineSandbox(tmp_path, stand_in.url), rate=2000)
        made.start_writer()
        made.start_runner()
        try:
            wait_until(lambda: made.sandbox.statistics().get("trouble"), PATIENCE_SECONDS)
            wait_until(lambda: len(made.written()) > 2000, PATIENCE_SECONDS, interval=0.1)
            grown = grown_mib(made, 2.0)
            stand_in.faults = Faults()
            made.drain()

            assert set(stand_in.of("model-predictions")) == made.written()
            assert grown < 5
        finally:
            made.close()


@pytest.mark.soak
def test_elasticsearch_is_gone_for_minutes() -> None:
    """A real node, killed under load and started again three minutes later: the runner catches up, its memory flat."""
    with cluster_load(1) as made:
        made.start_writer()
        made.start_writer()
        made.start_runner()
        made.until_count(1000)
        made.nodes.kill()
        wait_until(lambda: made.sandbox.statistics()["trouble"], PATIENCE_SECONDS)

        grown = grown_mib(made, 180.0)
        made.nodes.start()

        assert_each_once(made)
        assert grown < 5
