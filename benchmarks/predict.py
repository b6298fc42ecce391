"""`/predict` of the demo's model: requests a second, processor time, waiting times; beside a plain Flask application.

All servers are measured in turn, in one run. `--against COMMIT` adds the server of an older commit.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import orjson

from benchmarks.measurement import Measurement, at_least, at_most
from benchmarks.rig import http_load
from benchmarks.rig.older_source import source_tree
from benchmarks.rig.runner_process import ROOT, cpu_seconds

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
ROUNDS = 3
CLIENTS = 64
BATCH = 64
READY_SECONDS = 120.0
FLASK_GRID = ((1, 1), (4, 1), (8, 1), (16, 1), (4, 2))
"""Threads of waitress, and threads of TensorFlow for one operation."""
WORDS = 16


@dataclass(frozen=True)
class Work:
    """What the clients send: `clients` at a time, `size` instances a request, `count` requests."""

    name: str
    clients: int
    size: int
    count: int


WORKS = (
    Work("singles, 64 clients", CLIENTS, 1, int(6000 * SCALE)),
    Work("bodies of 64 instances, 8 clients", 8, BATCH, int(300 * SCALE)),
    Work("one client", 1, 1, int(1500 * SCALE)),
)


@dataclass(frozen=True)
class Figure:
    """One run of one kind of work.

    Attributes
    ----------
    rate : requests a second.
    cpu : processor time of the server for a request, us.
    middle, high : median and 99th percentile of the time of a request, ms.
    """

    rate: float
    cpu: float
    middle: float
    high: float


@dataclass(frozen=True)
class Subject:
    """A server to measure: the command that starts it, without the file of its address, and its environment."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    root: Path = ROOT


def run() -> Iterator[Measurement]:
    """Yield the figures of this source tree beside plain Flask."""
    with tempfile.TemporaryDirectory() as folder:
        model = _train(Path(folder))
        yield from _figures([_server("now", model), *_flask(model)])


def compare(commit: str) -> Iterator[Measurement]:
    """Yield the figures of a commit and of this source tree."""
    with source_tree(commit) as tree, tempfile.TemporaryDirectory() as folder:
        model = _train(Path(folder))
        subjects = [_server(commit, model, tree), _server("now", model)]
        yield from _figures(subjects)


def _figures(subjects: list[Subject]) -> Iterator[Measurement]:
    figures: dict[tuple[str, str], list[Figure]] = {}
    for _ in range(ROUNDS):
        for subject in subjects:
            for work, figure in _measured(subject):
                figures.setdefault((work.name, subject.name), []).append(figure)
    for work in WORKS:
        for subject in subjects:
            runs = figures[work.name, subject.name]
            label = f"{work.name}: {subject.name}"
            yield Measurement(f"{label}, requests a second", max(run.rate for run in runs), "/s")
            yield Measurement(f"{label}, processor time of a request", min(run.cpu for run in runs), "us")
            yield Measurement(f"{label}, median", median(run.middle for run in runs), "ms")
            yield Measurement(f"{label}, 99th percentile", median(run.high for run in runs), "ms")
        rivals = [subject.name for subject in subjects if subject.name != "now"]
        yield from _ratios(work, figures, rivals)


def _ratios(work: Work, figures: Mapping[tuple[str, str], list[Figure]], rivals: list[str]) -> Iterator[Measurement]:
    now = figures[work.name, "now"]
    rate = max(run.rate for run in now)
    cpu = min(run.cpu for run in now)
    best = max(max(run.rate for run in figures[work.name, rival]) for rival in rivals)
    least = min(min(run.cpu for run in figures[work.name, rival]) for rival in rivals)
    flask = rivals[0].startswith("flask")
    if flask and work.clients == CLIENTS:
        yield at_least(f"{work.name}: rate against the best plain Flask", rate / best, "times", 2)
        yield at_most(f"{work.name}: processor time against plain Flask's", cpu / least, "times", 0.55)
    elif flask and work.size == BATCH:
        yield at_least(f"{work.name}: rate against the best plain Flask", rate / best, "times", 1)
    elif flask:
        middle = min(run.middle for run in now)
        smallest = min(run.middle for rival in rivals for run in figures[work.name, rival])
        yield at_most(f"{work.name}: median against plain Flask's", middle / smallest, "times", 0.8)
    else:
        yield Measurement(f"{work.name}: rate, now against then", rate / best, "times")
        yield Measurement(f"{work.name}: processor time, now against then", cpu / least, "times")


