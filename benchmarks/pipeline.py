"""The pipeline: its speed to a stand-in, from file to file and into a real node, its memory, start and delay.

BENCH_SCALE=0.1 makes everything a tenth as large, also the backlog of 2 GiB.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measurement import Measurement, at_least, at_most
from benchmarks.rig.acknowledger import Acknowledger
from benchmarks.rig.process import MIB
from benchmarks.rig.runner_process import PIPELINE, ROOT, Cost, run_until
from benchmarks.rig.workspace import Workspace, temporary_workspace

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
EVENTS = int(200_000 * SCALE)
BACKLOG_BYTES = int(2048 * MIB * SCALE)
BLOCK_BYTES = 64 * MIB
ROUNDS = 3
FILE_TO_FILE = ROOT / "benchmarks/rig/file_to_file.conf"


def run() -> Iterator[Measurement]:
    """Yield the figures that need no Elasticsearch."""
    with temporary_workspace(EVENTS) as workspace:
        yield from _to_a_stand_in(workspace)
        yield from _file_to_file(workspace)
    yield _start()
    yield from _backlog()


def _to_a_stand_in(workspace: Workspace) -> Iterator[Measurement]:
    without_positions = _without_positions(workspace.folder)
    durable: list[Cost] = []
    in_memory: list[Cost] = []
    for _ in range(ROUNDS):
        with Acknowledger().serving() as server:
            durable.append(run_until(PIPELINE, workspace.environ(server.url), workspace.delivered))
        with Acknowledger().serving() as server:
            environ = workspace.environ(server.url)
            in_memory.append(run_until(without_positions, environ, partial(_has, server, workspace.count)))
    fastest = min(durable, key=lambda cost: cost.cpu_seconds)
    subject = f"files to a stand-in that acknowledges, {workspace.size / workspace.count:,.0f} bytes an event"
    yield at_least(subject, workspace.count / fastest.cpu_seconds, "events/s of one core", 17_000)
    ratio = min(cost.seconds for cost in in_memory) / min(cost.seconds for cost in durable)
    yield at_least("the same, against positions that are kept in memory only", ratio, "of its speed", 0.9)
    ratio = min(cost.cpu_seconds for cost in in_memory) / fastest.cpu_seconds
    yield Measurement("the same, by processor time", ratio, "of its speed")


def _has(server: Acknowledger, count: int) -> bool:
    return server.documents >= count


def _without_positions(folder: Path) -> Path:
    """Return the product's pipeline, except that it keeps no position on disk."""
    target = folder / "without-positions"
    target.mkdir()
    for path in PIPELINE.glob("*.conf"):
        text = path.read_text(encoding="utf-8")
        text = text.replace('"${PIPELINE_DATA_DIR}/model_server_log"', '"/dev/null"')
        (target / path.name).write_text(text, encoding="utf-8")
    return target


def _file_to_file(workspace: Workspace) -> Iterator[Measurement]:
    costs = [run_until(FILE_TO_FILE, workspace.environ(""), workspace.delivered) for _ in range(ROUNDS)]
    subject = "file to file through date, mutate and fingerprint"
    yield at_least(subject, workspace.count / min(cost.seconds for cost in costs), "events/s", 13_000)
    yield Measurement(
        "the same, without waiting for processors",
        workspace.count / min(cost.cpu_seconds for cost in costs),
        "events/s",
    )


def _start() -> Measurement:
    seconds = []
    with temporary_workspace(1, files=1) as workspace:
        for _ in range(5):
            with Acknowledger().serving() as server:
                cost = run_until(PIPELINE, workspace.environ(server.url), workspace.delivered)
                seconds.append(cost.ready_seconds + cost.seconds)
    return at_most("start of the runner, until a line is delivered", statistics.median(seconds), "s", 1)


def _backlog() -> Iterator[Measurement]:
    """Yield the memory of the runner while it catches up."""
    with temporary_workspace(BLOCK_BYTES // 1305, files=1) as workspace, Acknowledger().serving() as server:
        (block,) = workspace.logs.iterdir()
        for number in range(1, max(2, BACKLOG_BYTES // workspace.size)):
            shutil.copy(block, workspace.logs / f"copy-{number}.ndjson")
        workspace.size = sum(path.stat().st_size for path in workspace.logs.iterdir())
        cost = run_until(PIPELINE, workspace.environ(server.url), workspace.delivered)
    quarter = len(cost.mib) // 4
    subject = f"memory while catching up with {workspace.size / MIB:,.0f} MiB"
    yield at_most(subject, max(cost.mib), "MiB", 150)
    growth = max(cost.mib[-quarter:]) - max(cost.mib[quarter : 2 * quarter])
    yield at_most("the same, growth from the second quarter of the time to the last", growth, "MiB", 10)
