"""A day of a million predictions: its 50 thousand new clicks joined, its windows computed, the agent's memory."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta

from benchmarks.measurement import Measurement, at_most
from benchmarks.rig.node import RESULTS, Node, node
from benchmarks.rig.process import MIB, Run, measured
from benchmarks.rig.traffic import FIRST_DAY, Traffic
from monitor_agent.settings import AgentSettings, environment_of

DAY = Traffic(1_000_000, clicks=50_000)
NOW = DAY.end + timedelta(hours=1)
HOURLY = AgentSettings(
    base_window=timedelta(hours=1), larger_windows=(timedelta(days=1),), segments=(), retention=False
)
SHAPES = {
    "24 hourly windows": HOURLY,
    "24 hourly windows, 3 scenes": replace(HOURLY, segments=("scene",)),
    "1,440 windows of a minute, 24 hours, a day": AgentSettings(segments=(), retention=False),
    "1,440 windows of a minute, 24 hours, a day, 3 scenes": AgentSettings(retention=False),
}
REPEATS = 3


def run() -> Iterator[Measurement]:
    """Yield the times of the agent's cycles over the day."""
    with node() as made:
        seconds = made.load(DAY.actions())
        yield Measurement("events indexed (1,050,000)", seconds, "s")
        joined = agent(made, HOURLY, "once")
        yield at_most("join of 50,000 clicks, 24 hourly windows x 3 versions", cycle_seconds(joined), "s", 15)
        yield at_most("the same, memory of the agent", joined.mib, "MiB", 200)
        yield from whole_days(made)


def whole_days(made: Node) -> Iterable[Measurement]:
    """Yield what it costs to compute the joined day from nothing, for several sets of windows."""
    for number, (shape, settings) in enumerate(SHAPES.items()):
        runs = []
        for _ in range(REPEATS if not number else 1):
            made.delete(RESULTS)
            runs.append(agent(made, settings, "once"))
        best = min(runs, key=cycle_seconds)
        what = f"full day from indexed documents: {shape} x 3 versions"
        if number:
            yield Measurement(what, cycle_seconds(best), "s")
            yield Measurement("the same, memory of the agent", best.mib, "MiB")
        else:
            yield at_most(what, cycle_seconds(best), "s", 4)
            yield Measurement("the same, with the start of the process", best.seconds, "s")
            yield at_most("the same, memory of the agent", best.mib, "MiB", 200)
        documents, stored = made.size("model-performance-*")
        yield Measurement("the same, metrics documents", documents, "documents")
        yield Measurement("the same, stored", stored / MIB, "MiB")


def agent(made: Node, settings: AgentSettings, command: str) -> Run:
    """Return a finished `monitor-agent` over the day."""
    argv = [sys.executable, "-m", "monitor_agent", command, "--now", NOW.isoformat()]
    if command == "backfill":
        argv += ["--from", FIRST_DAY.isoformat(), "--to", DAY.end.isoformat()]
    return measured(argv, environment_of(made.settings) | environment_of(settings))


def cycle_seconds(finished: Run) -> float:
    """Return how long the agent says that its cycle took, without the start of the process."""
    (said,) = [line["seconds"] for line in finished.log if "requests" in line]
    return float(str(said))
