"""The models that servers are measured with, and the bodies of their requests."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
from pathlib import Path

import orjson

from benchmarks.rig.runner_process import ROOT

FOLDER = Path("var/bench/models").absolute()
WORDS = 16
BATCH = 64
BODIES = 64
FEWEST_IDS, MOST_IDS = 12, 30


def demo() -> Path:
    """Return a folder with a trained model of the demo's size; its quality does not matter here."""
    folder = FOLDER / "demo"
    if not (folder / "click").exists():
        folder.mkdir(parents=True, exist_ok=True)
        source = random.Random(7)
        with (folder / "training.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text_a", "text_b", "label"])
            for number in range(400):
                words = [f"w{source.randrange(200)}" for _ in range(WORDS)]
                writer.writerow([" ".join(words[:6]), " ".join(words[6:]), number % 2])
        arguments = ["train", "--data", str(folder / "training.csv"), "--epochs", "1", "--out", str(folder / "click")]
        _run("model_server", *arguments)
    return folder / "click"


def minilm() -> Path:
    """Return a folder with a model of MiniLM's size with random weights."""
    folder = FOLDER / "minilm"
    if not (folder / "1" / "model.json").exists():
        _run("benchmarks.rig.minilm", str(folder / "1"))
    return folder


def version_of(model: Path) -> Path:
    """Return the folder of the one version of a model."""
    return next(path for path in model.iterdir() if (path / "saved_model.pb").exists())


def bodies(size: int) -> list[bytes]:
    """Return different bodies of `size` instances, as a client sends them; of one: the bare instance."""
    source = random.Random(11)

    def instance() -> dict[str, list[int]]:
        length = source.randrange(FEWEST_IDS, MOST_IDS)
        ids = [source.randrange(5, 150) for _ in range(length)]
        return {
            "input_seq": ids,
            "input_mask": [1] * length,
            "segment_ids": [0] * (length // 2) + [1] * (length - length // 2),
        }

    if size == 1:
        return [orjson.dumps(instance()) for _ in range(BODIES)]
    return [orjson.dumps({"instances": [instance() for _ in range(size)]}) for _ in range(BODIES // 8)]


def _run(module: str, *arguments: str) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, capture_output=True, env=environ)
