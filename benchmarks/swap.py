"""A new version of a model comes under load: no request fails, and the slowest ones are hardly slower.

Each round is a time without a change, and as long a time with one. `BENCH_SCALE` scales both.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import orjson

from benchmarks.measurement import Measurement, at_most
from benchmarks.rig import click_models, http_load
from benchmarks.rig.http_subject import RunningSubject, Subject, running

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
ROUNDS = 3
SECONDS = 20.0 * SCALE
STEP_SECONDS = 2.0
PATIENCE = 60.0
CLIENTS = 16
HIGH = 0.99


def run() -> Iterator[Measurement]:
    """Yield the 99th percentiles without and with a change of the version.

    Raises
    ------
    RuntimeError
        If a request fails, or a new version does not answer in the end.
    """
    bodies = click_models.bodies(1)
    steady, swapping = [], []
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "click"
        first = click_models.version_of(click_models.demo())
        shutil.copytree(first, model / "1")
        environ = {"MODEL_SERVER_MODEL_DIR": str(model), "MODEL_SERVER_PORT": "0", "MODEL_SERVER_POLL": "0s"}
        command = [sys.executable, "-m", "model_server", "serve", "--address-file"]
        with running([Subject("this server", command, environ)], bodies[0]) as (server,), server.awake():
            http_load.post(server.port, "/predict", bodies, CLIENTS, 1.0)
            for number in range(2, ROUNDS + 2):
                steady.append(_high(server, str(number - 1)))
                change = threading.Timer(SECONDS / 4, _swap, [server, first, model / str(number)])
                change.start()
                swapping.append(_high(server, str(number)))
                change.join()
    yield Measurement("99th percentile, no change", median(steady) * 1e3, "ms")
    yield Measurement("99th percentile, a new version comes", median(swapping) * 1e3, "ms")
    ratio = median(high / low for high, low in zip(swapping, steady, strict=True))
    yield at_most("99th percentile, a new version comes, against no change", ratio, "times", 1.1)


def _high(server: RunningSubject, version: str) -> float:
    """Return the 99th percentile under load, seconds; the load goes on until the version answers."""
    bodies, waits, began = click_models.bodies(1), list[float](), time.monotonic()
    while time.monotonic() - began < SECONDS or _version(server) != version:
        if time.monotonic() - began > SECONDS + PATIENCE:
            raise RuntimeError(f"version {version} does not answer")
        waits += http_load.post(server.port, "/predict", bodies, CLIENTS, STEP_SECONDS).waits
    return http_load.Load(waits=sorted(waits)).percentile(HIGH)


def _version(server: RunningSubject) -> str:
    answer = http_load.answer_of(server.port, "/predict", click_models.bodies(1)[0])
    return str(answer["model"]["version"])


def _swap(server: RunningSubject, source: Path, folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}")
    shutil.copytree(source, draft)
    card = orjson.loads((draft / "model.json").read_bytes()) | {"version": folder.name}
    (draft / "model.json").write_bytes(orjson.dumps(card))
    draft.rename(folder)
    os.kill(server.process.pid, signal.SIGHUP)
