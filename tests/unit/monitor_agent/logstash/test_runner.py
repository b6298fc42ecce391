"""The loop of a pipeline acknowledges exactly what was delivered."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monitor_agent.logstash.compiler import Program
from monitor_agent.logstash.plugin import Event, EventBatch, PipelineContext
from monitor_agent.logstash.runner import Runner
from monitor_agent.settings import PipelineSettings


class OneBatch:
    """An input that gives one batch and then waits for more.

    Attributes
    ----------
    acknowledged : the positions that were acknowledged.
    """

    finished = False

    def __init__(self) -> None:
        self.acknowledged: list[Any] = []
        self._batches = [EventBatch([{"message": "1"}], position=1)]

    def open(self) -> None:
        """Do nothing."""

    def read(self, _limit: int) -> EventBatch | None:
        """Return the batch, or None the next time."""
        return self._batches.pop() if self._batches else None

    def acknowledge(self, positions: Sequence[Any]) -> None:
        """Collect the positions."""
        self.acknowledged += positions

    def close(self) -> None:
        """Do nothing."""


class DeliveredAtTheStop:
    """An output whose delivery ends only after the runner was told to stop."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def open(self) -> None:
        """Do nothing."""

    def prepare(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events as they are."""
        return events

    def send(self, _prepared: Sequence[Event]) -> None:
        """Ask the runner to stop, give it the time to do so, and deliver."""
        self._stopping.set()
        threading.Event().wait(0.3)

    def close(self) -> None:
        """Do nothing."""


def test_a_delivery_that_ends_during_the_stop_is_acknowledged(tmp_path: Path) -> None:
    """Without that, the next run would send its lines again."""
    settings = PipelineSettings(data_dir=str(tmp_path))
    context = PipelineContext(settings, io.BytesIO(), io.BytesIO(), "host-1")
    source = OneBatch()
    program = Program([source], [DeliveredAtTheStop(context.stopping)], {}, list, None)

    Runner(program, context).run()

    assert source.acknowledged == [1]
