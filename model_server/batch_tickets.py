"""One request that waits for the model, the portions of it that are computed together, and how long batches take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model_server.errors import RequestError

UNKNOWN_NS = 1 << 62


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


class Ticket:
    """One request in the queue: its instances, and the scores so far.

    Attributes
    ----------
    begun : how many of its instances have left the queue.
    missing : how many of its instances have no score yet.
    leads : whether the thread of the request computes the next batch.
    is_settled : whether `finish` was called, or is about to be.

    Parameters
    ----------
    finished : called when it has all scores or an error, by the thread that has computed the last one; it is forgotten
        then, because what it refers to refers to the ticket, and Python frees no circle at once.
    """

    def __init__(self, inputs: Sequence[Any], finished: Callable[[], None] | None = None) -> None:
        self.inputs = inputs
        self.since = time.perf_counter_ns()
        self.begun = 0
        self.missing = len(inputs)
        self.error: RequestError | None = None
        self.leads = False
        self.is_blocking = False
        self.is_settled = False
        self._finished = finished
        self._scores: list[InstanceScore | None] = [None] * len(inputs)

    @property
    def done(self) -> bool:
        """Whether it has all scores, or an error."""
        return not self.missing or self.error is not None

    def finish(self) -> None:
        """Say that it has all scores, or an error."""
        finished, self._finished = self._finished, None
        if finished is not None:
            finished()

    def put(self, start: int, scores: Sequence[InstanceScore]) -> None:
        """Keep the scores of the instances from `start` on."""
        self._scores[start : start + len(scores)] = scores

    def result(self) -> list[InstanceScore]:
        """Return the scores, in the order of the inputs.

        Raises
        ------
        RequestError
            If the request has failed.
        """
        if self.error:
            raise self.error
        return [score for score in self._scores if score is not None]


class BlockingTicket(Ticket):
    """A request whose thread waits: a lock is free when the thread must wake up."""

    def __init__(self, inputs: Sequence[Any]) -> None:
        super().__init__(inputs)
        self.is_blocking = True
        self._wake = threading.Semaphore(0)

    def finish(self) -> None:
        self._wake.release()

    def wait(self, seconds: float) -> bool:
        """Return whether somebody has woken the thread in time."""
        return self._wake.acquire(timeout=seconds)


@dataclass(frozen=True)
class Portion:
    """Instances of one request that are computed together: those from `start` to before `stop`."""

    ticket: Ticket
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


class BatchTimes:
    """How long batches take, by size: the faster ones of the latest count most.

    Other work on the machine makes a batch slow now and then; that says nothing about the model.
    """

    def __init__(self) -> None:
        self._spent: dict[int, int] = {}

    def add(self, size: int, spent: int) -> None:
        """Note that a batch of `size` instances has taken `spent` ns."""
        before = self._spent.get(size.bit_length(), spent)
        weight = 2 if spent < before else 8
        self._spent[size.bit_length()] = before + (spent - before) // weight

    def expected(self, size: int) -> int:
        """Return how long a batch may take, ns; very long if no batch of about this size was timed.

        >>> times = BatchTimes()
        >>> times.add(5, 3000)
        >>> times.expected(7), times.expected(8) == UNKNOWN_NS
        (3000, True)
        """
        return self._spent.get(size.bit_length(), UNKNOWN_NS)
