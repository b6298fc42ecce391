"""Micro-batching: one thread collects the instances of concurrent requests, and the model computes them together."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog

from model_server.engines.engine import BatchResult
from model_server.errors import (
    ModelFailureError,
    PredictionTimeoutError,
    QueueFullError,
    RefusedInputsError,
    RequestError,
)
from monitor_agent.contracts.bounds import PROBABILITY, Bounds

FAST_SHARE = 0.02
"""A model is fast if a batch takes at most this share of the longest wait of a request."""
_log = structlog.get_logger()


@dataclass(frozen=True)
class InstanceScore:
    """The model's score of one instance.

    Attributes
    ----------
    score : probability of a positive, or the number of a regression: the model's float32 as a float. For a multiclass
        model, the probability of the predicted class.
    classes : the probability of each class of a multiclass model; empty for other kinds.
    outputs, row : the outputs of its batch by name, and its row in them; empty if nobody has asked for them.
    engine : what has computed it; "" = nobody says it.
    queue_time, compute_time : time of waiting for the batch, and time in the model, ns.
    batch_size : instances that the model computed together.
    """

    score: float
    queue_time: int
    compute_time: int
    batch_size: int
    classes: tuple[float, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict, compare=False)
    row: int = field(default=0, compare=False)
    engine: str = ""


class _Ticket:
    """One request in the queue: the scores so far, and a lock that is free when the request's thread must wake up."""

    def __init__(self, size: int) -> None:
        self.scores: list[InstanceScore | None] = [None] * size
        self.missing = size
        self.error: RequestError | None = None
        self.leads = False
        self._wake = threading.Lock()
        self._wake.acquire()

    @property
    def done(self) -> bool:
        return not self.missing or self.error is not None

    def answer(self, index: int, score: InstanceScore) -> None:
        self.scores[index] = score
        self.missing -= 1
        if not self.missing:
            self.wake()

    def fail(self, error: RequestError) -> None:
        self.error = error
        self.wake()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is awake already
            self._wake.release()

    def wait(self, seconds: float) -> bool:
        """Return whether somebody has woken the thread in time."""
        return self._wake.acquire(timeout=seconds)


@dataclass(frozen=True)
class _QueuedInstance:
    ticket: _Ticket
    index: int
    inputs: Any
    since: int


