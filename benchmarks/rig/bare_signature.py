"""The bare signature of a model as a process: called in a loop when that is asked for, and idle otherwise."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from benchmarks.rig import click_models
from benchmarks.rivals.serving import FLASK, QUIET, command

SCRIPT = "bare_signature.py"
INTRA = (1, 2)


class BareSignature:
    """Processes that call the signature, one for each number of threads of an operation."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def rate(self, seconds: float) -> float:
        """Return how many instances the best of them computes in a second, in bodies of 64."""
        return max(self._rate(process, seconds) for process in self._processes)

    def _rate(self, process: subprocess.Popen[str], seconds: float) -> float:
        _stream(process.stdin).write(f"{seconds}\n")
        _stream(process.stdin).flush()
        return float(_line(process))


@contextlib.contextmanager
def bare_signature(model: Path, folder: Path) -> Iterator[BareSignature]:
    """Start the processes, and wait until they have loaded the model.

    Raises
    ------
    RuntimeError
        If one of them ends.
    """
    file = folder / "bodies"
    file.write_bytes(b"\n".join(click_models.bodies(click_models.BATCH)))
    with contextlib.ExitStack() as stack:
        processes = []
        for intra in INTRA:
            arguments = [*command(FLASK, SCRIPT), str(click_models.version_of(model)), str(intra), str(file)]
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=QUIET,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            _line(process)
        yield BareSignature(processes)


def _line(process: subprocess.Popen[str]) -> str:
    if not (line := _stream(process.stdout).readline()):
        raise RuntimeError("the signature could not be called")
    return line


def _stream(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise RuntimeError("the process has no pipes")
    return stream
