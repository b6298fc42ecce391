"""The pipeline into a real node: its speed against `parallel_bulk`, and the delay until a line can be searched.

BENCH_SCALE=0.1 makes it a tenth as large.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import BinaryIO

import numpy as np
import orjson
from elasticsearch import ApiError

from benchmarks.measurement import Measurement, at_least, at_most
from benchmarks.rig.event_files import event
from benchmarks.rig.node import EVENTS as INDICES
from benchmarks.rig.node import Node, running_node
from benchmarks.rig.process import measured
from benchmarks.rig.runner_process import PIPELINE, run_until, spawn, stop
from benchmarks.rig.stored_lines import stored_lines
from benchmarks.rig.workspace import Workspace, temporary_workspace
from monitor_agent.contracts import uuid7

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
EVENTS = int(100_000 * SCALE)
LINES = int(300 * SCALE)
ROUNDS = 3
BETWEEN_SECONDS = 0.1
POLL_SECONDS = 0.02


def run() -> Iterator[Measurement]:
    """Yield the figures of one node."""
    with running_node() as node:
        with temporary_workspace(EVENTS, files=1) as workspace:
            yield from _speed(node, workspace)
        with temporary_workspace(0, files=1) as workspace:
            yield from _delay(node, workspace)


def _speed(node: Node, workspace: Workspace) -> Iterator[Measurement]:
    """Yield the speeds of both ways; the first round does not count: the node compiles its own code in it."""
    ready = workspace.folder / "ready.ndjson"
    runner_seconds: list[float] = []
    bulk_seconds: list[float] = []
    for _ in range(ROUNDS + 1):
        node.delete(INDICES)
        environ = workspace.environ(node.settings.url[0], node.users["pipeline_writer"])
        runner_seconds.append(run_until(PIPELINE, environ, workspace.delivered).seconds)
        if not ready.exists():
            ready.write_bytes(b"".join(stored_lines(node)))
        node.delete(INDICES)
        done = measured([sys.executable, "-m", "benchmarks.rig.parallel_bulk", str(ready)], environ)
        bulk_seconds.append(float(done.output))
    yield Measurement("files to a node", workspace.count / min(runner_seconds[1:]), "events/s")
    yield Measurement("parallel_bulk of the same documents", workspace.count / min(bulk_seconds[1:]), "events/s")
    yield at_least(
        "the first divided by the second", min(bulk_seconds[1:]) / min(runner_seconds[1:]), "of its speed", 0.85
    )


def _delay(node: Node, workspace: Workspace) -> Iterator[Measurement]:
    """Yield the time from the writing of a line to the first search that finds it."""
    node.delete(INDICES)
    process = spawn(PIPELINE, workspace.environ(node.settings.url[0], node.users["pipeline_writer"]))
    try:
        with (workspace.logs / "events-0.ndjson").open("ab") as stream:
            _search_delays(node, stream, 3)  # the first lines create the index
            seconds = _search_delays(node, stream, LINES)
    finally:
        stop(process)
    yield Measurement("from a written line to a searchable document, median", float(np.median(seconds)), "s")
    yield at_most("the same, 99 of 100 lines", float(np.percentile(seconds, 99)), "s", 2)


def _search_delays(node: Node, stream: BinaryIO, count: int) -> list[float]:
    """Write lines one after another, and search for them; return the seconds until a search finds each line."""
    written: dict[str, float] = {}
    searchable: dict[str, float] = {}
    due = time.monotonic()
    while len(searchable) < count:
        now = time.monotonic()
        if now >= due and len(written) < count:
            moment = datetime.now(timezone.utc)
            identifier = uuid7.make(moment)
            line = orjson.dumps(event(len(written), identifier, f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z", 0.5))
            stream.write(line + b"\n")
            stream.flush()
            written[identifier] = now
            due = now + BETWEEN_SECONDS
        for identifier in _present(node, written.keys() - searchable.keys()):
            searchable[identifier] = time.monotonic()
        time.sleep(POLL_SECONDS)
    return [searchable[identifier] - moment for identifier, moment in written.items()]


def _present(node: Node, ids: set[str]) -> list[str]:
    """Return the ids that a search finds."""
    if not ids:
        return []
    query = {"terms": {"event.id": sorted(ids)}}
    try:
        answer = node.admin.search(index=INDICES, query=query, size=len(ids), source=False, ignore_unavailable=True)
    except ApiError:  # the shard of a new index is not ready yet
        return []
    return [hit["_id"] for hit in answer["hits"]["hits"]]
