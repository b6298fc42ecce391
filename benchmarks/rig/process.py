"""A command as a process of its own: its time and its memory."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

MIB = 1 << 20
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Run:
    """One finished process.

    Attributes
    ----------
    seconds : from its start to its end.
    mib : its peak memory (RSS).
    output : its standard output.
    log : its log lines that are JSON.
    cpu_seconds : processor time of it and of the processes that it has waited for.
    """

    seconds: float
    mib: float
    output: str
    log: list[dict[str, object]]
    cpu_seconds: float = 0.0


def measured(command: Sequence[str], environ: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        If it fails; the message holds its last line.
    """
    started, most, spent = time.monotonic(), 0, _spent_by_children()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, **(environ or {})})
        while process.poll() is None:
            most = max(most, _peak_bytes(process.pid))
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - started
        for stream in (output, errors):
            stream.seek(0)
        printed, logged = output.read().decode(), errors.read().decode()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(logged or printed).strip().splitlines()[-1:]}")
    log = [orjson.loads(line) for line in logged.splitlines() if line.startswith("{")]
    return Run(seconds, most / MIB, printed, log, _spent_by_children() - spent)


def _spent_by_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _peak_bytes(pid: int) -> int:
    # The process's own memory: getrusage would also count that of its parent before the fork.
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
