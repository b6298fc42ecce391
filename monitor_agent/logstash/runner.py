"""The loop of a pipeline: reads batches, filters them, sends several at once, acknowledges them in order.

A position is stored only when everything before it is delivered. So after a crash or a stop at any moment some events
are sent again, but none is lost.
"""

from __future__ import annotations

import math
import resource
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from monitor_agent.errors import MonitorError, PipelineError
from monitor_agent.gc_tuning import rare_garbage_collection
from monitor_agent.logstash.compiler import Program
from monitor_agent.logstash.delivery.parked_documents import warn_of_removed_outputs
from monitor_agent.logstash.files.durable import locked_folder
from monitor_agent.logstash.plugin import EventBatch, Input, Output, PipelineContext, Stopping
from monitor_agent.logstash.statistics import Statistics, parked_counts

STOP_SECONDS = 1.5
"""When the runner stops, requests that have begun may take this long to end."""
STATISTICS_SECONDS = 1.0
PORTION = 32
"""So many events are made, filtered and prepared together. They stay in the processor's cache: a thousand do not, and
cost a third more."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_log = structlog.get_logger()


def run(program: Program, context: PipelineContext) -> None:
    """Run a pipeline until its inputs have ended, `context.stopping` is set or a stop signal comes.

    With `context.drain_seconds`, it first delivers what its inputs hold after a signal; a second one stops it at once.

    Raises
    ------
    PipelineError
        If it cannot continue; the positions of everything delivered until then are stored.
    """
    with _signals_set(context), locked_folder(Path(context.settings.data_dir)), rare_garbage_collection():
        _allow_many_files()
        Runner(program, context).run()


@dataclass(eq=False)
class Flight:
    """A batch that is being delivered.

    Attributes
    ----------
    position : of the source, behind the batch.
    shares : what each output gets, prepared.
    """

    source: Input
    position: Any
    shares: Mapping[Output, Sequence[Any]]
    done: bool = False


class Runner:
    """Runs one program once."""

    def __init__(self, program: Program, context: PipelineContext) -> None:
        settings = context.settings
        concurrent = all(getattr(output, "concurrent", False) for output in program.outputs)
        self._program = program
        self._stopping = context.stopping
        self._draining = context.draining
        self._drain_seconds = context.drain_seconds
        self._drain_until = math.inf
        self._batch_size = settings.batch_size
        self._delay = settings.batch_delay.total_seconds()
        self._workers = (
            settings.workers if concurrent else 1
        )  # one worker preserves the order, which readers of a file or a terminal see
        self._data_dir = Path(settings.data_dir)
        self._statistics = Statistics(self._data_dir, program)
        self._changed = threading.Condition()
        self._flights: deque[Flight] = deque()
        self._waiting: deque[Flight] = deque()
        self._ended = False
        self._drained = False
        self._failure: Exception | None = None
        self._written = 0.0

    def run(self) -> None:
        """Open the plugins, pump events, finish the last deliveries."""
        threads = [
            threading.Thread(target=self._guarded, args=(self._work,), daemon=True) for _ in range(self._workers)
        ]
        acknowledger = threading.Thread(target=self._guarded, args=(self._acknowledge,), daemon=True)
        with _opened([*self._program.outputs, *self._program.inputs]):
            warn_of_removed_outputs(self._data_dir, self._program.outputs)
            for thread in (*threads, acknowledger):
                thread.start()
            try:
                self._pump()
            except Exception as error:  # noqa: BLE001 - raised again after the last deliveries
                self._fail(error)
            self._finish(threads, acknowledger)
            if self._draining.is_set() and self._stopping.is_set():
                _log.warning("stopped before everything was delivered; the next run goes on from here")
            self._statistics.write("failed" if self._failure else "stopped", len(self._flights))
        if isinstance(self._failure, MonitorError):
            raise self._failure
        if self._failure is not None:
            _log.error("the pipeline failed", exc_info=self._failure)
            reason = f"{type(self._failure).__name__}: {self._failure}"
            raise PipelineError(
                f"the pipeline failed ({reason})", "this is a defect; the log has more"
            ) from self._failure

    def _pump(self) -> None:
        while self._is_running():
            moved = False
            for source in self._program.inputs:
                if not self._has_room():
                    return
                batch = source.read(self._batch_size)
                if batch is not None:
                    self._launch(source, batch)
                    moved = True
            self._write_statistics()
            if not moved:
                if all(source.finished for source in self._program.inputs) or self._is_drained():
                    return
                self._stopping.wait(self._delay)

    def _launch(self, source: Input, batch: EventBatch) -> None:
        events = iter(batch.events)
        shares: dict[Output, list[Any]] = {}
        while portion := list(islice(events, PORTION)):
            for output, share in self._program.route(self._program.filter(portion)):
                shares.setdefault(output, []).extend(output.prepare(share))
        flight = Flight(source, batch.position, shares, done=not shares)
        with self._changed:
            self._flights.append(flight)
            if shares:
                self._waiting.append(flight)
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Wait until another batch may be read; return False if the runner stops before."""
        with self._changed:
            while self._is_running():
                if len(self._flights) < 2 * self._workers:
                    return True
                self._changed.wait(self._delay)
                self._write_statistics()
        return False

    def _is_drained(self) -> bool:
        """Return whether the runner only finishes its work, and everything is delivered."""
        return self._draining.is_set() and bool(self._statistics.document("running", len(self._flights))["delivered"])

    def _is_running(self) -> bool:
        if self._draining.is_set():
            now = time.monotonic()
            if math.isinf(self._drain_until):
                self._drain_until = now + self._drain_seconds
                _log.info("stopping: what the inputs hold is delivered first", most_seconds=self._drain_seconds)
            if now > self._drain_until:
                self._stopping.set()
        return not self._stopping.is_set()

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except Stopping:
            pass
        except Exception as error:  # noqa: BLE001 - `run` raises the failure of a thread
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._stopping.set()  # so that nobody waits any more
            self._changed.notify_all()

    def _work(self) -> None:
        """Send batches, one at a time, in the order of reading."""
        while True:
            with self._changed:
                while not self._waiting:
                    if self._ended or not self._is_running():
                        return
                    self._changed.wait(self._delay)
                if not self._is_running():
                    return
                flight = self._waiting.popleft()
            for output, prepared in flight.shares.items():
                output.send(prepared)
            with self._changed:
                flight.shares = {}
                flight.done = True
                self._changed.notify_all()

    def _acknowledge(self) -> None:
        """Acknowledge delivered batches in the order of reading; a batch waits for all batches before it."""
        while True:
            with self._changed:
                while not (self._flights and self._flights[0].done):
                    if self._drained:
                        return
                    self._changed.wait()
                delivered: dict[Input, list[Any]] = {}
                while self._flights and self._flights[0].done:
                    flight = self._flights.popleft()
                    delivered.setdefault(flight.source, []).append(flight.position)
                self._changed.notify_all()
            for source, positions in delivered.items():
                source.acknowledge(positions)

    def _finish(self, threads: Sequence[threading.Thread], acknowledger: threading.Thread) -> None:
        """Finish deliveries: all of them if the inputs have ended, else those that take only a moment."""
        with self._changed:
            while (self._flights or parked_counts(self._program.outputs)) and self._is_running():
                self._changed.wait(self._delay)
                self._write_statistics()
        deadline = time.monotonic() + STOP_SECONDS
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._drained = True  # only now, so that the last delivery of a worker is acknowledged as well
            self._changed.notify_all()
        acknowledger.join()

    def _write_statistics(self) -> None:
        now = time.monotonic()
        if now - self._written >= STATISTICS_SECONDS:
            self._written = now
            self._statistics.write("running", len(self._flights))


@contextmanager
def _opened(plugins: Sequence[Input | Output]) -> Iterator[None]:
    """Open plugins; close those that were opened, the last one first."""
    opened: list[Input | Output] = []
    try:
        for plugin in plugins:
            plugin.open()
            opened.append(plugin)
        yield
    finally:
        for plugin in reversed(opened):
            plugin.close()


@contextmanager
def _signals_set(context: PipelineContext) -> Iterator[None]:
    """Let stop signals drain or stop the runner while the block runs; Python allows that in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        if context.drain_seconds and not context.draining.is_set():
            context.draining.set()
        else:
            context.stopping.set()

    previous = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _allow_many_files() -> None:
    """Raise this process's limit of open files as far as possible: it has a descriptor for each followed file."""
    _, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
