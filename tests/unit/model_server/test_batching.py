"""Concurrent requests are computed together, in bounds, and do not harm each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from model_server.batching import Batcher, InstanceScore
from model_server.errors import ModelFailureError, PredictionTimeoutError, QueueFullError, RequestError
from tests.unit.model_server.factories import make_batcher


class Gate:
    """A model that scores a number as itself, records its batches, and waits while the gate is shut."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.open = threading.Event()
        self.entered = threading.Event()
        self.open.set()

    def compute(self, inputs: list[Any]) -> list[float]:
        self.batches.append(inputs)
        self.entered.set()
        assert self.open.wait(10)
        if "bad" in inputs:
            raise ValueError("bad input\nwith details")
        return [float(each) for each in inputs]


@contextmanager
def running(compute: Callable[[list[Any]], Any], **changes: Any) -> Iterator[Batcher]:
    batcher = make_batcher(compute, **changes)
    batcher.start()
    try:
        yield batcher
    finally:
        batcher.stop()


def wait_for_depth(batcher: Batcher, depth: int) -> None:
    """Return when so many instances wait."""
    pause = threading.Event()
    for _ in range(1000):
        if batcher.depth == depth:
            return
        pause.wait(0.01)
    raise AssertionError(f"{batcher.depth} instances wait, not {depth}")


def test_answers_come_in_the_order_given() -> None:
    """More instances than a batch holds are computed in several, and put together again."""
    gate = Gate()
    with running(gate.compute, max_batch_size=4) as batcher:
        scored = batcher.score([each / 10 for each in range(10)])

    assert [each.score for each in scored] == [each / 10 for each in range(10)]
    assert [each.batch_size for each in scored] == [4, 4, 4, 4, 4, 4, 4, 4, 2, 2]
    assert (batcher.batches, batcher.computed) == (3, 10)


def test_what_waits_is_computed_together() -> None:
    """While the model is busy requests gather, and share the next batch."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute) as batcher, ThreadPoolExecutor(5) as pool:
        first = pool.submit(batcher.score, [0.5])
        assert gate.entered.wait(10)
        others = [pool.submit(batcher.score, [each / 10]) for each in range(4)]
        wait_for_depth(batcher, 4)
        gate.open.set()

        assert first.result()[0].batch_size == 1
        assert [other.result()[0] for other in others] == [
            InstanceScore(each / 10, other.result()[0].queue_time, other.result()[0].compute_time, 4)
            for each, other in enumerate(others)
        ]
        assert all(other.result()[0].queue_time > 0 for other in others)


def test_a_first_request_waits_for_others_where_it_may() -> None:
    """With a delay, a batch is computed as soon as it is full, long before the delay is over."""
    gate = Gate()
    with running(gate.compute, max_batch_size=3, max_delay_seconds=15.0) as batcher, ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(batcher.score, [0.5]) for _ in range(3)]
        sizes = [future.result(10)[0].batch_size for future in futures]

    assert sizes == [3, 3, 3]


def test_a_delay_ends_without_others() -> None:
    """A batch that does not fill is computed when the delay is over."""
    with running(Gate().compute, max_delay_seconds=0.01) as batcher:
        assert batcher.score([0.5])[0].queue_time >= 10_000_000


def test_kinds_of_input_are_computed_apart() -> None:
    """Ids and texts need different calls: a batch is split by kind, and its size counts one kind."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute) as batcher, ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher.score, [0.0])
        assert gate.entered.wait(10)
        mixed = pool.submit(batcher.score, ["0.25", 0.5, "0.75"])
        wait_for_depth(batcher, 3)
        gate.open.set()
        first.result()

    assert [(each.score, each.batch_size) for each in mixed.result()] == [(0.25, 2), (0.5, 1), (0.75, 2)]
    assert sorted(map(len, gate.batches)) == [1, 1, 2]


def test_a_full_queue_refuses_the_whole_request() -> None:
    """What does not fit is refused at once, and none of it is computed."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute, max_queue=3) as batcher, ThreadPoolExecutor(2) as pool:
        pool.submit(batcher.score, [0.0])
        assert gate.entered.wait(10)
        waiting = pool.submit(batcher.score, [0.25, 0.25])
        wait_for_depth(batcher, 2)
        with pytest.raises(QueueFullError, match="2 instances wait"):
            batcher.score([0.5, 0.5])
        gate.open.set()
        waiting.result()

    assert [0.5, 0.5] not in gate.batches
    assert sum(map(len, gate.batches)) == 3


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    """The request fails, and what still waits of it is not computed."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute, timeout_seconds=0.1) as batcher, ThreadPoolExecutor(1) as pool:
        busy = pool.submit(batcher.score, [0.0])
        assert gate.entered.wait(10)
        with pytest.raises(PredictionTimeoutError, match=r"within 0\.1 s"):
            batcher.score([0.5])
        assert batcher.depth == 0
        gate.open.set()
        with pytest.raises(PredictionTimeoutError):
            busy.result()

    assert [0.5] not in gate.batches


def test_a_bad_request_does_not_fail_its_neighbours() -> None:
    """When a shared batch fails, each request is computed by itself: only the bad one fails."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute) as batcher, ThreadPoolExecutor(3) as pool:
        first = pool.submit(batcher.score, ["0.0"])
        assert gate.entered.wait(10)
        good, bad = pool.submit(batcher.score, ["0.5"]), pool.submit(batcher.score, ["0.25", "bad"])
        wait_for_depth(batcher, 3)
        gate.open.set()
        first.result()

        assert good.result()[0].score == 0.5
        with pytest.raises(ModelFailureError, match=r"the model failed \(bad input\)"):
            bad.result()
        assert batcher.score(["0.75"])[0].score == 0.75


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.001, 1.001])
def test_a_score_that_is_no_probability_is_a_failure(score: float) -> None:
    """NaN and numbers outside 0..1 are never answered as predictions."""
    with running(lambda inputs: [score for _ in inputs]) as batcher:
        with pytest.raises(ModelFailureError, match="not a probability"):
            batcher.score([1])
        assert batcher.running


def test_stopping_finishes_what_waits() -> None:
    """Requests that were taken are answered before the thread ends."""
    gate = Gate()
    gate.open.clear()
    batcher = make_batcher(gate.compute, max_batch_size=1)
    batcher.start()
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(batcher.score, [0.1, 0.2]) for _ in range(2)]
        wait_for_depth(batcher, 3)
        stopping = threading.Thread(target=batcher.stop)
        stopping.start()
        gate.open.set()
        stopping.join(10)

        assert [len(future.result()) for future in futures] == [2, 2]
    assert not batcher.running


def test_many_clients_get_their_own_answers() -> None:
    """Eight clients at once, each with its own numbers: nothing is mixed up."""
    with running(Gate().compute, max_batch_size=7) as batcher, ThreadPoolExecutor(8) as pool:

        def ask(client: int) -> bool:
            numbers = [(client * 100 + each) / 1000 for each in range(5)]
            return all([each.score for each in batcher.score(numbers)] == numbers for _ in range(50))

        assert all(pool.map(ask, range(8)))


def test_every_refusal_is_a_request_error() -> None:
    """Whoever answers requests can catch all of them as one kind."""
    assert all(issubclass(kind, RequestError) for kind in (QueueFullError, PredictionTimeoutError, ModelFailureError))
