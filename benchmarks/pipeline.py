"""The pipeline: its speed to a stand-in, from file to file and into a real node, its memory, start and delay.

BENCH_SCALE=0.1 makes everything a tenth as large, the backlog of 2 GiB included; ratios stay ratios.
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
from benchmarks.rig.workspace import Workspace, workspace

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
EVENTS = int(200_000 * SCALE)
BACKLOG_BYTES = int(2048 * MIB * SCALE)
BLOCK_BYTES = 64 * MIB
ROUNDS = 3
FILE_TO_FILE = ROOT / "benchmarks/rig/file_to_file.conf"


def run() -> Iterator[Measurement]:
    """Yield the pipeline's figures that need no Elasticsearch."""
    with workspace(EVENTS) as made:
        yield from _to_a_stand_in(made)
        yield from _file_to_file(made)
    yield _start()
    yield from _backlog()


def _to_a_stand_in(made: Workspace) -> Iterator[Measurement]:
    forgetful = _forgetful(made.folder)
    durable: list[Cost] = []
    others: list[Cost] = []
    for _ in range(ROUNDS):
        with Acknowledger().serving() as server:
            durable.append(run_until(PIPELINE, made.environ(server.url), made.delivered))
        with Acknowledger().serving() as server:
            environ = made.environ(server.url)
            others.append(run_until(forgetful, environ, partial(_has, server, made.count)))
    fastest = min(durable, key=lambda cost: cost.cpu_seconds)
    what = f"files to a stand-in that acknowledges, {made.size / made.count:,.0f} bytes an event"
    yield at_least(what, made.count / fastest.cpu_seconds, "events/s of one core", 17_000)
    ratio = min(cost.seconds for cost in others) / min(cost.seconds for cost in durable)
    yield at_least("the same, against positions that are kept in memory only", ratio, "of its speed", 0.9)
    ratio = min(cost.cpu_seconds for cost in others) / fastest.cpu_seconds
    yield Measurement("the same, by processor time", ratio, "of its speed")


def _has(server: Acknowledger, count: int) -> bool:
    return server.documents >= count


def _forgetful(folder: Path) -> Path:
    """Return the product's pipeline, except that it keeps no position on disk."""
    target = folder / "forgetful"
    target.mkdir()
    for path in PIPELINE.glob("*.conf"):
        text = path.read_text(encoding="utf-8")
        text = text.replace('"${PIPELINE_DATA_DIR}/model_server_log"', '"/dev/null"')
        (target / path.name).write_text(text, encoding="utf-8")
    return target


def _file_to_file(made: Workspace) -> Iterator[Measurement]:
    costs = [run_until(FILE_TO_FILE, made.environ(""), made.delivered) for _ in range(ROUNDS)]
    what = "file to file through date, mutate and fingerprint"
    yield at_least(what, made.count / min(cost.seconds for cost in costs), "events/s", 13_000)
    yield Measurement(
        "the same, without waiting for processors", made.count / min(cost.cpu_seconds for cost in costs), "events/s"
    )


def _start() -> Measurement:
    seconds = []
    with workspace(1, files=1) as made:
        for _ in range(5):
            with Acknowledger().serving() as server:
                cost = run_until(PIPELINE, made.environ(server.url), made.delivered)
                seconds.append(cost.ready_seconds + cost.seconds)
    return at_most("start of the runner, until a line is delivered", statistics.median(seconds), "s", 1)


def _backlog() -> Iterator[Measurement]:
    """Yield the memory of the runner while it catches up."""
    with workspace(BLOCK_BYTES // 1305, files=1) as made, Acknowledger().serving() as server:
        (block,) = made.logs.iterdir()
        for number in range(1, max(2, BACKLOG_BYTES // made.size)):
            shutil.copy(block, made.logs / f"copy-{number}.ndjson")
        made.size = sum(path.stat().st_size for path in made.logs.iterdir())
        cost = run_until(PIPELINE, made.environ(server.url), made.delivered)
    quarter = len(cost.mib) // 4
    what = f"memory while catching up with {made.size / MIB:,.0f} MiB"
    yield at_most(what, max(cost.mib), "MiB", 150)
    growth = max(cost.mib[-quarter:]) - max(cost.mib[quarter : 2 * quarter])
    yield at_most("the same, growth from the second quarter of the time to the last", growth, "MiB", 10)