class Batcher:
    """Computes scores in batches, in the order of arrival.

    While the model is fast, the thread of a request that finds it idle computes the batch itself, and then hands the
    model over to the first thread that waits: a switch between threads costs more than a small batch. A model that is
    slow, or that nobody has timed yet, is called by a thread of its own, so that each request ends in time.

    Parameters
    ----------
    compute : turns inputs of one group into their scores; one thread calls it at a time.
    group_of : what inputs that can be computed together have in common.
    bounds : of each score.
    max_batch_size : instances computed together.
    max_delay_seconds : how long the first instance of a batch waits for more; 0 = it does not wait.
    max_queue : instances that may wait; a request is refused as a whole if it does not fit.
    timeout_seconds : longest wait of a request.
    """

    def __init__(
        self,
        compute: Callable[[list[Any]], BatchResult],
        *,
        group_of: Callable[[Any], Hashable] = type,
        bounds: Bounds = PROBABILITY,
        max_batch_size: int,
        max_delay_seconds: float,
        max_queue: int,
        timeout_seconds: float,
    ) -> None:
        self._compute = compute
        self._group_of = group_of
        self._bounds = bounds
        self._expectation = "a probability" if bounds is PROBABILITY else f"a {bounds}"
        self._max_batch_size = max_batch_size
        self._max_delay_seconds = max_delay_seconds
        self._max_queue = max_queue
        self._timeout_seconds = timeout_seconds
        self._fast_ns = timeout_seconds * 1e9 * FAST_SHARE
        self._queue: deque[_QueuedInstance] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._stopping = False
        self._is_busy = False
        self._is_fast = False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)
        self.batches = 0
        self.computed = 0

    def start(self) -> None:
        """Start the thread that computes."""
        self._thread.start()

    def stop(self) -> None:
        """Compute the instances that wait, then end the thread."""
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
        """How many instances wait."""
        return len(self._queue)

    def score(self, inputs: Sequence[Any]) -> list[InstanceScore]:
        """Return the score of each instance, in the order of the inputs.

        Raises
        ------
        QueueFullError
            If the instances do not fit into the queue; none of them is computed.
        PredictionTimeoutError
            If the answer takes too long; instances that still wait are dropped.
        RefusedInputsError
            If the model refuses the values of the instances.
        ModelFailureError
            If the model fails, or if a score is no probability.
        """
        ticket = _Ticket(len(inputs))
        now = time.perf_counter_ns()
        with self._changed:
            if len(self._queue) + len(inputs) > self._max_queue:
                raise QueueFullError(f"{len(self._queue)} instances already wait for the model; try again later")
            self._queue.extend(_QueuedInstance(ticket, index, instance, now) for index, instance in enumerate(inputs))
            if self._is_fast and not self._is_busy:
                self._is_busy = ticket.leads = True
            elif self._max_delay_seconds or not self._is_busy:
                self._changed.notify_all()
        try:
            if not ticket.leads and not ticket.wait(self._timeout_seconds):
                raise PredictionTimeoutError(f"the model did not answer within {self._timeout_seconds:g} s")
            while ticket.leads and not ticket.done:
                self._serve_groups(self._take())
        finally:
            self._leave(ticket)
        if ticket.error:
            raise ticket.error
        return [score for score in ticket.scores if score is not None]

    def _leave(self, ticket: _Ticket) -> None:
        """Take what is left of a request out of the queue; if its thread leads, it hands the model over."""
        if not ticket.missing and not ticket.leads:
            return
        with self._changed:
            if ticket.missing:
                remaining = [queued for queued in self._queue if queued.ticket is not ticket]
                self._queue.clear()
                self._queue.extend(remaining)
            if ticket.leads:
                self._hand_over()

    def _hand_over(self) -> None:
        """Let the first request that waits lead, or the batcher's thread if the model is slow; the lock is held."""
        if self._queue and self._is_fast and not self._stopping:
            first = self._queue[0].ticket
            first.leads = True
            first.wake()
            return
        self._is_busy = False
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._is_busy or not (self._queue or self._stopping):
                    self._changed.wait()
                if not self._queue:
                    return
                self._is_busy = True
            while batch := self._take():
                self._serve_groups(batch)
                if self._is_fast:
                    break
            with self._changed:
                self._hand_over()

    def _take(self) -> list[_QueuedInstance]:
        """Return the next batch; an empty one if nothing waits."""
        with self._changed:
            if self._max_delay_seconds and self._queue:
                self._wait_for_more(self._queue[0].since + int(self._max_delay_seconds * 1e9))
            return [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch_size))]

    def _wait_for_more(self, until: int) -> None:
        while len(self._queue) < self._max_batch_size and not self._stopping:
            left = until - time.perf_counter_ns()
            if left <= 0:
                return
            self._changed.wait(left / 1e9)

    def _serve_groups(self, batch: list[_QueuedInstance]) -> None:
        began = time.perf_counter_ns()
        groups: dict[Hashable, list[_QueuedInstance]] = {}
        for queued in batch:
            groups.setdefault(self._group_of(queued.inputs), []).append(queued)
        for group in groups.values():
            self._serve(group)
        self._is_fast = time.perf_counter_ns() - began <= self._fast_ns

    def _serve(self, batch: list[_QueuedInstance]) -> None:
        began = time.perf_counter_ns()
        try:
            result = self._compute([queued.inputs for queued in batch])
            scores = [_classes(row) for row in result.scores]
        except Exception as error:  # noqa: BLE001  an error of the model is an answer to the request and must not end the thread
            self._serve_each_request(batch, error)
            return
        spent = time.perf_counter_ns() - began
        self.batches += 1
        self.computed += len(batch)
        for row, (queued, (score, classes)) in enumerate(zip(batch, scores, strict=True)):
            wrong = next((value for value in (score, *classes) if not self._bounds.hold(value)), None)
            if wrong is None:
                waited = began - queued.since
                computed = InstanceScore(score, waited, spent, len(batch), classes, result.outputs, row, result.engine)
                queued.ticket.answer(queued.index, computed)
            else:
                queued.ticket.fail(ModelFailureError(f"the model's score is {wrong}, not {self._expectation}"))

    def _serve_each_request(self, batch: list[_QueuedInstance], error: Exception) -> None:
        """Compute the requests of a batch one by one, so that one bad request does not fail the rest."""
        tickets = {id(queued.ticket): queued.ticket for queued in batch}
        if len(tickets) == 1 and isinstance(error, RefusedInputsError):
            batch[0].ticket.fail(error)
            return
        if len(tickets) == 1:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            _log.error("model failed", **{"error.type": type(error).__name__, "error.message": reason})
            batch[0].ticket.fail(ModelFailureError(f"the model failed ({reason[:300]})"))
            return
        for ticket in tickets.values():
            self._serve([queued for queued in batch if queued.ticket is ticket])


def _classes(row: Any) -> tuple[float, tuple[float, ...]]:
    """Return the score of a row, and the probabilities of its classes if it has several."""
    if np.ndim(row) == 0:
        return float(row), ()
    classes = tuple(float(value) for value in row)
    return max(classes), classes
