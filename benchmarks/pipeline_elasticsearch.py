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
from benchmarks.rig.node import Node, node
from benchmarks.rig.process import measured
from benchmarks.rig.runner_process import PIPELINE, run_until, spawn, stop
from benchmarks.rig.workspace import Workspace, workspace
from monitor_agent.contracts import uuid7
from monitor_agent.contracts.prediction import PREDICTIONS

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
EVENTS = int(100_000 * SCALE)
LINES = int(300 * SCALE)
ROUNDS = 3
BETWEEN_SECONDS = 0.1
LOOK_SECONDS = 0.02


def run() -> Iterator[Measurement]:
    """Yield the figures of one node."""
    with node() as made:
        with workspace(EVENTS, files=1) as place:
            yield from _speed(made, place)
        with workspace(0, files=1) as place:
            yield from _delay(made, place)


def _speed(made: Node, place: Workspace) -> Iterator[Measurement]:
    """Yield the speeds of both ways; the first round, in which the node's own code is compiled, does not count."""
    ready = place.folder / "ready.ndjson"
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS + 1):
        made.delete(INDICES)
        environ = place.environ(made.settings.url[0], made.users["pipeline_writer"])
        ours.append(run_until(PIPELINE, environ, place.delivered).seconds)
        if not ready.exists():
            ready.write_bytes(b"".join(_indexed(made)))
        made.delete(INDICES)
        done = measured([sys.executable, "-m", "benchmarks.rig.parallel_bulk", str(ready)], environ)
        theirs.append(float(done.output))
    yield Measurement("files to a node", place.count / min(ours[1:]), "events/s")
    yield Measurement("parallel_bulk of the same documents", place.count / min(theirs[1:]), "events/s")
    yield at_least("the one against the other", min(theirs[1:]) / min(ours[1:]), "of its speed", 0.85)


def _indexed(made: Node) -> Iterator[bytes]:
    """Yield every document that the pipeline has made, as a line."""
    made.admin.indices.refresh(index=INDICES)
    after: list[object] | None = None
    while True:
        hits = made.admin.search(
            index=PREDICTIONS.alias, size=5000, sort=["@timestamp", "event.sequence"], search_after=after
        )["hits"]["hits"]
        if not hits:
            return
        yield from (orjson.dumps(hit["_source"]) + b"\n" for hit in hits)
        after = hits[-1]["sort"]


def _delay(made: Node, place: Workspace) -> Iterator[Measurement]:
    """Yield the time from the writing of a line to the first search that finds it."""
    made.delete(INDICES)
    process = spawn(PIPELINE, place.environ(made.settings.url[0], made.users["pipeline_writer"]))
    try:
        with (place.logs / "events-0.ndjson").open("ab") as stream:
            _written_and_found(made, stream, 3)  # the index is made
            seconds = _written_and_found(made, stream, LINES)
    finally:
        stop(process)
    yield Measurement("from a written line to a document that is found, median", float(np.median(seconds)), "s")
    yield at_most("the same, 99 of 100 lines", float(np.percentile(seconds, 99)), "s", 2)


def _written_and_found(made: Node, stream: BinaryIO, count: int) -> list[float]:
    """Write lines one after another, searching all the while; return the seconds that each took to be found."""
    written: dict[str, float] = {}
    found: dict[str, float] = {}
    due = time.monotonic()
    while len(found) < count:
        now = time.monotonic()
        if now >= due and len(written) < count:
            moment = datetime.now(timezone.utc)
            identifier = uuid7.make(moment)
            line = orjson.dumps(event(len(written), identifier, f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z", 0.5))
            stream.write(line + b"\n")
            stream.flush()
            written[identifier] = now
            due = now + BETWEEN_SECONDS
        for identifier in _present(made, written.keys() - found.keys()):
            found[identifier] = time.monotonic()
        time.sleep(LOOK_SECONDS)
    return [found[identifier] - moment for identifier, moment in written.items()]


def _present(made: Node, wanted: set[str]) -> list[str]:
    """Return which of the events a search finds."""
    if not wanted:
        return []
    query = {"terms": {"event.id": sorted(wanted)}}
    try:
        found = made.admin.search(index=INDICES, query=query, size=len(wanted), source=False, ignore_unavailable=True)
    except ApiError:  # the shard of an index that was just made is not there yet
        return []
    return [hit["_id"] for hit in found["hits"]["hits"]]
