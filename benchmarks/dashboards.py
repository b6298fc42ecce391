"""The viewer's pages: a fortnight of 300,000 predictions, 400 days of hourly windows of ten models, twenty readers.

`python -m benchmarks dashboards`; BENCH_SCALE=0.1 makes all data a tenth as large. A real Chromium opens the pages.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode

import orjson
from elasticsearch import helpers

from benchmarks.measurement import Measurement, at_most
from benchmarks.rig.node import EVENTS, RESULTS, Node, running_node
from benchmarks.rig.page_times import answer_seconds, answers_to_readers, data_address, page_times, running_browser
from benchmarks.rig.traffic import FIRST_DAY, MODEL, Action, Traffic
from monitor_agent.agent.cycle import Agent
from monitor_agent.clock import FixedClock
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE
from monitor_agent.dashboards.library import read_library
from monitor_agent.dashboards.shared_answers import SHARED_SECONDS
from monitor_agent.files import read_address
from monitor_agent.pipeline import instants
from monitor_agent.settings import AgentSettings, environment_of
from monitor_agent.stack.process import ChildProcess, Command

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
FORTNIGHT = Traffic(int(300_000 * SCALE), clicks=int(45_000 * SCALE), span=timedelta(days=14))
HOURLY = AgentSettings(base_window=timedelta(hours=1), larger_windows=(timedelta(days=1),), retention=False)
DAYS, MODELS = max(int(400 * SCALE), 2), 10
READERS, ROUNDS = 20, 5
DASHBOARDS = tuple(read_library(Path("kibana")).dashboards)
FIRST_PAINT, COMPLETE, ANSWER, ALL_READERS = 0.5, 2.0, 1.5, 3.0
"""The bars, in seconds."""
WARM_UPS, REPEATS = 2, 3
READY_SECONDS = 60.0


def run() -> Iterator[Measurement]:
    """Yield the times of the pages, of the answers over a long time, and of the answers to many readers."""
    with running_node() as node:
        node.use(HOURLY)
        node.load(FORTNIGHT.actions())
        with contextlib.closing(node.gateway()) as gateway:
            agent = Agent(gateway, HOURLY, FixedClock(FORTNIGHT.end + timedelta(hours=1)))
            agent.backfill(FIRST_DAY, FORTNIGHT.end)
            agent.cycle()
        with running_viewer(node) as viewer:
            yield from _pages(viewer)
            yield from _readers(viewer)
        count = node_of_years(node)
        with running_viewer(node) as viewer:
            yield from _answers(viewer, count)


@contextlib.contextmanager
def running_viewer(node: Node) -> Iterator[str]:
    """Yield the address of a viewer of a node."""
    reached = {**environment_of(node.settings), "ELASTICSEARCH_USERNAME": "viewer"}
    reached["ELASTICSEARCH_PASSWORD"] = node.users["viewer"]
    with tempfile.TemporaryDirectory(prefix="model-monitor-viewer-") as folder:
        address = Path(folder) / "address"
        argv = [sys.executable, "-m", "monitor_agent", "dashboards", "--port", "0", "--address-file", str(address)]
        process = ChildProcess(Command("viewer", argv, Path(folder) / "log", {**os.environ, **reached}))
        process.start()
        try:
            process.wait_ready(address.exists, READY_SECONDS)
            yield read_address(address)
        finally:
            process.stop()


def _query(start: datetime, end: datetime, **further: str) -> dict[str, str]:
    return {"from": instants.text(start), "to": instants.text(end), **further}


def _pages(viewer: str) -> Iterator[Measurement]:
    ends = (FORTNIGHT.end + timedelta(minutes=number) for number in range(WARM_UPS + REPEATS + 1))
    queries = [urlencode(_query(FORTNIGHT.first, end, refresh="0")) for end in ends]
    with running_browser() as browser:
        for name in DASHBOARDS:
            # Each asks for another range, so that none is an earlier answer.
            addresses = [f"{viewer}/dashboards/{name}?{query}" for query in queries]
            times = [page_times(browser, *pair) for pair in pairwise(addresses)][WARM_UPS:]
            subject = f"{name}, 14 days of {FORTNIGHT.predictions:,} predictions"
            yield at_most(f"{subject}: first paint", median(row.first_paint for row in times), "s", FIRST_PAINT)
            yield at_most("the same: all panels", median(row.complete for row in times), "s", COMPLETE)


def _readers(viewer: str) -> Iterator[Measurement]:
    """Yield the time of an answer when readers open dashboards at the same moment, some of them the same."""
    choice, seconds = random.Random(1), []
    for number in range(ROUNDS):
        query = _query(FORTNIGHT.first, FORTNIGHT.end + timedelta(minutes=number))
        readers = [[data_address(viewer, choice.choice(DASHBOARDS), query)] for _ in range(READERS)]
        seconds += answers_to_readers(readers)
        time.sleep(SHARED_SECONDS)
    yield Measurement(f"{READERS} readers at once: median of the answers", median(seconds), "s")
    yield at_most("the same: p95", quantiles(seconds, n=20)[-1], "s", ALL_READERS)


def node_of_years(node: Node) -> int:
    """Let the node hold the windows of a day of one version, copied to many days and models; return their number."""
    query = {
        "bool": {
            "filter": [
                {"term": {"segment": ALL_SEGMENT}},
                {"terms": {"model_version": ["1", ALL_VERSIONS]}},
                {"range": {"window_start": {"gte": FIRST_DAY.isoformat(), "lt": _after(1).isoformat()}}},
            ]
        }
    }
    windows = [hit["_source"] for hit in helpers.scan(node.admin, index=PERFORMANCE.pattern, query={"query": query})]
    for pattern in (EVENTS, RESULTS):
        node.delete(pattern)
    node.load(_copies(windows))
    node.admin.indices.refresh(index=PERFORMANCE.pattern)
    return len(windows) * DAYS * MODELS


def _after(days: int) -> datetime:
    return FIRST_DAY + timedelta(days=days)


def _copies(windows: list[dict[str, Any]]) -> Iterator[Action]:
    for day in range(DAYS):
        for number, window in enumerate(windows):
            moved = {**window, **_moved(window, day)}
            index = PERFORMANCE.index_for(instants.parse(moved["window_start"]))
            for model in range(MODELS):
                source = orjson.dumps({**moved, "model_name": f"{MODEL}-{model}"})
                yield Action(index, f"{day}-{number}-{model}", source)


def _moved(window: Mapping[str, Any], days: int) -> dict[str, str]:
    names = ("@timestamp", "window_start", "window_end")
    return {name: instants.text(instants.parse(window[name]) + timedelta(days=days)) for name in names}


def _answers(viewer: str, count: int) -> Iterator[Measurement]:
    """Yield the time of an answer over all days; each asks for another range, so that none is an earlier answer."""
    for name in DASHBOARDS:
        seconds = []
        for number in range(WARM_UPS + REPEATS):
            query = _query(FIRST_DAY, _after(DAYS) + timedelta(minutes=number))
            seconds.append(answer_seconds(data_address(viewer, name, query)))
        subject = f"{name}: an answer over {DAYS} days of {MODELS} models, {count:,} windows"
        yield at_most(subject, median(seconds[WARM_UPS:]), "s", ANSWER)
