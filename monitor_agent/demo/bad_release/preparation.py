"""Writes the lines of a world, and filters them, in a process of its own that works ahead of the replay.

The agent of the replay waits for Elasticsearch half of its time; a second processor makes the next hours meanwhile.
What is made ahead does not reach Elasticsearch before its time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import queue
import signal
import socket
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path

from monitor_agent.demo.bad_release.traffic import TrafficWriter
from monitor_agent.demo.bad_release.world import World
from monitor_agent.demo.delivery import Documents, LineFilter, compiled
from monitor_agent.demo.event_lines import ReplayClock, services
from monitor_agent.errors import MonitorError, PipelineError
from monitor_agent.gc_tuning import rare_garbage_collection
from monitor_agent.settings import Settings

AHEAD = 80
"""Steps that may wait for the replay: a step is half an hour, some 500 documents, a megabyte as bytes."""
LOOK_SECONDS = 2.0
"""How often each process looks whether the other one is still there."""


@dataclass(frozen=True)
class Step:
    """What arrives between two moments.

    Attributes
    ----------
    documents : of the lines that arrive.
    predictions, clicks, lost : lines written so far; lines of them that never arrive.
    """

    documents: Documents
    predictions: int
    clicks: int
    lost: int


@dataclass(frozen=True)
class Order:
    """What is to be prepared.

    Attributes
    ----------
    settings : with the configuration of the pipeline.
    folder : for event files.
    moments : the ends of the steps.
    """

    world: World
    settings: Settings
    folder: Path
    moments: Sequence[datetime]

    @property
    def data_dir(self) -> Path:
        """The folder of the pipeline."""
        return self.folder.parent / "pipeline"


@dataclass(frozen=True)
class _Failure:
    """An error of the process: a user's in one line, or a defect with where it happened."""

    message: str
    hint: str


@contextlib.contextmanager
def prepared_ahead(order: Order) -> Iterator[Iterator[Step]]:
    """Yield the steps of an order, one for each moment; the process ends with the block."""
    context = multiprocessing.get_context("spawn")
    steps: multiprocessing.Queue[bytes] = context.Queue(AHEAD)
    process = context.Process(target=_prepare, args=(order, steps), name="preparation", daemon=True)
    process.start()
    try:
        yield _received(process, steps, len(order.moments))
    finally:
        process.terminate()
        process.join()
        steps.close()


def _received(process: BaseProcess, steps: multiprocessing.Queue[bytes], count: int) -> Iterator[Step]:
    for _ in range(count):
        while True:
            try:
                step: Step | _Failure = pickle.loads(steps.get(timeout=LOOK_SECONDS))
                break
            except queue.Empty:
                if not process.is_alive():
                    raise PipelineError(
                        f"the process that writes the lines has ended (exit status {process.exitcode})",
                        "run the scenario again",
                    ) from None
        if isinstance(step, _Failure):
            raise PipelineError(step.message, step.hint)
        yield step


def _prepare(order: Order, steps: multiprocessing.Queue[bytes]) -> None:
    """Prepare all steps, as the target of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the replay ends this process
    try:
        with rare_garbage_collection():
            for step in _prepared(order):
                _put(steps, step)
    except MonitorError as error:
        _put(steps, _Failure(error.message, error.hint))
    except Exception:  # noqa: BLE001 - the replay tells of it
        _put(steps, _Failure(f"the lines could not be written ({traceback.format_exc()})", "this is a defect"))


def _prepared(order: Order) -> Iterator[Step]:
    clock = ReplayClock(order.world.start)
    models = [model.name for model in order.world.models]
    program, _ = compiled(order.settings, order.data_dir, socket.gethostname())
    line_filter = LineFilter(program)
    with services(order.folder, models, clock) as files:
        writer = TrafficWriter(order.world, files, clock)
        for until in order.moments:
            documents = line_filter.documents(writer.lines(until))
            yield Step(documents, writer.predictions, writer.clicks, writer.lost)


def _put(steps: multiprocessing.Queue[bytes], step: Step | _Failure) -> None:
    """Put a step as soon as there is room; end the process if nobody takes it any more."""
    content = pickle.dumps(step)  # at once: as bytes, a step that waits takes little memory
    while True:
        try:
            return steps.put(content, timeout=LOOK_SECONDS)
        except queue.Full:
            parent = multiprocessing.parent_process()
            if parent is None or not parent.is_alive():
                steps.cancel_join_thread()
                sys.exit(1)
