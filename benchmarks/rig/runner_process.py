"""The embedded runner as a process of its own: its time, processor time and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from benchmarks.rig.process import MIB

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "logstash/pipeline"
POLL_SECONDS = 0.01
LONGEST_SECONDS = 900.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    """The cost of a run.

    Attributes
    ----------
    ready_seconds : from the start of the process until it reads.
    seconds : from then until all events are delivered.
    cpu_seconds : processor time of all its threads until then.
    mib : memory (RSS) at regular times.
    """

    ready_seconds: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    mib: list[float] = field(default_factory=list)


def run_until(config: Path, environ: Mapping[str, str], done: Callable[[], bool], root: Path = ROOT) -> Cost:
    """Run a pipeline until `done()`, then stop it.

    Parameters
    ----------
    root : the source tree whose runner it is.

    Raises
    ------
    RuntimeError
        If it ends before, or takes too long.
    """
    cost = Cost()
    statistics = Path(environ["PIPELINE_DATA_DIR"]) / "statistics.json"
    started = time.monotonic()
    process = spawn(config, environ, root)
    try:
        while not done():
            if process.poll() is not None:
                raise RuntimeError(f"the pipeline ended with status {process.returncode}: see {_log_path(environ)}")
            if time.monotonic() - started > LONGEST_SECONDS:
                raise RuntimeError("the pipeline did not deliver everything in time")
            if not cost.ready_seconds and statistics.exists():
                cost.ready_seconds = time.monotonic() - started
            cost.mib.append(_memory(process.pid))
            time.sleep(POLL_SECONDS)
        cost.seconds = time.monotonic() - started - cost.ready_seconds
        cost.cpu_seconds = cpu_seconds(process.pid)
    finally:
        stop(process)
    return cost


def spawn(config: Path, environ: Mapping[str, str], root: Path = ROOT) -> subprocess.Popen[bytes]:
    """Start a pipeline; it logs into its data folder."""
    log_path = _log_path(environ)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "monitor_agent", "pipeline", "run", "-f", str(config)]
    with log_path.open("ab") as log:
        return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(root), **environ}, cwd=root, stderr=log)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a pipeline, and wait until it has ended."""
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def delivered_bytes(data_folder: Path) -> int:
    """Return the number of delivered bytes of the files, which the runner stores on disk after each batch."""
    try:
        rows = orjson.loads((data_folder / "model_server_log.positions.json").read_bytes())["files"]
    except FileNotFoundError:
        return 0
    return sum(row["offset"] for row in rows)


def _log_path(environ: Mapping[str, str]) -> Path:
    return Path(environ["PIPELINE_DATA_DIR"]) / "pipeline.log"


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _memory(pid: int) -> float:
    """Return the memory of a process, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB
