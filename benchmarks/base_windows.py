"""The cost of small base windows, in time and storage: a day of windows of a minute, of five, and of an hour."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta

from benchmarks.measurement import Measurement
from benchmarks.rig.node import RESULTS, Node, running_node
from benchmarks.rig.process import measured
from benchmarks.rig.traffic import SCENES, VERSIONS, Traffic
from monitor_agent.durations import format_duration
from monitor_agent.settings import AgentSettings, environment_of

A_MINUTE = (20, 200)
BASES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1))
GROUPS = (len(VERSIONS) + 1) * (len(SCENES) + 1)
"""Each version and all together, times each segment and all together."""


def run() -> Iterator[Measurement]:
    """Yield documents, bytes and seconds a day, for each version and segment value."""
    for rate in A_MINUTE:
        day = Traffic(rate * 1440, clicks=rate * 72)
        with running_node() as node:
            node.load(day.actions())
            for number, base in enumerate(BASES):
                yield from _cost(node, day, rate, base, joined=number > 0)


def _cost(node: Node, day: Traffic, rate: int, base: timedelta, *, joined: bool) -> Iterator[Measurement]:
    larger = tuple(size for size in (timedelta(hours=1), timedelta(days=1)) if size > base)
    settings = AgentSettings(base_window=base, larger_windows=larger, retention=False)
    command = [sys.executable, "-m", "monitor_agent", "once", "--now", (day.end + timedelta(hours=1)).isoformat()]
    environ = environment_of(node.settings) | environment_of(settings)
    node.use(settings)
    if not joined:
        measured(command, environ)
    node.delete(RESULTS)
    done = measured(command, environ)
    (seconds,) = [float(str(line["seconds"])) for line in done.log if "requests" in line]
    documents, stored = node.size("model-performance-*")
    subject = f"{rate} predictions a minute, base windows of {format_duration(base)}"
    yield Measurement(f"{subject}: documents a day, version and segment value", documents / GROUPS, "documents")
    yield Measurement(f"{subject}: stored for them", stored / GROUPS / 1024, "KiB")
    yield Measurement(f"{subject}: all {GROUPS} groups computed anew", seconds, "s a day")
