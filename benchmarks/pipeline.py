"""The pipeline: its speed to a stand-in, from file to file and into a real node, its memory, start and delay.

BENCH_SCALE=0.1 makes everything a tenth as large, also the backlog of 2 GiB.

`python -m benchmarks pipeline --against COMMIT` runs another commit in turn with this source tree: each has its own
runner and its own configuration, and both read the same files. The processor time of an event is the figure to trust,
because it depends least on what else the machine does; compare the smallest values.
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
from benchmarks.rig.older_source import source_tree
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


def compare(commit: str) -> Iterator[Measurement]:
    """Yield the figures of a commit and of this source tree, measured in turn."""
    costs: dict[str, list[Cost]] = {commit: [], "now": []}
    with source_tree(commit) as tree, temporary_workspace(EVENTS) as workspace:
        for _ in range(ROUNDS):
            for name, root in ((commit, tree), ("now", ROOT)):
                costs[name].append(_deliver(workspace, root))
    for name, runs in costs.items():
        yield from _figures(name, runs, workspace.count)
    yield at_least(
        "speed of one core, now against then", _ratio(costs[commit], costs["now"], "cpu_seconds"), "of it", 0.8
    )
    yield Measurement("events in a second, now against then", _ratio(costs[commit], costs["now"], "seconds"), "of it")
    fastest = min(cost.cpu_seconds for cost in costs["now"])
    yield at_least("files to a stand-in that acknowledges", workspace.count / fastest, "events/s of one core", 17_000)
    yield at_most("start, until it reads", min(cost.ready_seconds for cost in costs["now"]), "s", 1)


def _deliver(workspace: Workspace, root: Path) -> Cost:
    """Deliver all files by the runner and the configuration of a source tree.

    Raises
    ------
    RuntimeError
        If an event became a dead letter: then the two do not do the same work.
    """
    with Acknowledger().serving() as server:
        cost = run_until(root / "logstash/pipeline", workspace.environ(server.url), workspace.delivered, root)
        if server.dead_letters:
            raise RuntimeError(f"{root} made {server.dead_letters} dead letters of {workspace.count} events")
    return cost


def _figures(name: str, runs: list[Cost], count: int) -> Iterator[Measurement]:
    for subject, values, unit in (
        ("processor time of an event", [cost.cpu_seconds / count * 1e6 for cost in runs], "µs"),
        ("time of an event", [cost.seconds / count * 1e6 for cost in runs], "µs"),
        ("start, until it reads", [cost.ready_seconds for cost in runs], "s"),
        ("memory at most", [max(cost.mib) for cost in runs], "MiB"),
    ):
        yield Measurement(f"{name}: {subject}, smallest of {len(runs)}", min(values), unit)
        yield Measurement(f"{name}: {subject}, median", statistics.median(values), unit)


def _ratio(before: list[Cost], after: list[Cost], field: str) -> float:
    return min(getattr(cost, field) for cost in before) / min(getattr(cost, field) for cost in after)


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
