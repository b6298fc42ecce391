"""A table of a million rows, imported: its time against bulk-indexing the same documents, its labels, its memory.

`python -m benchmarks import`; BENCH_SCALE=0.1 makes everything a tenth as large.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson

from benchmarks.agent_day import HOURLY
from benchmarks.measurement import Measurement, at_most
from benchmarks.rig.node import EVENTS, RESULTS, Node, running_node
from benchmarks.rig.process import Run, measured
from benchmarks.rig.runner_process import PIPELINE, run_until
from benchmarks.rig.stored_lines import stored_lines
from benchmarks.rig.tables import write_label_lines, write_labels, write_rows
from benchmarks.rig.traffic import FIRST_DAY, MODEL, Traffic
from benchmarks.rig.workspace import Workspace, temporary_workspace
from monitor_agent.settings import environment_of

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
FEW = Traffic(int(100_000 * SCALE), clicks=int(5_000 * SCALE), seed=2, first=FIRST_DAY - timedelta(days=2))
"""A smaller day, which the node works on first: Java compiles the code that it runs often, as in production."""
MANY = Traffic(int(1_000_000 * SCALE), clicks=int(50_000 * SCALE))
LABELLED = Traffic(int(200_000 * SCALE), clicks=int(50_000 * SCALE), seed=3)
SLOWER = 2.5
GROWTH = 1.25
"""How much more memory ten times as many rows may take: the node of a longer run compiles and caches more."""


def run() -> Iterator[Measurement]:
    """Yield the figures of one node."""
    with running_node() as node, temporary_workspace(0, files=1) as workspace:
        node.use(HOURLY)
        few = _rows(node, workspace, FEW)
        _bulk(node, workspace)
        yield Measurement(f"import of {FEW.predictions:,} rows, memory", few.mib, "MiB")
        before = node.cpu_seconds
        many = _rows(node, workspace, MANY)
        spent = many.cpu_seconds + node.cpu_seconds - before
        subject = f"import of {MANY.predictions:,} rows of Parquet, label in the row, with 24 hourly windows"
        yield Measurement(subject, many.seconds, "s")
        yield Measurement("the same", MANY.predictions / many.seconds, "rows/s")
        yield Measurement("the same without the computation", delivery_seconds(many), "s")
        yield at_most("the same, memory against that of a tenth of the rows", many.mib / few.mib, "x", GROWTH)
        bulk, bulk_spent = _bulk(node, workspace)
        yield Measurement("parallel_bulk of the same documents", bulk, "s")
        yield at_most("the import divided by parallel_bulk", many.seconds / bulk, "x", SLOWER)
        yield Measurement("the same in processor time, node included", spent / bulk_spent, "x")
        joined = _joined(node, workspace)
        labels = _labels(node, workspace)
        microseconds = 1e6 / LABELLED.clicks
        yield Measurement("a label of a second file, with its join", labels.seconds * microseconds, "us")
        yield Measurement("a click that the pipeline delivers, with its join", joined * microseconds, "us")
        yield at_most("the first divided by the second", labels.seconds / joined, "x", 1)


def delivery_seconds(done: Run) -> float:
    """Return the seconds of an import until Elasticsearch had acknowledged all rows."""
    report = orjson.loads(done.output)
    return float(report["seconds"]) - float(report["computed_seconds"])


def _environ(node: Node, workspace: Workspace) -> dict[str, str]:
    return {
        **workspace.environ(node.settings.url[0], node.users["pipeline_writer"]),
        **environment_of(node.settings),
        **environment_of(HOURLY),
    }


def _import(node: Node, workspace: Workspace, path: Path, columns: str) -> Run:
    command = [sys.executable, "-m", "monitor_agent", "import", str(path), "--model", MODEL, "--version", "1"]
    run = measured([*command, "--map", columns, "--json"], _environ(node, workspace))
    if orjson.loads(run.output)["refused"]:
        raise RuntimeError(f"rows were refused: {run.output}")
    return run


def _rows(node: Node, workspace: Workspace, traffic: Traffic) -> Run:
    """Return the import of a table into an empty node."""
    _empty(node)
    path, columns = write_rows(workspace.folder / "rows.parquet", traffic)
    return _import(node, workspace, path, columns)


def _bulk(node: Node, workspace: Workspace) -> tuple[float, float]:
    """Return the seconds in which the client indexes the documents that are in the node, after they are deleted.

    The second number is the processor time of client and node; the client also reads the file in it.
    """
    path = workspace.folder / "documents.ndjson"
    with path.open("wb") as stream:
        stream.writelines(stored_lines(node))
    _empty(node)
    command = [sys.executable, "-m", "benchmarks.rig.parallel_bulk", str(path)]
    before = node.cpu_seconds
    done = measured(command, _environ(node, workspace))
    return float(done.output), done.cpu_seconds + node.cpu_seconds - before


def _joined(node: Node, workspace: Workspace) -> float:
    """Return the seconds in which the pipeline delivers clicks and the agent joins them."""
    _computed(node, workspace)
    workspace.size = write_label_lines(workspace.logs / "clicks.ndjson", LABELLED)
    environ = _environ(node, workspace)
    delivered = run_until(PIPELINE, environ, workspace.delivered).seconds
    (workspace.logs / "clicks.ndjson").unlink()
    return delivered + _cycle(environ)


def _labels(node: Node, workspace: Workspace) -> Run:
    """Return the import of the same labels as a table."""
    _computed(node, workspace)
    path, columns = write_labels(workspace.folder / "labels.parquet", LABELLED)
    return _import(node, workspace, path, columns)


def _computed(node: Node, workspace: Workspace) -> None:
    """Let the node hold predictions without labels, and their windows."""
    _empty(node)
    node.load(action for action in LABELLED.actions() if action.index.startswith("model-predictions"))
    _cycle(_environ(node, workspace))


def _cycle(environ: dict[str, str]) -> float:
    """Return the seconds of a cycle of the agent after the day, with the start of its process."""
    started = time.monotonic()
    now = (LABELLED.end + timedelta(hours=1)).isoformat()
    measured([sys.executable, "-m", "monitor_agent", "once", "--now", now], environ)
    return time.monotonic() - started


def _empty(node: Node) -> None:
    for pattern in (EVENTS, RESULTS):
        node.delete(pattern)
