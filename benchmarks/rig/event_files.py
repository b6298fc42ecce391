"""Files of generated events as the model server writes them, about 1.3 kB each; the same every time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson

from benchmarks.rig.traffic import FIRST_DAY
from monitor_agent.contracts import uuid7

FEATURES = 14
SCENES = ("search", "recommendation", "ad")
STEP = timedelta(milliseconds=20)


def events(count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield predictions as lines of JSON, without their newlines."""
    dice = random.Random(seed)
    for number in range(count):
        moment = FIRST_DAY + number * STEP
        yield orjson.dumps(event(number, uuid7.make(moment), f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z", dice.random()))


def event(number: int, identifier: str, moment: str, score: float) -> dict[str, object]:
    """Return one prediction with every field that the server may write."""
    return {
        "@timestamp": moment,
        "ecs": {"version": "8.17.0"},
        "event": {
            "id": identifier,
            "dataset": "model.prediction",
            "kind": "event",
            "outcome": "success",
            "created": moment,
            "sequence": number,
            "duration": 3_120_000 + number % 1000,
        },
        "service": {
            "name": "model-server",
            "version": "0.1.0",
            "environment": "production",
            "node": {"name": "web-1:4242:1763892000"},
        },
        "log": {"level": "info"},
        "message": "prediction",
        "trace": {"id": f"{number:032x}"},
        "span": {"id": f"{number:016x}"},
        "labels": {"scene": SCENES[number % 3]},
        "prediction": {
            "id": identifier,
            "score": round(score, 6),
            "label": int(score > 0.5),
            "threshold": 0.5,
            "rank": 1,
            "request_size": 1,
            "batch_size": 4,
            "log_loss_1": 1.3862943611198906,
            "log_loss_0": 0.2876820724517809,
            "shadow": False,
            "queue_time": 210_000,
            "compute_time": 2_300_000,
        },
        "model": {"name": "click", "version": "1"},
        "http": {"request": {"id": f"{number:016x}"}},
        "session": {"id": f"{number // 10:016x}"},
        "user": {"id": f"{number // 20:016x}"},
        "item": {"id": str(number % 80), "position": 1 + number % 3},
        "features": {
            "numeric": {f"price_{n}": round(score * n, 4) for n in range(FEATURES)},
            "categorical": {"category": f"c{number % 12}", "device": "mobile"},
        },
    }


def fill(folder: Path, count: int, files: int = 1) -> int:
    """Write `count` events into several files of a folder; return their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for number in range(files):
        with (folder / f"events-{number}.ndjson").open("wb") as stream:
            for line in events(count // files, seed=number):
                written += stream.write(line + b"\n")
    return written
