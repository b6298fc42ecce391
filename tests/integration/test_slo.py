"""Service level objectives on a real Elasticsearch: from counts of requests to burn rates, and from there to alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.es.gateway import Gateway
from tests.factories import Document, iso
from tests.integration.agent_world import World
from tests.integration.test_verdicts import NOW, SETTINGS, UNTIL, Traffic, fill, judged

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OBJECTIVES = {"slo_availability": 0.99, "slo_latency": timedelta(milliseconds=250), "slo_latency_share": 0.95}
Share = Callable[[timedelta], float]


def requests(errors: Share, slow: Share) -> Iterator[Document]:
    """Yield base windows of four days with 1000 requests each; the shares are by the age of the window."""
    for number in range(1, 4 * 288):
        start = UNTIL - number * 5 * MINUTE
        failed = int(1000 * errors(UNTIL - start))
        counts = {"requests": 1000 - failed, "errors": failed, "slow_requests": int(1000 * slow(UNTIL - start))}
        keys = {"model_name": "click", "model_version": "all", "segment": "all", "window_size": "1m"}
        source = {**keys, **counts, "@timestamp": iso(start), "is_base_window": True}
        yield {"_index": PERFORMANCE.index_for(start), "_id": f"requests {number}", "_source": source}


def burning(world: World) -> set[str]:
    """Return the active alerts about objectives."""
    AlertEvaluator(Gateway(world.agent), load_alerts()).evaluate(NOW, [SETTINGS])
    documents = world.documents(ALERTS.alias).values()
    return {row["rule"]["name"] for row in documents if row["state"] == "active" and "slo" in row["rule"]["name"]}


@pytest.mark.parametrize(
    ("errors", "slow", "alerts"),
    [
        pytest.param(lambda _age: 0.001, lambda _age: 0.01, set(), id="within the objectives"),
        pytest.param(
            lambda age: 0.2 if age <= HOUR else 0.0, lambda _age: 0.0, {"slo-availability-burn"}, id="a burst of errors"
        ),
        pytest.param(
            lambda age: 0.5 if 30 * MINUTE < age <= HOUR else 0.0, lambda _age: 0.0, set(), id="a burst that is over"
        ),
        pytest.param(
            lambda _age: 0.0,
            lambda age: 0.4 if age <= 6 * HOUR else 0.0,
            {"slo-latency-burn"},
            id="six slow hours",
        ),
        pytest.param(
            lambda _age: 0.02, lambda _age: 0.1, {"slo-availability-slow-burn", "slo-latency-slow-burn"}, id="slowly"
        ),
    ],
)
def test_an_objective_is_alerted_by_two_times_each(world: World, errors: Share, slow: Share, alerts: set[str]) -> None:
    """A long time says that much of the budget is spent, a short one that it still is being spent."""
    fill(world, Traffic(), further=requests(errors, slow))

    verdict = judged(world, **OBJECTIVES)["all", "all"]

    assert (verdict["availability_slo"], verdict["latency_slo"]) == (0.99, 0.95)
    assert burning(world) == alerts


def test_the_budget_is_that_of_the_whole_time_and_a_model_without_objectives_has_none(world: World) -> None:
    """Of 4 days at 0.5 %, half of the budget of 1 % is left."""
    fill(world, Traffic(), further=requests(lambda _age: 0.005, lambda _age: 0.0))

    verdict = judged(world, **OBJECTIVES)["all", "all"]

    assert verdict["availability_budget_remaining"] == pytest.approx(0.5, abs=0.02)
    assert verdict["latency_budget_remaining"] == 1.0
    assert verdict["availability_burn_3d"] == pytest.approx(0.5, abs=0.02)
    fill(world, Traffic(), further=requests(lambda _age: 0.5, lambda _age: 0.5))
    assert "availability_burn_1h" not in judged(world)["all", "all"]
    assert burning(world) == set()
