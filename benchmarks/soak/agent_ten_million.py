"""Ten million predictions compared with one million: the time of a backfill and the memory of the agent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta

from benchmarks.agent_day import HOURLY, cycle_seconds
from benchmarks.measurement import Measurement, at_most
from benchmarks.rig.node import EVENTS, RESULTS, Node, running_node
from benchmarks.rig.process import Run, measured
from benchmarks.rig.traffic import FIRST_DAY, Traffic
from monitor_agent.settings import environment_of

DAYS = 10


def run() -> Iterator[Measurement]:
    """Yield backfills over one day and over ten, each day of a million predictions and 50 thousand clicks."""
    with running_node() as node:
        million, ten_million = (backfill(node, days) for days in (1, DAYS))
    yield Measurement("backfill of 1,000,000 predictions, joins included", cycle_seconds(million), "s")
    yield Measurement("backfill of 10,000,000 predictions", cycle_seconds(ten_million), "s")
    yield at_most("the second divided by the first", cycle_seconds(ten_million) / cycle_seconds(million), "x", 11)
    yield Measurement("memory of the agent over 1,000,000", million.mib, "MiB")
    yield Measurement("memory of the agent over 10,000,000", ten_million.mib, "MiB")
    yield at_most("the second divided by the first", ten_million.mib / million.mib, "x", 1.2)


def backfill(node: Node, days: int) -> Run:
    """Return the process that joined and computed that many new days."""
    for pattern in (EVENTS, RESULTS):
        node.delete(pattern)
    for day in range(days):
        first = FIRST_DAY + timedelta(days=day)
        node.load(Traffic(1_000_000, clicks=50_000, seed=1 + 10 * day, first=first).actions())
    end = FIRST_DAY + timedelta(days=days)
    argv = [sys.executable, "-m", "monitor_agent", "backfill", "--from", FIRST_DAY.isoformat(), "--to", end.isoformat()]
    argv += ["--now", (end + timedelta(hours=1)).isoformat()]
    return measured(argv, environment_of(node.settings) | environment_of(HOURLY))