def _measured(subject: Subject) -> Iterator[tuple[Work, Figure]]:
    with tempfile.TemporaryDirectory() as folder, _running(subject, Path(folder)) as (process, port):
        for work in WORKS:
            bodies = _bodies(work.size)
            http_load.post(port, "/predict", bodies, work.clients, max(work.clients, work.count // 10))
            before = cpu_seconds(process.pid)
            load = http_load.post(port, "/predict", bodies, work.clients, work.count)
            cpu = (cpu_seconds(process.pid) - before) / work.count
            yield (
                work,
                Figure(work.count / load.seconds, cpu * 1e6, load.percentile(0.5) * 1e3, load.percentile(0.99) * 1e3),
            )


@contextlib.contextmanager
def _running(subject: Subject, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    address = folder / "address"
    environ = {**os.environ, "PYTHONPATH": str(subject.root), "MODEL_LOG_DIR": str(folder / "log"), **subject.environ}
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [*subject.command, str(address)], env=environ, cwd=subject.root, stderr=log, stdout=log
        )
    try:
        until = time.monotonic() + READY_SECONDS
        while not (address.exists() and address.read_text().strip()):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{subject.name} did not start: {(folder / 'log.txt').read_text()[-500:]}")
            time.sleep(0.05)
        yield process, int(address.read_text().strip().rpartition(":")[2])
    finally:
        process.terminate()
        process.wait(30)


def _server(name: str, model: Path, root: Path = ROOT) -> Subject:
    environ = {"MODEL_SERVER_MODEL_DIR": str(model), "MODEL_SERVER_PORT": "0"}
    return Subject(name, [sys.executable, "-m", "model_server", "serve", "--address-file"], environ, root)


def _flask(model: Path) -> list[Subject]:
    script = str(ROOT / "benchmarks/rivals/plain_flask.py")
    version = next(path for path in model.iterdir() if (path / "saved_model.pb").exists())
    environ = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return [
        Subject(
            f"flask, {threads} threads, {intra} for an operation",
            [sys.executable, script, str(version), str(threads), str(intra)],
            environ,
        )
        for threads, intra in FLASK_GRID
    ]


def _train(folder: Path) -> Path:
    """Return a folder with a trained model of the demo's size; its quality does not matter here."""
    source = random.Random(7)
    with (folder / "training.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text_a", "text_b", "label"])
        for number in range(400):
            words = [f"w{source.randrange(200)}" for _ in range(WORDS)]
            writer.writerow([" ".join(words[:6]), " ".join(words[6:]), number % 2])
    command = [sys.executable, "-m", "model_server", "train", "--data", str(folder / "training.csv"), "--epochs", "1"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "--out", str(folder / "models")], check=True, capture_output=True, env=environ)
    return folder / "models"


def _bodies(size: int) -> list[bytes]:
    source = random.Random(11)

    def instance() -> dict[str, list[int]]:
        length = source.randrange(12, 30)
        ids = [source.randrange(5, 150) for _ in range(length)]
        return {
            "input_seq": ids,
            "input_mask": [1] * length,
            "segment_ids": [0] * (length // 2) + [1] * (length - length // 2),
        }

    if size == 1:
        return [orjson.dumps(instance()) for _ in range(64)]
    return [orjson.dumps({"instances": [instance() for _ in range(size)]}) for _ in range(8)]
