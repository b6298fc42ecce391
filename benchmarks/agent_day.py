"""A day of a million predictions: its 50 thousand new clicks joined and its windows computed, and other tools on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from benchmarks.measurement import Measurement, at_least, at_most
from benchmarks.rig.node import EVENTS, RESULTS, Node, running_node
from benchmarks.rig.process import Run, measured
from benchmarks.rig.traffic import FIRST_DAY, Traffic
from benchmarks.rivals import day_results
from monitor_agent.settings import AgentSettings, environment_of

DAY = Traffic(1_000_000, clicks=50_000)
BEFORE = Traffic(100_000, clicks=30_000, seed=2, first=FIRST_DAY - timedelta(days=2))
"""A smaller day that the node works on first: Java compiles the code that it runs often, as in production."""
HOURLY = AgentSettings(
    base_window=timedelta(hours=1), larger_windows=(timedelta(days=1),), segments=(), retention=False
)
FURTHER = {
    "24 hourly windows, 3 scenes": replace(HOURLY, segments=("scene",)),
    "1,440 windows of a minute, 24 hours, a day, 3 scenes": AgentSettings(retention=False),
}
WARM_UPS = 2
REPEATS = 3
FASTER = {"Evidently": 5.0, "NannyML": 1.5}


def run() -> Iterator[Measurement]:
    """Yield the times of the agent's cycles over the day, then those of the other tools over the same rows."""
    with running_node() as node:
        warm_up(node)
        yield Measurement("events indexed (1,050,000)", node.load(DAY.actions()), "s")
        joined = once(node, HOURLY, DAY)
        yield at_most("join of 50,000 clicks, 24 hourly windows x 3 versions", cycle_seconds(joined), "s", 15)
        yield at_most("the same, memory of the agent", joined.mib, "MiB", 200)
        best = min((anew(node, HOURLY) for _ in range(REPEATS)), key=cycle_seconds)
        seconds = cycle_seconds(best)
        yield at_most("full day from indexed documents: 24 hourly windows x 3 versions", seconds, "s", 4)
        yield Measurement("the same, with the start of the process", best.seconds, "s")
        yield at_most("the same, memory of the agent", best.mib, "MiB", 200)
        for shape, settings in FURTHER.items():
            further = anew(node, settings)
            yield Measurement(f"full day from indexed documents: {shape} x 3 versions", cycle_seconds(further), "s")
            yield Measurement("the same, memory of the agent", further.mib, "MiB")
    for result in day_results(DAY):
        yield Measurement(f"{result.rival.work}: rows already in memory", result.seconds, "s")
        yield Measurement("the same, memory of its process", result.mib, "MiB")
        faster = result.seconds / seconds
        yield at_least(f"full day: times as fast as {result.rival.name}", faster, "x", FASTER[result.rival.name])


def warm_up(node: Node) -> None:
    """Let the node load, join and count a few times, then delete the documents."""
    for _ in range(WARM_UPS):
        node.load(BEFORE.actions())
        once(node, HOURLY, BEFORE)
        for pattern in (EVENTS, RESULTS):
            node.delete(pattern)


def anew(node: Node, settings: AgentSettings) -> Run:
    """Return the agent that computed the joined day from nothing."""
    node.delete(RESULTS)
    return once(node, settings, DAY)


def once(node: Node, settings: AgentSettings, day: Traffic) -> Run:
    """Return the agent that ran one cycle after the day."""
    node.use(settings)
    argv = [sys.executable, "-m", "monitor_agent", "once", "--now", (day.end + timedelta(hours=1)).isoformat()]
    return measured(argv, environment_of(node.settings) | environment_of(settings))


def cycle_seconds(finished: Run) -> float:
    """Return the seconds of the cycle from the agent's log, without the start of the process."""
    (seconds,) = [line["seconds"] for line in finished.log if "requests" in line]
    return float(str(seconds))
