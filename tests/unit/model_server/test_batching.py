"""Concurrent requests are computed together within limits, and do not harm each other."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from model_server.batch_tickets import InstanceScore, Ticket
from model_server.batching import Batcher
from model_server.errors import (
    ModelFailureError,
    PredictionTimeoutError,
    QueueFullError,
    RefusedInputsError,
    RequestError,
)
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
        return [float(number) for number in inputs]


@contextmanager
def running(compute: Callable[[list[Any]], Any], **changes: Any) -> Iterator[Batcher]:
    batcher = make_batcher(compute, **changes)
    batcher.start()
    try:
        yield batcher
    finally:
        batcher.stop()


def wait_for_depth(batcher: Batcher, depth: int) -> None:
    """Return when `depth` instances wait."""
    pause = threading.Event()
    for _ in range(1000):
        if batcher.depth == depth:
            return
        pause.wait(0.01)
    raise AssertionError(f"{batcher.depth} instances wait, not {depth}")


def test_scores_come_in_the_order_of_the_inputs() -> None:
    """More instances than a batch holds are computed in several batches."""
    gate = Gate()
    with running(gate.compute, max_batch_size=4) as batcher:
        scores = batcher.score([number / 10 for number in range(10)])

    assert [score.score for score in scores] == [number / 10 for number in range(10)]
    assert [score.batch_size for score in scores] == [4, 4, 4, 4, 4, 4, 4, 4, 2, 2]
    assert (batcher.batches, batcher.computed) == (3, 10)


def test_waiting_requests_are_computed_together() -> None:
    """Requests that come while the model is busy share the next batch."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute) as batcher, ThreadPoolExecutor(5) as pool:
        first = pool.submit(batcher.score, [0.5])
        assert gate.entered.wait(10)
        waiting = [pool.submit(batcher.score, [number / 10]) for number in range(4)]
        wait_for_depth(batcher, 4)
        gate.open.set()

        assert first.result()[0].batch_size == 1
        scores = [future.result()[0] for future in waiting]
        assert scores == [
            InstanceScore(number / 10, score.queue_time, score.compute_time, 4) for number, score in enumerate(scores)
        ]
        assert all(score.queue_time > 0 for score in scores)


def test_a_first_request_waits_for_more_if_a_delay_is_set() -> None:
    """With a delay, a batch is computed as soon as it is full, long before the delay is over."""
    gate = Gate()
    with running(gate.compute, max_batch_size=3, max_delay_seconds=15.0) as batcher, ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(batcher.score, [0.5]) for _ in range(3)]
        sizes = [future.result(10)[0].batch_size for future in futures]

    assert sizes == [3, 3, 3]


def test_a_delay_ends_without_further_requests() -> None:
    """A batch that does not fill is computed when the delay is over."""
    with running(Gate().compute, max_delay_seconds=0.01) as batcher:
        assert batcher.score([0.5])[0].queue_time >= 10_000_000


