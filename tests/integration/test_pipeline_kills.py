"""kill -9 of writers, runner and Elasticsearch at any moment: what is in the files is in Elasticsearch, once."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.integration.pipeline_world import PATIENCE_SECONDS, World, world

SEED = 11
VICTIMS = ("writer", "runner", "elasticsearch")


def kill(made: World, victim: str) -> None:
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


def kill_again_and_again(made: World, victims: list[str], dice: random.Random) -> None:
    """Kill each of `victims` after some more events have arrived."""
    for victim in victims:
        made.until_count(made.count() + dice.randrange(20, 600))
        kill(made, victim)


def assert_each_once(made: World) -> None:
    """Compare the files with Elasticsearch."""
    made.settle()
    stored = made.stored()
    assert set(stored) == made.written()
    assert [event for event, count in stored.items() if count > 1] == []


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.soak)])
def test_whoever_is_killed_nothing_is_lost_or_repeated(rounds: int) -> None:
    """Ids in Elasticsearch == ids in the files after kills of writers, runner and Elasticsearch, in any order."""
    dice = random.Random(SEED)
    victims = list(VICTIMS) + dice.choices(VICTIMS, k=rounds - len(VICTIMS))
    dice.shuffle(victims)
    with world(1) as made:
        made.start_writer()
        made.start_writer()
        made.start_runner()
        kill_again_and_again(made, victims, dice)

        assert_each_once(made)


def test_a_cluster_that_loses_a_node_loses_nothing() -> None:
    """kill -9 of the node with the primary shard, under load: its replica takes over, writing goes on."""
    with world(3) as made:
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
