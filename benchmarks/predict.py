"""`/predict` beside other model servers: requests a second, processor time, waiting times.

All servers are measured in turn, in one run: those of others (`benchmarks/rivals/serving.py`), each with the options of
its grid that are best for the work at hand. `BENCH_SCALE` scales the time of each measurement; below 1, the grids and
the rounds are few, too. A run of full length writes its figures into `docs/speed.md`. `--against COMMIT` measures the
server of an older commit instead. `python -m benchmarks.rivals.serving` makes environments and models beforehand.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.measurement import Measurement, at_least, at_most
from benchmarks.rig import click_models, http_load, predict_page
from benchmarks.rig.bare_signature import bare_signature
from benchmarks.rig.http_subject import RunningSubject, Subject, running, wrapped
from benchmarks.rig.older_source import source_tree
from benchmarks.rig.predict_figures import (
    BODIES,
    DEMO,
    MINILM,
    PRODUCT,
    SINGLES,
    WITHOUT_EVENTS,
    WORKS,
    Comparison,
    Figure,
    Key,
    Results,
    Work,
    comparisons,
)
from benchmarks.rig.runner_process import ROOT
from benchmarks.rivals.serving import RIVALS, ServingRival

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
IS_WHOLE = SCALE >= 1
ROUNDS = 5 if IS_WHOLE else 2
MOST_OPTIONS = None if IS_WHOLE else 2
TRIAL_SECONDS = 1.0
WARM_UP_SECONDS = 0.3
PAUSES_SECONDS = 6.0
ALTERED = "benchmarks.rig.altered_model_server"
PROBE = click_models.bodies(1)[0]
OUT = Path("var/bench")

Chosen = Mapping[str, Mapping[str, Subject]]
"""What to start for a server and a work."""


def run() -> Iterator[Measurement]:
    """Yield the figures of this source tree beside the servers of others."""
    figures: dict[Key, list[Figure]] = defaultdict(list)
    demo, minilm = click_models.demo(), click_models.minilm()
    chosen = {DEMO: _chosen(DEMO, demo), MINILM: _chosen(MINILM, minilm)}
    with tempfile.TemporaryDirectory() as folder, bare_signature(demo, Path(folder)) as bare:
        bare_rates: list[float] = []
        _rounds(DEMO, chosen[DEMO], figures, lambda: bare_rates.append(bare.rate(BODIES.seconds * SCALE)))
    _rounds(MINILM, chosen[MINILM], figures)
    options = {
        (model, work, server): subject.name
        for model, servers in chosen.items()
        for server, subjects in servers.items()
        for work, subject in subjects.items()
    }
    pause, full_pause = (_longest_pause(demo, alteration) for alteration in ("pauses", "full-collections"))
    results = Results(figures, options, bare_rates, pause, full_pause)
    rows = comparisons(results)
    predict_page.write(results, rows, OUT, ROOT / "docs" if IS_WHOLE else None)
    yield from _details(figures)
    yield Measurement("bare signature, bodies of 64, instances a second", median(bare_rates), "/s")
    yield Measurement("longest full collection of reference cycles under load", full_pause, "ms")
    yield from map(_measurement, rows)


def compare(commit: str) -> Iterator[Measurement]:
    """Yield the figures of a commit and of this source tree."""
    figures: dict[Key, list[Figure]] = defaultdict(list)
    with source_tree(commit) as tree:
        model = click_models.demo()
        chosen = {
            name: {work.name: _server(name, model, root) for work in WORKS[DEMO]}
            for name, root in ((commit, tree), (PRODUCT, ROOT))
        }
        _rounds(DEMO, chosen, figures)
    yield from _details(figures)
    for work in WORKS[DEMO]:
        pairs = list(zip(figures[DEMO, work.name, PRODUCT], figures[DEMO, work.name, commit], strict=True))
        rate, cpu = (
            median(now.rate / then.rate for now, then in pairs),
            median(now.cpu / then.cpu for now, then in pairs),
        )
        yield Measurement(f"{work.name}: rate, now against then", rate, "times")
        yield Measurement(f"{work.name}: processor time, now against then", cpu, "times")


def _chosen(name: str, model: Path) -> Chosen:
    """Return our server, and each rival with its best options for each work."""
    chosen: dict[str, Mapping[str, Subject]] = {PRODUCT: {work.name: _server(PRODUCT, model) for work in WORKS[name]}}
    if name == DEMO:
        altered = _server(WITHOUT_EVENTS, model, alteration="no-events")
        with _skipping(WITHOUT_EVENTS), running([altered], PROBE):
            chosen[WITHOUT_EVENTS] = {work.name: altered for work in (SINGLES, BODIES)}
    for rival in RIVALS:
        with _skipping(rival.name):
            chosen[rival.name] = _best(rival, name, model)
    return chosen


@contextlib.contextmanager
def _skipping(name: str) -> Iterator[None]:
    """Let the run go on without a server that cannot be installed or started."""
    try:
        yield
    except RuntimeError as error:
        print(f"{name} is skipped: {error}", file=sys.stderr)


def _best(rival: ServingRival, name: str, model: Path) -> Mapping[str, Subject]:
    """Return the options of a rival that are best in a short run, for each work."""
    subjects = rival.subjects(click_models.version_of(model), is_large=name == MINILM)[:MOST_OPTIONS]
    best = {}
    with running(subjects, PROBE) as servers:
        for work in WORKS[name]:
            best[work.name] = max(servers, key=lambda server: _quality(server, work)).subject
    return best


def _quality(server: RunningSubject, work: Work) -> float:
    """Return how good a server is in a short run: requests a second, or how short the median is for one client."""
    try:
        figure = _measured(server, work, TRIAL_SECONDS * SCALE)
    except RuntimeError as error:  # it refuses requests with these options
        print(f"{server.subject.name}, {work.name}: {error}", file=sys.stderr)
        return 0.0
    return figure.rate if work.clients > 1 else 1 / figure.middle


def _rounds(
    name: str, chosen: Chosen, figures: dict[Key, list[Figure]], after_bodies: Callable[[], None] = lambda: None
) -> None:
    """Measure all servers in turn, in each round with another one first."""
    subjects = {subject.name: subject for works in chosen.values() for subject in works.values()}
    with running(list(subjects.values()), PROBE) as started:
        servers = {server.subject.name: server for server in started}
        for number in range(ROUNDS):
            for work in WORKS[name]:
                turns = [(label, works[work.name]) for label, works in chosen.items() if work.name in works]
                first = number % len(turns)
                for label, subject in turns[first:] + turns[:first]:
                    figure = _measured(servers[subject.name], work, work.seconds * SCALE)
                    figures[name, work.name, label].append(figure)
                if work is BODIES:
                    after_bodies()


def _measured(server: RunningSubject, work: Work, seconds: float) -> Figure:
    bodies = click_models.bodies(work.size)
    if work.size == 1 and server.subject.is_wrapped:
        bodies = [wrapped(body) for body in bodies]
    with server.awake():
        http_load.post(server.port, "/predict", bodies, work.clients, WARM_UP_SECONDS)
        before = server.cpu_seconds()
        load = http_load.post(server.port, "/predict", bodies, work.clients, seconds)
        spent, count = server.cpu_seconds() - before, len(load.waits)
    return Figure(count / load.seconds, spent / count * 1e6, load.percentile(0.5) * 1e3, load.percentile(0.99) * 1e3)


def _longest_pause(model: Path, alteration: str) -> float:
    """Return the longest collection of reference cycles of the model server under load, ms."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pause"
        subject = _server(f"this server, {alteration}", model, alteration=alteration, BENCH_PAUSES=str(file))
        with running([subject], PROBE) as (server,):
            for work in (SINGLES, BODIES):
                _measured(server, work, PAUSES_SECONDS * SCALE)
            server.go_on()
        return float(file.read_text(encoding="ascii"))


def _server(name: str, model: Path, root: Path = ROOT, *, alteration: str = "", **environ: str) -> Subject:
    start = [ALTERED, alteration] if alteration else ["model_server"]
    environ |= {"MODEL_SERVER_MODEL_DIR": str(model), "MODEL_SERVER_PORT": "0"}
    return Subject(name, [sys.executable, "-m", *start, "serve", "--address-file"], environ, root)


def _details(figures: Mapping[Key, Sequence[Figure]]) -> Iterator[Measurement]:
    for (model, work, server), runs in figures.items():
        label = f"{model}: {work}: {server}"
        yield Measurement(f"{label}, requests a second", median(run.rate for run in runs), "/s")
        yield Measurement(f"{label}, processor time of a request", median(run.cpu for run in runs), "us")
        yield Measurement(f"{label}, median", median(run.middle for run in runs), "ms")
        yield Measurement(f"{label}, 99th percentile", median(run.high for run in runs), "ms")


def _measurement(row: Comparison) -> Measurement:
    make = at_least if row.is_least else at_most
    return make(row.subject, row.value, row.unit, row.bar)
