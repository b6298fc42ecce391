"""Micro-batching: the instances of concurrent requests are computed together."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from model_server.batch_tickets import BatchTimes, BlockingTicket, InstanceScore, Portion, Ticket
from model_server.engines.engine import BatchResult
from model_server.errors import (
    ModelFailureError,
    PredictionTimeoutError,
    QueueFullError,
    RefusedInputsError,
)
from monitor_agent.contracts.bounds import PROBABILITY, Bounds

LEAST_BESIDE = 8
"""So many instances cost hardly more each than a full batch: they need not wait for one that is computed."""

FAST_SHARE = 0.02
"""A model is fast if a batch takes at most this share of the longest wait of a request."""
_log = structlog.get_logger()


@dataclass(frozen=True)
class BatchLimits:
    """The limits of a batcher.

    Attributes
    ----------
    max_batch_size : instances computed together.
    max_delay_seconds : how long the first instance of a batch waits for more; 0 = it does not wait.
    max_queue : instances that may wait; a request is refused as a whole if it does not fit.
    timeout_seconds : longest wait of a request.
    parallel : batches computed at a time; all but the first one have `LEAST_BESIDE` instances at least.
    """

    max_batch_size: int
    max_delay_seconds: float
    max_queue: int
    timeout_seconds: float
    parallel: int = 1


class Batcher:
    """Computes scores in batches, in the order of arrival.

    While the model is fast, the thread of a request that finds it idle computes the batch itself, and then hands the
    model over to the first thread that waits: a switch between threads costs more than a small batch. A model that is
    slow, or that nobody has timed yet, is called by threads of the batcher, so that each request ends in time.

    Parameters
    ----------
    compute : turns inputs of one group into their scores.
    group_of : what inputs that can be computed together have in common.
    bounds : of each score.
    """

    def __init__(
        self,
        compute: Callable[[list[Any]], BatchResult],
        limits: BatchLimits,
        *,
        group_of: Callable[[Any], Hashable] = type,
        bounds: Bounds = PROBABILITY,
    ) -> None:
        self._compute = compute
        self._group_of = group_of
        self._bounds = bounds
        self._expectation = "a probability" if bounds is PROBABILITY else f"a {bounds}"
        self._max_batch_size = limits.max_batch_size
        self._max_delay_seconds = limits.max_delay_seconds
        self._max_queue = limits.max_queue
        self.timeout_seconds = limits.timeout_seconds
        self._parallel = limits.parallel
        self._fast_ns = limits.timeout_seconds * 1e9 * FAST_SHARE
        self._queue: deque[Ticket] = deque()
        self._waiting = 0
        self._changed = threading.Condition(threading.Lock())
        self._stopping = False
        self._busy = 0
        self._is_fast = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batcher-{number}", daemon=True)
            for number in range(limits.parallel)
        ]
        self._times = BatchTimes()
        self.batches = 0
        self.computed = 0

    def start(self) -> None:
        """Start the threads that compute."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Compute the instances that wait, then end the threads."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        until = time.monotonic() + self.timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    @property
    def running(self) -> bool:
        """Whether the threads are alive."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def depth(self) -> int:
        """How many instances wait."""
        return self._waiting

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
        ticket = BlockingTicket(inputs)
        with self._changed:
            self._append(ticket)
            if self._is_fast and not self._busy:
                self._busy, ticket.leads = 1, True
            else:
                self._notify()
        try:
            if not ticket.leads and not ticket.wait(self.timeout_seconds):
                raise self.late()
            while ticket.leads and not ticket.done:
                batch = self._take()
                self._serve_groups(batch)
                if not batch and not ticket.wait(self.timeout_seconds):  # another thread computes the rest
                    raise self.late()
        finally:
            self._leave(ticket)
        return ticket.result()

    def submit(self, inputs: Sequence[Any], finished: Callable[[], None]) -> Ticket:
        """Let the instances of a request wait; `advance` lets them be computed.

        Parameters
        ----------
        finished : called when the ticket has all scores or an error, in the thread that has computed them.

        Raises
        ------
        QueueFullError
            If the instances do not fit into the queue; none of them is computed.
        """
        ticket = Ticket(inputs, finished)
        with self._changed:
            self._append(ticket)
        return ticket

    def advance(self, longest_ns: int) -> None:
        """Compute a batch now if that takes at most `longest_ns`, as far as is known; else wake up the threads."""
        with self._changed:
            if not self._waiting:
                return
            size = min(self._waiting, self._max_batch_size)
            if self._busy or self._max_delay_seconds or self._times.expected(size) > longest_ns:
                self._notify()
                return
            self._busy = 1
        self._serve_groups(self._take())
        with self._changed:
            self._hand_over()

    def drop(self, ticket: Ticket) -> None:
        """Take what is left of a request out of the queue."""
        with self._changed:
            self._drop(ticket)

    def late(self) -> PredictionTimeoutError:
        """Return the error of a request that has waited for too long."""
        return PredictionTimeoutError(f"the model did not answer within {self.timeout_seconds:g} s")

    def _append(self, ticket: Ticket) -> None:
        if self._waiting + len(ticket.inputs) > self._max_queue:
            raise QueueFullError(f"{self._waiting} instances already wait for the model; try again later")
        self._queue.append(ticket)
        self._waiting += len(ticket.inputs)

    def _drop(self, ticket: Ticket) -> None:
        left = len(ticket.inputs) - ticket.begun
        if left and ticket in self._queue:
            self._queue.remove(ticket)
            self._waiting -= left
            ticket.begun += left

    def _leave(self, ticket: BlockingTicket) -> None:
        """Take what is left of a request out of the queue; if its thread leads, it hands the model over."""
        if not ticket.missing and not ticket.leads:
            return
        with self._changed:
            self._drop(ticket)
            if ticket.leads:
                self._hand_over()

    def _hand_over(self) -> None:
        """End a batch: the first request that waits leads if its thread can and the model is fast; the lock is held."""
        self._busy -= 1
        if not self._queue:
            if self._stopping:
                self._changed.notify_all()
            return
        first = self._queue[0]
        if first.is_blocking and self._is_fast and not self._stopping and not self._busy:
            self._busy, first.leads = 1, True
            first.finish()
            return
        self._notify()

    def _notify(self) -> None:
        """Wake up the threads if there is something to do for them; the lock is held."""
        if self._max_delay_seconds or self._is_due():
            self._changed.notify_all()

    def _is_due(self) -> bool:
        """Whether one more thread is to compute a batch; the lock is held."""
        if not self._busy:
            return bool(self._queue)
        return self._busy < self._parallel and self._waiting >= min(LEAST_BESIDE, self._max_batch_size)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._is_due():
                    if self._stopping and not self._queue:
                        return
                    self._changed.wait()
                self._busy += 1
            self._serve_groups(self._take())
            with self._changed:
                self._hand_over()

    def _take(self) -> list[Portion]:
        """Return the next batch; an empty one if nothing waits."""
        with self._changed:
            if self._max_delay_seconds and self._queue:
                self._wait_for_more(self._queue[0].since + int(self._max_delay_seconds * 1e9))
            portions, room = [], self._max_batch_size
            while self._queue and room:
                ticket = self._queue[0]
                start, ticket.begun = ticket.begun, min(ticket.begun + room, len(ticket.inputs))
                portions.append(Portion(ticket, start, ticket.begun))
                room -= ticket.begun - start
                if ticket.begun == len(ticket.inputs):
                    self._queue.popleft()
            self._waiting -= self._max_batch_size - room
            return portions

    def _wait_for_more(self, until: int) -> None:
        while self._waiting < self._max_batch_size and not self._stopping:
            left = until - time.perf_counter_ns()
            if left <= 0:
                return
            self._changed.wait(left / 1e9)

    def _serve_groups(self, batch: list[Portion]) -> None:
        """Compute a batch; instances of different groups are computed apart."""
        if not batch:  # another thread was faster
            return
        began = time.perf_counter_ns()
        groups: dict[Hashable, list[Portion]] = {}
        for portion in batch:
            for group, piece in self._pieces(portion):
                groups.setdefault(group, []).append(piece)
        for pieces in groups.values():
            self._serve(pieces)
        spent = time.perf_counter_ns() - began
        self._times.add(sum(portion.size for portion in batch), spent)
        self._is_fast = spent <= self._fast_ns

    def _pieces(self, portion: Portion) -> list[tuple[Hashable, Portion]]:
        """Return the pieces of a portion whose instances are of one group, in their order."""
        inputs = portion.ticket.inputs
        pieces: list[tuple[Hashable, Portion]] = []
        start, group = portion.start, self._group_of(inputs[portion.start])
        for index in range(portion.start + 1, portion.stop):
            following = self._group_of(inputs[index])
            if following != group:
                pieces.append((group, Portion(portion.ticket, start, index)))
                start, group = index, following
        pieces.append((group, Portion(portion.ticket, start, portion.stop)))
        return pieces

    def _serve(self, batch: list[Portion]) -> None:
        began = time.perf_counter_ns()
        inputs = [entry for portion in batch for entry in portion.ticket.inputs[portion.start : portion.stop]]
        try:
            result = self._compute(inputs)
            scores = [_classes(row) for row in np.asarray(result.scores).tolist()]
            if len(scores) != len(inputs):
                raise ValueError(f"the model gave {len(scores)} scores for {len(inputs)} instances")
        except Exception as error:  # noqa: BLE001  an error of the model is an answer to the request and must not end the thread
            self._serve_each_request(batch, error)
            return
        spent, first = time.perf_counter_ns() - began, 0
        for portion in batch:
            of_portion = scores[first : first + portion.size]
            values = (value for score, classes in of_portion for value in (score, *classes))
            wrong = next((value for value in values if not self._bounds.hold(value)), None)
            if wrong is not None:
                portion.ticket.error = ModelFailureError(f"the model's score is {wrong}, not {self._expectation}")
            waited = began - portion.ticket.since
            portion.ticket.put(
                portion.start,
                [
                    InstanceScore(score, waited, spent, len(inputs), classes, result.outputs, row, result.engine)
                    for row, (score, classes) in enumerate(of_portion, first)
                ],
            )
            first += portion.size
        with self._changed:
            self.batches += 1
            self.computed += len(inputs)
        self._settle(batch)

    def _serve_each_request(self, batch: list[Portion], error: Exception) -> None:
        """Compute the requests of a batch one by one, so that one bad request does not fail the rest."""
        tickets = {id(portion.ticket): portion.ticket for portion in batch}
        if len(tickets) == 1 and isinstance(error, RefusedInputsError):
            batch[0].ticket.error = error
            self._settle(batch)
            return
        if len(tickets) == 1:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            _log.error("model failed", **{"error.type": type(error).__name__, "error.message": reason})
            batch[0].ticket.error = ModelFailureError(f"the model failed ({reason[:300]})")
            self._settle(batch)
            return
        for ticket in tickets.values():
            self._serve([portion for portion in batch if portion.ticket is ticket])

    def _settle(self, batch: list[Portion]) -> None:
        """Count the computed instances of each request, and say to those that are complete, or have failed, so."""
        finished_tickets = []
        with self._changed:
            for portion in batch:
                portion.ticket.missing -= portion.size
                if portion.ticket.done and not portion.ticket.is_settled:
                    portion.ticket.is_settled = True
                    self._drop(portion.ticket)
                    finished_tickets.append(portion.ticket)
        for ticket in finished_tickets:
            ticket.finish()


def _classes(row: Any) -> tuple[float, tuple[float, ...]]:
    """Return the score of a row, and the probabilities of its classes if it has several."""
    return (max(row), tuple(row)) if isinstance(row, list) else (float(row), ())