def test_kinds_of_input_are_computed_apart() -> None:
    """Ids and texts need different calls: a batch is split by type, and its size counts one type."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute) as batcher, ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher.score, [0.0])
        assert gate.entered.wait(10)
        mixed = pool.submit(batcher.score, ["0.25", 0.5, "0.75"])
        wait_for_depth(batcher, 3)
        gate.open.set()
        first.result()

    assert [(score.score, score.batch_size) for score in mixed.result()] == [(0.25, 2), (0.5, 1), (0.75, 2)]
    assert sorted(map(len, gate.batches)) == [1, 1, 2]


def test_a_full_queue_refuses_the_whole_request() -> None:
    """A request that does not fit is refused at once, and none of its instances is computed."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute, max_queue=3) as batcher, ThreadPoolExecutor(2) as pool:
        pool.submit(batcher.score, [0.0])
        assert gate.entered.wait(10)
        waiting = pool.submit(batcher.score, [0.25, 0.25])
        wait_for_depth(batcher, 2)
        with pytest.raises(QueueFullError, match="2 instances already wait"):
            batcher.score([0.5, 0.5])
        gate.open.set()
        waiting.result()

    assert [0.5, 0.5] not in gate.batches
    assert sum(map(len, gate.batches)) == 3


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    """The request fails, and its waiting instances are not computed."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute, timeout_seconds=0.1) as batcher, ThreadPoolExecutor(1) as pool:
        busy = pool.submit(batcher.score, [0.0])
        assert gate.entered.wait(10)
        with pytest.raises(PredictionTimeoutError, match=r"within 0\.1 s"):
            batcher.score([0.5])
        assert batcher.depth == 0
        with pytest.raises(PredictionTimeoutError):
            busy.result()
        gate.open.set()

    assert [0.5] not in gate.batches


def test_a_bad_request_does_not_fail_its_neighbours() -> None:
    """When a shared batch fails, its requests are computed one by one: only the bad request fails."""
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


def test_inputs_that_the_model_refuses_are_no_failure() -> None:
    """The client learns the reason; the log does not, because it may quote the client's texts."""

    def refuse(_inputs: list[Any]) -> list[float]:
        raise RefusedInputsError("cannot read the text secret")

    with running(refuse) as batcher, pytest.raises(RefusedInputsError, match="secret") as refused:
        batcher.score(["secret"])

    assert "secret" not in refused.value.logged_message


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.001, 1.001])
def test_a_score_that_is_no_probability_is_a_failure(score: float) -> None:
    """NaN and numbers outside 0..1 are never answered as predictions."""
    with running(lambda inputs: [score for _ in inputs]) as batcher:
        with pytest.raises(ModelFailureError, match="not a probability"):
            batcher.score([1])
        assert batcher.running


def test_stopping_finishes_waiting_requests() -> None:
    """Requests in the queue are answered before the thread ends."""
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
    """Eight clients send different numbers at once: nothing is mixed up."""
    with running(Gate().compute, max_batch_size=7) as batcher, ThreadPoolExecutor(8) as pool:

        def scores_are_right(client: int) -> bool:
            numbers = [(client * 100 + offset) / 1000 for offset in range(5)]
            return all([score.score for score in batcher.score(numbers)] == numbers for _ in range(50))

        assert all(pool.map(scores_are_right, range(8)))


def test_every_refusal_is_a_request_error() -> None:
    """The error handlers can catch all of them by one type."""
    assert all(issubclass(kind, RequestError) for kind in (QueueFullError, PredictionTimeoutError, ModelFailureError))


def test_every_request_of_many_threads_ends() -> None:
    """Threads lead in turn; failures, refusals and deadlines leave the model to the next one."""
    source = random.Random(5)
    values = [0.1, 0.5, 0.9] * 20 + [2.0, "bad"]
    plans = [[source.choice(values) for _ in range(source.randrange(1, 8))] for _ in range(600)]
    rights = random.Random(6)

    def compute(inputs: list[Any]) -> list[float]:
        if rights.random() < 0.02:
            time.sleep(0.01)  # a slow batch: the batcher's own thread takes over
        if "bad" in inputs:
            raise ValueError("bad input")
        return [float(number) for number in inputs]

    def outcome(batcher: Batcher, plan: list[Any]) -> Any:
        while True:
            try:
                return [score.score for score in batcher.score(plan)]
            except ModelFailureError:
                return "failed"
            except PredictionTimeoutError:
                return "late"
            except QueueFullError:
                time.sleep(0.001)

    with running(compute, max_batch_size=3, max_queue=40, timeout_seconds=0.2) as batcher:
        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(lambda plan: outcome(batcher, plan), plans))
        assert batcher.score([0.25])[0].score == 0.25
        assert batcher.depth == 0

    for plan, result in zip(plans, outcomes, strict=True):
        if result != "late":
            assert result == ("failed" if {2.0, "bad"} & set(plan) else plan)
    assert sum(isinstance(result, list) for result in outcomes) > 100


