"""A server to measure: the process that runs it, with all its children; paused while another one is measured."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.rig import http_load
from benchmarks.rig.runner_process import ROOT, TICKS

READY_SECONDS = 90.0
POLL_SECONDS = 0.1
END_SECONDS = 20.0


@dataclass(frozen=True)
class Subject:
    """A server.

    Attributes
    ----------
    name : such as `plain Flask, 8 threads`.
    command : what starts it; the last argument, the file of its address, is added.
    is_wrapped : whether it takes a single instance only as a list of one.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    root: Path = ROOT
    is_wrapped: bool = False


@dataclass(frozen=True)
class RunningSubject:
    """A server that runs."""

    subject: Subject
    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    def pause(self) -> None:
        """Stop all its processes, so that they take no processor time."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let its processes go on."""
        os.killpg(self.process.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run for a while, and pause it again."""
        self.go_on()
        try:
            yield
        finally:
            self.pause()

    def cpu_seconds(self) -> float:
        """Return the processor seconds of all its processes so far."""
        return tree_cpu_seconds(self.process.pid)


@contextlib.contextmanager
def running(subjects: Sequence[Subject], probe: bytes) -> Iterator[list[RunningSubject]]:
    """Start servers together, wait until each answers, and pause them.

    Parameters
    ----------
    probe : the body of a request.

    Raises
    ------
    RuntimeError
        If one of them does not start.
    """
    with contextlib.ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in subjects]
        processes = [
            stack.enter_context(_process(subject, folder)) for subject, folder in zip(subjects, folders, strict=True)
        ]
        started = []
        for subject, folder, process in zip(subjects, folders, processes, strict=True):
            body = wrapped(probe) if subject.is_wrapped else probe
            started.append(RunningSubject(subject, process, _ready_port(subject, folder, process, body), folder))
        for server in started:
            server.pause()
        yield started


def wrapped(instance: bytes) -> bytes:
    """Return the body of a list of one instance."""
    return b'{"instances":[' + instance + b"]}"


def tree_cpu_seconds(root: int) -> float:
    """Return the processor seconds of a process, its descendants, and their descendants that have ended."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            pid = int(path.parent.name)
            children.setdefault(int(fields[1]), []).append(pid)
            seconds[pid] = sum(map(int, fields[11:15])) / TICKS
    total, waiting = 0.0, [root]
    while waiting:
        pid = waiting.pop()
        total += seconds.get(pid, 0.0)
        waiting += children.get(pid, [])
    return total


@contextlib.contextmanager
def _process(subject: Subject, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "PYTHONPATH": str(subject.root), "MODEL_LOG_DIR": str(folder / "log"), **subject.environ}
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [*subject.command, str(folder / "address")],
            env=environ,
            cwd=subject.root,
            stdin=subprocess.DEVNULL,
            stderr=log,
            stdout=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGCONT):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    with contextlib.suppress(ProcessLookupError):  # a child may outlive its parent
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ready_port(subject: Subject, folder: Path, process: subprocess.Popen[bytes], body: bytes) -> int:
    """Return the port once the server answers a request."""
    address, until, problem = folder / "address", time.monotonic() + READY_SECONDS, "it has no address"
    while process.poll() is None and time.monotonic() < until:
        if address.exists() and (text := address.read_text().strip()):
            port = int(text.rpartition(":")[2])
            try:
                http_load.post(port, "/predict", [body], 1, 0)
            except (OSError, RuntimeError) as error:
                problem = str(error)
            else:
                return port
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"{subject.name} did not start ({problem}): {(folder / 'log.txt').read_text()[-1000:]}")
