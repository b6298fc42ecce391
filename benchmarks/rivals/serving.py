"""Other servers of the same SavedModel: their packages, and the grid of options of which each has its best."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

from benchmarks.rig import click_models
from benchmarks.rig.http_subject import Subject
from benchmarks.rivals import environment

TENSORFLOW = tuple(f"{name}=={version(name)}" for name in ("tensorflow", "tensorflow-text", "numpy"))
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ""}


@dataclass(frozen=True)
class ServingRival:
    """A model server of others.

    Attributes
    ----------
    script : next to this file; its arguments are the model, the options, and the file of the address.
    options : the names of the options.
    grid, small_grid : their values; the second is for large models, whose computation outweighs everything else.
    is_wrapped : whether it takes a single instance only as a list of one.
    """

    name: str
    packages: tuple[str, ...]
    script: str
    options: tuple[str, ...]
    grid: Sequence[tuple[object, ...]]
    small_grid: Sequence[tuple[object, ...]]
    is_wrapped: bool = False

    def subjects(self, version_folder: Path, *, is_large: bool) -> list[Subject]:
        """Return the server with each of its options.

        Raises
        ------
        RuntimeError
            If its environment cannot be made.
        """
        start = command(self, self.script)
        return [
            Subject(
                f"{self.name}: "
                + ", ".join(f"{name} {value}" for name, value in zip(self.options, values, strict=True)),
                [*start, str(version_folder), *map(str, values)],
                QUIET,
                is_wrapped=self.is_wrapped,
            )
            for values in (self.small_grid if is_large else self.grid)
        ]


FLASK = ServingRival(
    "plain Flask",
    ("flask==3.1.3", "waitress==3.0.2", *TENSORFLOW),
    "plain_flask.py",
    ("threads", "intra-op"),
    list(product((1, 4, 8, 16), (1, 2))),
    list(product((1, 4, 8, 16), (1, 2))),
)
LIT_SERVE = ServingRival(
    "LitServe",
    ("litserve==0.2.19", "uvloop==0.23.0", "httptools==0.9.0", *TENSORFLOW),
    "lit_server.py",
    ("workers", "HTTP processes", "max_batch_size", "batch_timeout", "intra-op"),
    [
        (1, 1, 64, 0.0, 1),
        (1, 1, 64, 0.002, 1),
        (1, 1, 64, 0.002, 2),
        (1, 1, 64, 0.01, 1),
        (1, 2, 64, 0.002, 1),
        (2, 1, 64, 0.002, 1),
        (2, 2, 64, 0.002, 1),
    ],
    [(1, 1, 64, 0.002, 1), (1, 1, 64, 0.01, 2), (2, 1, 64, 0.002, 1)],
)
BENTO_ML = ServingRival(
    "BentoML",
    ("bentoml==1.4.40", "uvloop==0.23.0", "httptools==0.9.0", *TENSORFLOW),
    "bento_server.py",
    ("workers", "max_batch_size", "max_latency_ms", "intra-op"),
    [(1, 64, 10_000, 1), (1, 64, 10_000, 2), (1, 512, 10_000, 1), (1, 64, 500, 1), (2, 64, 10_000, 1)],
    [(1, 64, 10_000, 1), (1, 64, 10_000, 2), (2, 64, 10_000, 1)],
    is_wrapped=True,
)
RIVALS = (FLASK, LIT_SERVE, BENTO_ML)


def command(rival: ServingRival, script: str) -> list[str]:
    """Return what runs a script next to this file in the environment of a rival.

    Raises
    ------
    RuntimeError
        If the environment cannot be made.
    """
    return [str(environment(rival.name, rival.packages)), str(Path(__file__).parent / script)]


def prepare() -> None:
    """Make the environments of all rivals, and the models.

    Raises
    ------
    RuntimeError
        If an environment cannot be made.
    """
    for model in (click_models.demo(), click_models.minilm()):
        print(f"model: {model}")
    for rival in RIVALS:
        print(f"{rival.name}: {environment(rival.name, rival.packages)}")


if __name__ == "__main__":
    prepare()
