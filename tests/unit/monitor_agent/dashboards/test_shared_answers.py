"""Answers that visitors share: one question for all who ask it within seconds, never another person's answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitor_agent.dashboards.shared_answers import MOST_SHARING, SHARED_SECONDS, SharedAnswers
from monitor_agent.errors import BusyError, DataError, ElasticsearchError

LONG = 60.0


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def later() -> float:
    return time.monotonic() + LONG


def test_an_answer_serves_for_seconds() -> None:
    """The same question gets the same answer until it is old, or somebody wants it anew; another question its own."""
    clock, numbers = Clock(), iter(range(10))
    answers = SharedAnswers[int](clock)

    def answer(question: str, *, anew: bool = False) -> int:
        return answers.result(question, lambda: next(numbers), later(), anew=anew)

    assert [answer("a"), answer("a"), answer("b"), answer("a")] == [0, 0, 1, 0]
    assert [answer("a", anew=True), answer("a")] == [2, 2]
    clock.now = SHARED_SECONDS + 1
    assert answer("a") == 3


def test_many_who_ask_at_once_cause_one_question() -> None:
    """All wait for the first one's answer; more than may wait are refused; an error goes to all, and is forgotten."""
    answers, begun, go = SharedAnswers[str](), threading.Semaphore(0), threading.Event()
    count = 0

    def answer() -> str:
        nonlocal count
        count += 1
        begun.release()
        assert go.wait(LONG)
        raise DataError("no")

    with ThreadPoolExecutor(MOST_SHARING + 1) as pool:
        readers = [pool.submit(answers.result, "a", answer, later()) for _ in range(MOST_SHARING + 1)]
        assert begun.acquire(timeout=LONG)
        refused = False
        while not refused:  # until all that may wait do so
            with pytest.raises((BusyError, ElasticsearchError)) as problem:
                answers.result("a", answer, time.monotonic() + 0.01)
            refused = problem.type is BusyError
        go.set()
        for reader in readers:
            with pytest.raises(DataError, match="no"):
                reader.result()
    assert count == 1
    assert answers.result("a", lambda: "yes", later()) == "yes"
