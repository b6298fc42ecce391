"""What a metrics document says beyond labels and scores: order, propensity, comparison, drift, estimates, curves."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World, moved, world_on

FINAL = START + MUCH_LATER
HOURS = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=1),)}


@pytest.fixture(scope="module", autouse=True)
def templates(elasticsearch: Cluster) -> None:
    """Install the index templates as the agent's user."""
    elasticsearch.clean()
    with elasticsearch.client("monitor_agent") as client:
        install(Gateway(client), AgentSettings())


@pytest.fixture
def world(clean_indices: Cluster) -> Iterator[World]:
    """Yield an empty world."""
    with world_on(clean_indices) as made:
        yield made


def make_request(number: int, clicked: set[int], **own: object) -> list[Document]:
    """Return a request of four ranked items, and clicks on some ranks."""
    at = START + timedelta(minutes=number)
    items = [make_prediction(at, 0.5 - rank / 10, rank=rank, request_size=4, **own) for rank in range(1, 5)]
    for item in items:
        item["http"] = {"request": {"id": f"request-{number}"}}
        item["item"] = {"id": "x", "position": item["prediction"]["rank"]}
    return [*items, *(make_feedback(items[rank - 1]) for rank in clicked)]


def test_ranking_is_judged_by_request(world: World) -> None:
    """NDCG, MRR, hit rate and MAP are means over requests with a click, in merged windows too."""
    clicked = [{1}, {3}, {2, 4}, set(), set()] * 30
    world.deliver(*[event for number, ranks in enumerate(clicked) for event in make_request(number, ranks)])

    world.cycle(FINAL, **HOURS)

    day = world.window("1d")
    gains = [[float(rank in ranks) for rank in range(1, 5)] for ranks in clicked if ranks]
    expected = np.mean([ndcg_score([row], [[4, 3, 2, 1]], k=5) for row in gains])
    assert day["ndcg_at_5"] == pytest.approx(expected, rel=1e-12)
    assert day["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 2) / 3, rel=1e-12)
    assert day["requests_without_click"] == pytest.approx(0.4)
    assert day["ndcg_at_5_low"] < day["ndcg_at_5"] < day["ndcg_at_5_high"]
    assert world.window("1d", segment="labels.scene=search")["mrr"] == day["mrr"]
    assert world.cycle(FINAL, **HOURS).tally.written == 0


def test_propensities_weigh_the_clicks(world: World) -> None:
    """The weighted CTR is that of showing every item equally often, within the error of the bins."""
    dice = random.Random(5)
    told: list[Document] = []
    weights = hits = 0.0
    for number in range(300):
        propensity = dice.choice([0.8, 0.2])
        clicks = dice.random() < (0.3 if propensity == 0.8 else 0.1)
        item = make_prediction(START + timedelta(seconds=number), 0.3, propensity=propensity)
        told += [item, make_feedback(item)] if clicks else [item]
        weights += 1 / propensity
        hits += clicks / propensity
    world.deliver(*told)

    world.cycle(FINAL, **HOURS)

    assert world.window("1d")["ctr_snips"] == pytest.approx(hits / weights, rel=0.005)
    assert world.window("1d")["ctr"] > world.window("1d")["ctr_snips"]


def make_traffic(count: int = 300, at: timedelta = timedelta(), seed: int = 3, **own: object) -> list[Document]:
    """Return predictions of one hour at three positions, and clicks that the scores tell of."""
    dice = random.Random(seed)
    told: list[Document] = []
    for _ in range(count):
        item = make_prediction(START + at + timedelta(minutes=50 * dice.random()), dice.betavariate(1, 3), **own)
        item["item"] = {"id": "x", "position": dice.randint(1, 3)}
        told.append(item)
        if dice.random() < item["prediction"]["score"]:
            told.append(make_feedback(item))
    return told


class TestCurves:
    def test_curves_are_points_of_the_ended_larger_windows(self, world: World) -> None:
        """Each curve of a day, over all and by version, holds every prediction; open windows have none."""
        told = make_traffic()
        world.deliver(*told)
        world.cycle(START + timedelta(hours=2), **HOURS)
        assert world.documents("model-curves") == {}

        world.cycle(FINAL, **HOURS)

        day = world.window("1d")
        points = [each for each in world.documents("model-curves").values() if each["model_version"] == "all"]
        curves = {name: [each for each in points if each["curve"] == name] for name in {p["curve"] for p in points}}
        assert set(curves) == {"reliability", "threshold", "score", "position"}
        for name in ("reliability", "score", "position"):
            assert sum(each["n"] for each in curves[name]) == day["n"] == 300, name
            assert sum(each["positives"] for each in curves[name]) == day["tp"] + day["fn"], name
        (half,) = [each for each in curves["threshold"] if each["x"] == 0.5]
        assert (half["tp"], half["fp"], half["f1"]) == (day["tp"], day["fp"], day["f1"])
        assert {each["segment"] for each in points} == {"all"}
        assert {each["window_size"] for each in points} == {"1d"}

    def test_only_points_that_differ_are_written_again(self, world: World) -> None:
        """A late click moves the points it counts in; all others, and a rerun, are left as they are."""
        told = make_traffic()
        world.deliver(*told)
        world.cycle(FINAL, **HOURS)
        before = world.documents("model-curves")
        world.make_agent(FINAL, **HOURS).backfill(START, START + timedelta(hours=1))
        assert world.documents("model-curves") == before

        quiet = next(each for each, after in pairwise(told) if "feedback" not in {**each, **after})
        world.deliver(make_feedback(quiet))
        world.cycle(FINAL, **HOURS)

        changed = list(moved(before, world.documents("model-curves")))
        assert {each["curve"] for each in changed} == {"reliability", "threshold", "score", "position"}
        assert 0 < sum(each["curve"] == "position" for each in changed) <= 2
        assert 0 < sum(each["curve"] == "reliability" for each in changed) <= 2
