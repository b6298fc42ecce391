"""Work that visitors cause: bounded in number and in time, whatever Elasticsearch does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitor_agent.dashboards import visitor_work
from monitor_agent.dashboards.visitor_work import MOST_AT_ONCE, MOST_WAITING, VisitorWork
from monitor_agent.errors import BusyError, DataError, ElasticsearchError

LONG = 60.0


class HungWork:
    """Work that hangs until it is released; `begun` counts how much runs."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.release = threading.Event()

    def __call__(self) -> str:
        """Hang, then return."""
        self.begun.release()
        assert self.release.wait(LONG)
        return "late"

    def wait_for(self, count: int) -> None:
        """Return when this much of it runs."""
        for _ in range(count):
            assert self.begun.acquire(timeout=LONG)


@pytest.fixture
def hung() -> Iterator[HungWork]:
    """Yield work that ends with the test."""
    work = HungWork()
    yield work
    work.release.set()


def soon() -> float:
    return time.monotonic() + 0.05


def later() -> float:
    return time.monotonic() + LONG


def test_the_result_or_the_error_of_the_work_comes_back() -> None:
    """Also many of them, one after the other: each gives its place back."""

    def fail() -> str:
        raise DataError("no")

    work = VisitorWork()
    for _ in range(3 * (MOST_AT_ONCE + MOST_WAITING)):
        assert work.result(lambda: "done", later()) == "done"
        with pytest.raises(DataError, match="no"):
            work.result(fail, later())


def test_a_visitor_does_not_wait_longer_than_until_then(hung: HungWork) -> None:
    """The late result is thrown away in order, and the place is free again."""
    work = VisitorWork()
    late: list[str] = []
    came = threading.Event()

    def discard(result: str) -> None:
        late.append(result)
        came.set()

    with pytest.raises(ElasticsearchError, match="does not answer in time"):
        work.result(hung, soon(), discard)
    assert late == []
    hung.release.set()
    assert came.wait(LONG)
    assert late == ["late"]


@pytest.mark.parametrize("until", [later, soon])
def test_more_than_may_run_wait_for_a_moment_or_are_refused(
    hung: HungWork, monkeypatch: pytest.MonkeyPatch, until: Callable[[], float]
) -> None:
    """Work that nobody waits for any more still counts: it still burdens Elasticsearch."""
    monkeypatch.setattr(visitor_work, "LONGEST_QUEUE_SECONDS", 0.05)
    work = VisitorWork()
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        running = [pool.submit(work.result, hung, until()) for _ in range(MOST_AT_ONCE)]
        hung.wait_for(MOST_AT_ONCE)
        with pytest.raises(BusyError):
            work.result(lambda: "never", later())
        hung.release.set()
        for future in running:
            assert until is soon or future.result() == "late"
    assert work.result(lambda: "done", later()) == "done"


def test_one_that_waits_gets_the_next_free_place(hung: HungWork) -> None:
    """A short burst of visitors is answered as a whole."""
    work = VisitorWork()
    with ThreadPoolExecutor(MOST_AT_ONCE + MOST_WAITING) as pool:
        running = [pool.submit(work.result, hung, later()) for _ in range(MOST_AT_ONCE)]
        hung.wait_for(MOST_AT_ONCE)
        waiting = [pool.submit(work.result, lambda: "done", later()) for _ in range(MOST_WAITING)]
        hung.release.set()
        assert {future.result() for future in running} == {"late"}
        assert {future.result() for future in waiting} == {"done"}


def test_so_many_wait_and_no_more(hung: HungWork, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further one is refused at once: it must not use up a thread."""
    monkeypatch.setattr(visitor_work, "LONGEST_QUEUE_SECONDS", LONG)
    work = VisitorWork()
    with ThreadPoolExecutor(MOST_AT_ONCE + MOST_WAITING) as pool:
        visitors = [pool.submit(work.result, hung, later()) for _ in range(MOST_AT_ONCE + MOST_WAITING)]
        hung.wait_for(MOST_AT_ONCE)
        refused = False
        while not refused:  # until all that may wait do so
            try:
                work.result(lambda: "done", soon())
            except BusyError:
                refused = True
        hung.release.set()
        assert {visitor.result() for visitor in visitors} == {"late"}
