"""The cost of a cycle: it depends on the new events, not on the stored predictions or the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from statistics import median

from benchmarks.measurement import Measurement, at_most
from benchmarks.rig.node import EVENTS, RESULTS, Node, running_node
from benchmarks.rig.traffic import FIRST_DAY, Action, Traffic, click_on
from monitor_agent.agent.cycle import Agent
from monitor_agent.clock import FixedClock
from monitor_agent.settings import AgentSettings

FEW, MANY = Traffic(10_000), Traffic(1_000_000)
SHORT, LONG = Traffic(30_000), Traffic(300_000, span=timedelta(days=10))
SETTINGS = AgentSettings(retention=False)
REPEATS = 7


def run() -> Iterator[Measurement]:
    """Yield the seconds of cycles with the same new events over few and over many stored documents."""
    with running_node() as node:
        few, many = (cycles(node, traffic, lambda n, traffic=traffic: one_click(traffic, n)) for traffic in (FEW, MANY))
        yield Measurement("one new click in 10,000 predictions", few, "s")
        yield at_most("one new click in 1,000,000 predictions", many, "s", 1)
        yield at_most("the second divided by the first", many / few, "x", 1.2)
        short, long = (
            cycles(node, traffic, lambda n, traffic=traffic: new_events(traffic, n)) for traffic in (SHORT, LONG)
        )
        yield Measurement("300 new predictions, 15 clicks, after a day of 30,000", short, "s")
        yield Measurement("300 new predictions, 15 clicks, after ten days of 30,000", long, "s")
        yield at_most("the second divided by the first", long / short, "x", 1.2)


def one_click(traffic: Traffic, number: int) -> Iterable[Action]:
    """Return a click somewhere in the traffic."""
    return [click_on(traffic, (number + 1) * traffic.predictions // (REPEATS + 2))]


def new_events(traffic: Traffic, number: int) -> Iterable[Action]:
    """Return the events of five minutes: predictions, and clicks on some of them."""
    five = timedelta(minutes=5)
    return Traffic(300, clicks=15, seed=100 + number, first=traffic.end - (number + 1) * five, span=five).actions()


def cycles(node: Node, traffic: Traffic, new: Callable[[int], Iterable[Action]]) -> float:
    """Return the median seconds of cycles, each after new events, over computed traffic."""
    for pattern in (EVENTS, RESULTS):
        node.delete(pattern)
    node.load(traffic.actions())
    gateway = node.gateway()
    try:
        agent = Agent(gateway, SETTINGS, FixedClock(traffic.end + timedelta(hours=1)))
        agent.backfill(FIRST_DAY, traffic.end)
        agent.cycle()
        seconds = []
        for number in range(REPEATS):
            node.load(new(number))
            seconds.append(agent.cycle().seconds)
    finally:
        gateway.close()
    # The first cycle warms the caches of both sides.
    return median(seconds[1:])
