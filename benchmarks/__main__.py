"""`python -m benchmarks [NAME ...] [--against COMMIT]`: run the named benchmarks, or all; `make bench` runs all.

A benchmark is a module of this package with `run() -> Iterable[Measurement]`; that of `import` is `import_`. One that
also has `compare(commit) -> Iterable[Measurement]` can measure an older commit side by side: `python -m benchmarks
pipeline --against v0.1.0`.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import signal
import sys
from collections.abc import Sequence
from keyword import iskeyword
from pathlib import Path
from types import ModuleType

import benchmarks
from benchmarks.measurement import report

OUT = Path("var/bench")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when every bar was met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run benchmarks.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(benchmark_names())} (default: all)"
    )
    parser.add_argument("--against", metavar="COMMIT", help="compare this source tree with a commit, in one run")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # what a benchmark has started must end, too
    modules = [_module(name) for name in options.names or benchmark_names()]
    missed = 0
    for module in modules:
        name = module.__name__.rpartition(".")[2].rstrip("_")
        if options.against and not hasattr(module, "compare"):
            parser.error(f"{name} cannot compare commits")
        measurements = list(module.compare(options.against) if options.against else module.run())
        report(f"{name}_against" if options.against else name, measurements, OUT)
        missed += sum(row.met is False for row in measurements)
    return 1 if missed else 0


def benchmark_names() -> list[str]:
    """Return the names of all benchmarks."""
    names = [module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.ispkg]
    return [name.rstrip("_") for name in names if name not in {"__main__", "measurement"}]


def _module(name: str) -> ModuleType:
    """Return the module of a benchmark; one whose name is a word of Python has an underscore at its end."""
    return importlib.import_module(f"benchmarks.{name}_" if iskeyword(name) else f"benchmarks.{name}")


if __name__ == "__main__":
    sys.exit(main())
