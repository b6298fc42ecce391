"""Micro-batching: one thread collects the instances of concurrent requests and lets the model compute them together."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from model_server.errors import ModelFailureError, PredictionTimeoutError, QueueFullError

_log = structlog.get_logger()


@dataclass(frozen=True)
class InstanceScore:
    """What the model said of one instance.

    Attributes
    ----------
    score : probability of a positive, the model's float32 as a float.
    queue_time, compute_time : waiting for the batch, and in the model, ns.
    batch_size : instances that the model computed together.
    """

    score: float
    queue_time: int
    compute_time: int
    batch_size: int


class _Ticket:
    """One request's place to wait: the answers so far, and whether anybody still waits for them."""

    def __init__(self, size: int) -> None:
        self.answers: list[InstanceScore | None] = [None] * size
        self.missing = size
        self.error: ModelFailureError | None = None
        self.done = threading.Event()

    def answer(self, index: int, scored: InstanceScore) -> None:
        self.answers[index] = scored
        self.missing -= 1
        if not self.missing:
            self.done.set()

    def fail(self, error: ModelFailureError) -> None:
        self.error = error
        self.done.set()


@dataclass(frozen=True)
class _Waiting:
    ticket: _Ticket
    index: int
    inputs: Any
    since: int


class Batcher:
    """Computes scores in batches, in the order of arrival.

    Parameters
    ----------
    compute : inputs of one kind -> their scores, of shape (n,); called by one thread.
    max_batch_size : instances computed together.
    max_delay_seconds : how long the first of a batch waits for others; 0 = takes what is there.
    max_queue : instances that may wait; a request that does not fit is refused as a whole.
    timeout_seconds : longest wait of a request.
    """

    def __init__(
        self,
        compute: Callable[[list[Any]], Sequence[Any] | Any],
        *,
        max_batch_size: int,
        max_delay_seconds: float,
        max_queue: int,
        timeout_seconds: float,
    ) -> None:
        self._compute = compute
        self._max_batch_size = max_batch_size
        self._max_delay_seconds = max_delay_seconds
        self._max_queue = max_queue
        self._timeout_seconds = timeout_seconds
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self.batches = 0
        self.computed = 0

    def start(self) -> None:
        """Start the thread that computes."""
        self._thread.start()

    def stop(self) -> None:
        """Compute what waits, then end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(self._timeout_seconds)

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    @property
    def depth(self) -> int:
        """Instances that wait."""
        return len(self._queue)

    def score(self, inputs: Sequence[Any]) -> list[InstanceScore]:
        """Return what the model says of each instance, in the order given.

        Raises
        ------
        QueueFullError : when they do not fit into the queue; none of them is computed.
        PredictionTimeoutError : when the answer takes too long; what still waits is dropped.
        ModelFailureError : when the model fails on them, or gives what is no probability.
        """
        ticket = _Ticket(len(inputs))
        now = time.perf_counter_ns()
        with self._changed:
            if len(self._queue) + len(inputs) > self._max_queue:
                raise QueueFullError(f"{len(self._queue)} instances wait for the model already; try again later")
            self._queue.extend(_Waiting(ticket, index, each, now) for index, each in enumerate(inputs))
            self._changed.notify_all()
        if not ticket.done.wait(self._timeout_seconds):
            self._forget(ticket)
            raise PredictionTimeoutError(f"the model did not answer within {self._timeout_seconds:g} s")
        if ticket.error:
            self._forget(ticket)
            raise ticket.error
        return [scored for scored in ticket.answers if scored is not None]

    def _forget(self, ticket: _Ticket) -> None:
        with self._changed:
            kept = [each for each in self._queue if each.ticket is not ticket]
            self._queue.clear()
            self._queue.extend(kept)

    def _work(self) -> None:
        while batch := self._take():
            kinds = {type(each.inputs) for each in batch}
            for kind in kinds:
                self._serve([each for each in batch if type(each.inputs) is kind])

    def _take(self) -> list[_Waiting]:
        """Return the next batch; an empty one when the batcher stops."""
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            if self._max_delay_seconds and self._queue:
                self._wait_for_more(self._queue[0].since + int(self._max_delay_seconds * 1e9))
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch_size))]

    def _wait_for_more(self, until: int) -> None:
        while len(self._queue) < self._max_batch_size and not self._stopping:
            left = until - time.perf_counter_ns()
            if left <= 0:
                return
            self._changed.wait(left / 1e9)

    def _serve(self, batch: list[_Waiting]) -> None:
        began = time.perf_counter_ns()
        try:
            scores = [float(score) for score in self._compute([each.inputs for each in batch])]
        except Exception as error:  # noqa: BLE001  whatever the model raises is an answer to the request, not our end
            self._serve_apart(batch, error)
            return
        spent = time.perf_counter_ns() - began
        self.batches += 1
        self.computed += len(batch)
        for each, score in zip(batch, scores, strict=True):
            if not math.isfinite(score) or not 0 <= score <= 1:
                each.ticket.fail(ModelFailureError(f"the model's score is {score}, not a probability"))
            else:
                each.ticket.answer(each.index, InstanceScore(score, began - each.since, spent, len(batch)))

    def _serve_apart(self, batch: list[_Waiting], error: Exception) -> None:
        """Compute each request's instances by themselves, so that one bad request does not fail the others."""
        tickets = {id(each.ticket): each.ticket for each in batch}
        if len(tickets) == 1:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            _log.error("model failed", **{"error.type": type(error).__name__, "error.message": reason})
            batch[0].ticket.fail(ModelFailureError(f"the model failed ({reason[:300]})"))
            return
        for ticket in tickets.values():
            self._serve([each for each in batch if each.ticket is ticket])
