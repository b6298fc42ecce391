"""Other tools and other model servers, each in an environment of its own with pinned versions.

The scripts here import nothing of this project. Those of tools read the columns of a day from a file, time their own
work on rows in memory, and print the seconds, and perhaps more, as JSON. Those of servers serve the same SavedModel.
`BENCH_RIVALS` names the folder of the environments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from benchmarks.rig.process import Run, measured
from benchmarks.rig.traffic import Traffic

FOLDER = Path(os.environ.get("BENCH_RIVALS", "var/bench/rivals")).absolute()


@dataclass(frozen=True)
class Rival:
    """A tool: its name, its work in words, its script next to this file, and its packages for pip."""

    name: str
    work: str
    script: str
    packages: tuple[str, ...]


RIVALS = (
    Rival(
        "Evidently",
        "Evidently 0.7.23, ClassificationPreset with a reference of the same size",
        "evidently_day.py",
        ("evidently==0.7.23", "pandas==2.3.3"),
    ),
    Rival(
        "NannyML",
        "NannyML 0.13.1, PerformanceCalculator of 6 metrics in 24 chunks, fitted on a reference of the same size",
        "nannyml_day.py",
        ("nannyml==0.13.1", "pandas==2.3.3", "statsmodels<0.16"),
    ),
)


DRIFT = Rival(
    "Evidently",
    "Evidently 0.7.23, DataDriftPreset with a reference of the same size",
    "evidently_drift.py",
    ("evidently==0.7.23", "pandas==2.3.3"),
)
VERDICTS = Rival(
    "Evidently",
    "Evidently 0.7.23, its verdict on pairs of samples",
    "evidently_verdicts.py",
    ("evidently==0.7.23", "pandas==2.3.3"),
)


@dataclass(frozen=True)
class Result:
    """Seconds of a rival's own work, MiB of its process, and its whole output."""

    rival: Rival
    seconds: float
    mib: float
    output: Mapping[str, Any]


def day_results(day: Traffic) -> Iterator[Result]:
    """Yield the results of the tools that judge a day of predictions and clicks."""
    yield from results(RIVALS, day.columns())


def results(rivals: Sequence[Rival], table: Mapping[str, npt.NDArray[Any]]) -> Iterator[Result]:
    """Yield rivals' results over a table; one that cannot be installed is skipped with a line that names the reason."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    columns = FOLDER / "day.npz"
    np.savez(columns, **table)  # type: ignore[arg-type]
    for rival in rivals:
        try:
            run = _run(rival, columns)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            print(f"{rival.name} is skipped: {error}", file=sys.stderr)
            continue
        output = orjson.loads(run.output.splitlines()[-1])
        yield Result(rival, float(output["seconds"]), run.mib, output)


def environment(name: str, packages: Sequence[str]) -> Path:
    """Return the Python of an environment that holds exactly these packages; it is made if it does not exist.

    Raises
    ------
    RuntimeError
        If the packages cannot be installed.
    """
    home = FOLDER / name.lower().replace(" ", "-")
    python, installed = home / "bin" / "python", home / "installed"
    if not installed.exists() or installed.read_text(encoding="utf-8") != " ".join(packages):
        uv = str(Path(sys.executable).with_name("uv"))
        for arguments in (
            ["venv", "--clear", "--python", sys.executable, str(home)],
            ["pip", "install", "--python", str(python), *packages],
        ):
            done = subprocess.run([uv, "--quiet", *arguments], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"uv cannot install {name} ({done.stderr.strip().splitlines()[-1:]})")
        installed.write_text(" ".join(packages), encoding="utf-8")
    return python


def _run(rival: Rival, columns: Path) -> Run:
    python = environment(rival.name, rival.packages)
    return measured([str(python), str(Path(__file__).parent / rival.script), str(columns)])
