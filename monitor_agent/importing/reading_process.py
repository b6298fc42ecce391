"""The rows of large files are read in a process of their own, while this one filters and sends those before them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from multiprocessing.connection import Connection
from types import TracebackType

from monitor_agent import log
from monitor_agent.errors import MonitorError, PipelineError, StoppedError
from monitor_agent.es.connection import open_gateway
from monitor_agent.importing.model_rules import MetModelSettings
from monitor_agent.importing.plans import ImportPlan
from monitor_agent.importing.portions import STOPPED, PortionReader, RowPortion
from monitor_agent.importing.row_portions import RowPortions, row_events
from monitor_agent.importing.sources import SourceFile
from monitor_agent.importing.stored_predictions import StoredPredictions
from monitor_agent.settings import Settings

WORTH_ROWS = 20_000
"""Fewer rows are read before another process has started."""
_POLL_SECONDS = 0.5
_END_SECONDS = 5.0
_ENDED = "the process that reads the rows has ended"


@dataclass(frozen=True)
class ReadingTask:
    """What a reading process is started with.

    Attributes
    ----------
    present : the time of the start of the import.
    joins_labels : whether the pipeline takes a prediction with its label in one line.
    """

    plan: ImportPlan
    settings: Settings
    present: datetime
    joins_labels: bool


def reading_process(rows: int) -> AbstractContextManager[ReadingProcess | None]:
    """Return a process that reads the rows; of few rows, or without a second processor for it, none."""
    return ReadingProcess() if rows >= WORTH_ROWS and (os.cpu_count() or 1) > 1 else nullcontext()


class ReadingProcess:
    """Reads files in another process, one portion ahead; a `PortionReader`, and a context manager."""

    def __init__(self) -> None:
        self._stopping: Callable[[], bool] = lambda: False
        # Not forked: the threads and connections of this process must not be copied.
        context = multiprocessing.get_context("spawn")
        self._connection, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(end,), name="import-rows", daemon=True)
        self._process.start()
        end.close()  # so that the end of either process closes the pipe

    def begin(self, task: ReadingTask, stopping: Callable[[], bool]) -> None:
        """Say what is to be read; this comes before the first file.

        Parameters
        ----------
        stopping : whether nobody waits for the rows any more.

        Raises
        ------
        PipelineError
            If the process has ended.
        """
        self._stopping = stopping
        self._send(task)

    def open(self, source: SourceFile, done: int, limit: int) -> None:
        """Begin a file after its first `done` rows, in portions of `limit` rows.

        Raises
        ------
        PipelineError
            If the process has ended.
        """
        self._send((source, done, limit))

    def take(self) -> RowPortion | None:
        """Return the next portion; None at the end of the file.

        Raises
        ------
        DataError
            If the file cannot be read, or its times lack an offset.
        PipelineError
            If the process has ended.
        StoppedError
            If nobody waits any more.
        """
        while not self._connection.poll(_POLL_SECONDS):
            if self._stopping():
                raise StoppedError(STOPPED)
        try:
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(answer, MonitorError):
            raise answer
        return answer if isinstance(answer, RowPortion) else None

    def __enter__(self) -> ReadingProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            raise self._ended() from error

    def _ended(self) -> PipelineError:
        return PipelineError(_ENDED, "was it killed, or is memory short? the same command goes on from there")


def local_portions(task: ReadingTask, rules: MetModelSettings, stored: StoredPredictions) -> RowPortions:
    """Return the reader of this process."""
    reader, events = row_events(task.plan, task.settings, rules.settings_at, task.present)
    return RowPortions(task.plan, reader, events, stored, joins_labels=task.joins_labels)


def _serve(connection: Connection) -> None:
    """Take a task, and send the portions of each file that is asked for; end with the pipe."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the other process says when to end
        signal.signal(number, signal.SIG_IGN)
    log.configure("monitor-agent", level="warning")
    with suppress(EOFError, OSError):  # the import is over, or its process was killed
        task: ReadingTask = connection.recv()
        with closing(open_gateway(task.settings.elasticsearch)) as gateway:

            @cache
            def portions() -> RowPortions:
                return local_portions(task, MetModelSettings(gateway, task.settings.agent), StoredPredictions(gateway))

            while True:
                for answer in _answers(portions, *connection.recv()):
                    connection.send(answer)


def _answers(
    reader: Callable[[], PortionReader], source: SourceFile, done: int, limit: int
) -> Iterator[RowPortion | MonitorError | None]:
    """Yield the portions of a file, then None, or the error that ends it: the other process reports it."""
    try:
        portions = reader()
        portions.open(source, done, limit)
        while (portion := portions.take()) is not None:
            yield portion
    except MonitorError as error:
        yield error
    except Exception as error:  # noqa: BLE001 - as above
        yield PipelineError(
            f"the rows of {source.path} cannot be read ({type(error).__name__}: {error})", "this is a defect"
        )
    else:
        yield None
