"""`python -m benchmarks [NAME ...]`: run the named benchmarks, or all; `make bench` runs all.

A benchmark is a module of this package with `run() -> Iterable[Measurement]`.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import benchmarks
from benchmarks.measurement import report

OUT = Path("var/bench")


def main(names: list[str]) -> int:
    """Return 0 when every bar was met, else 1."""
    modules = [importlib.import_module(f"benchmarks.{name}") for name in names or benchmark_names()]
    missed = 0
    for module in modules:
        measurements = list(module.run())
        report(module.__name__.rpartition(".")[2], measurements, OUT)
        missed += sum(row.met is False for row in measurements)
    return 1 if missed else 0


def benchmark_names() -> list[str]:
    """Return the names of all benchmarks."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.ispkg]
    return [name for name in names if name not in {"__main__", "measurement"}]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