def test_a_model_that_stops_answering_holds_one_request_only() -> None:
    """A fast model that hangs keeps the thread that leads; the others end in time, and go on when it answers."""
    gate = Gate()
    with running(gate.compute, timeout_seconds=0.5) as batcher, ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            batcher.score([0.5])
        gate.open.clear()
        gate.entered.clear()
        leader = pool.submit(batcher.score, [0.5])
        assert gate.entered.wait(10)
        followers = [pool.submit(batcher.score, [0.5]) for _ in range(3)]

        errors = [follower.exception(timeout=10) for follower in followers]
        gate.open.set()

        assert [type(error) for error in errors] == [PredictionTimeoutError] * 3
        assert leader.result(timeout=10)[0].score == 0.5
        assert batcher.score([0.75])[0].score == 0.75


def finished_event(batcher: Batcher, inputs: list[Any]) -> tuple[Ticket, threading.Event]:
    finished = threading.Event()
    return batcher.submit(inputs, finished.set), finished


def test_submitted_requests_are_computed_by_whoever_advances() -> None:
    """A batch that is known to be quick is computed at once, in this thread; others by the batcher's threads."""
    threads: list[int] = []

    def compute(inputs: list[Any]) -> list[float]:
        threads.append(threading.get_ident())
        return [float(number) for number in inputs]

    with running(compute) as batcher:
        for longest in (10**12, 10**12, 0):
            submitted = [finished_event(batcher, [number / 10, 0.5]) for number in range(3)]
            assert not any(finished.is_set() for _, finished in submitted)
            batcher.advance(longest)
            assert all(finished.wait(10) for _, finished in submitted)

            scores = [[score.score for score in ticket.result()] for ticket, _ in submitted]
            assert scores == [[0.0, 0.5], [0.1, 0.5], [0.2, 0.5]]

    assert [thread == threading.get_ident() for thread in threads] == [False, True, False]


def test_a_dropped_request_is_not_computed() -> None:
    """What is left of it leaves the queue; the requests behind it go on."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute, max_batch_size=2) as batcher:
        _, first = finished_event(batcher, [0.0])
        batcher.advance(0)
        assert gate.entered.wait(10)
        dropped, _ = finished_event(batcher, [0.1, 0.1, 0.1])
        second, finished = finished_event(batcher, [0.2])
        batcher.drop(dropped)
        assert batcher.depth == 1
        gate.open.set()
        assert first.wait(10)
        assert finished.wait(10)

    assert [score.score for score in second.result()] == [0.2]
    assert sum(map(len, gate.batches)) == 2


def test_full_batches_are_computed_side_by_side() -> None:
    """A second thread helps only if a whole batch waits: else one large batch is cheaper than two small ones."""
    gate = Gate()
    gate.open.clear()
    with running(gate.compute, max_batch_size=2, parallel=2) as batcher:
        submitted = [finished_event(batcher, [0.1])]
        batcher.advance(0)
        assert gate.entered.wait(10)
        submitted.append(finished_event(batcher, [0.2]))
        batcher.advance(0)
        assert batcher.depth == 1
        submitted.append(finished_event(batcher, [0.3, 0.4]))
        batcher.advance(0)
        wait_for_depth(batcher, 1)
        assert len(gate.batches) == 2
        gate.open.set()
        assert all(finished.wait(10) for _, finished in submitted)

    assert [[score.score for score in ticket.result()] for ticket, _ in submitted] == [[0.1], [0.2], [0.3, 0.4]]


def test_every_request_of_many_threads_ends_beside_several_that_compute() -> None:
    """Requests larger than a batch are computed by several threads, and nothing is mixed up."""
    plans = [[round(number / 1000, 3)] * (number % 9 + 1) for number in range(400)]
    with running(Gate().compute, max_batch_size=4, parallel=3) as batcher, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda plan: [score.score for score in batcher.score(plan)], plans))
        assert batcher.depth == 0

    assert results == plans
