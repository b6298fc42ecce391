"""Ten million predictions beside one million: the time of a backfill and the memory of the agent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta

from benchmarks.agent_day import HOURLY, cycle_seconds
from benchmarks.measurement import Measurement, at_most
from benchmarks.rig.node import EVENTS, RESULTS, Node, node
from benchmarks.rig.process import Run, measured
from benchmarks.rig.traffic import FIRST_DAY, Traffic
from monitor_agent.settings import environment_of

DAYS = 10


def run() -> Iterator[Measurement]:
    """Yield backfills over one day and over ten, each day of a million predictions and 50 thousand clicks."""
    with node() as made:
        one, ten = (backfill(made, days) for days in (1, DAYS))
    yield Measurement("backfill of 1,000,000 predictions, joins included", cycle_seconds(one), "s")
    yield Measurement("backfill of 10,000,000 predictions", cycle_seconds(ten), "s")
    yield at_most("the one by the other", cycle_seconds(ten) / cycle_seconds(one), "x", 11)
    yield Measurement("memory of the agent over 1,000,000", one.mib, "MiB")
    yield Measurement("memory of the agent over 10,000,000", ten.mib, "MiB")
    yield at_most("the one by the other", ten.mib / one.mib, "x", 1.2)


def backfill(made: Node, days: int) -> Run:
    """Return the agent that joined and computed so many new days."""
    for pattern in (EVENTS, RESULTS):
        made.delete(pattern)
    for day in range(days):
        first = FIRST_DAY + timedelta(days=day)
        made.load(Traffic(1_000_000, clicks=50_000, seed=1 + 10 * day, first=first).actions())
    end = FIRST_DAY + timedelta(days=days)
    argv = [sys.executable, "-m", "monitor_agent", "backfill", "--from", FIRST_DAY.isoformat(), "--to", end.isoformat()]
    argv += ["--now", (end + timedelta(hours=1)).isoformat()]
    return measured(argv, environment_of(made.settings) | environment_of(HOURLY))
