"""Work that visitors cause in Elasticsearch: little of it at once, and nobody waits for long.

Many clients, or an Elasticsearch that hangs, can so neither use up the viewer's threads nor leave somebody without an
answer. What takes too long goes on in a thread of its own, and counts as work until it ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from monitor_agent.errors import BusyError, ElasticsearchError

MOST_AT_ONCE = 5
MOST_WAITING = 20
LONGEST_QUEUE_SECONDS = 6.0
LONGEST_SECONDS = 9.0
"""The time from the start of a request to its answer."""
RETRY_AFTER_SECONDS = 3
SLOW = "check Elasticsearch, or try again in a moment"

T = TypeVar("T")


class VisitorWork:
    """One kind of work: `MOST_AT_ONCE` run, `MOST_WAITING` wait for them, all further ones are refused at once."""

    def __init__(self) -> None:
        self._running = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE + MOST_WAITING)

    def result(self, work: Callable[[], T], until: float, discard: Callable[[T], object] = lambda _: None) -> T:
        """Return the result of some work, which runs in another thread.

        Parameters
        ----------
        until : when the visitor must have an answer, by `time.monotonic`.
        discard : called with a result that comes too late.

        Raises
        ------
        BusyError
            If too much of this work is done already.
        ElasticsearchError
            If the result does not come in time.
        MonitorError
            If the work raises it.
        """
        if not self._places.acquire(blocking=False):
            raise busy()
        if not self._running.acquire(timeout=max(0.0, min(LONGEST_QUEUE_SECONDS, until - time.monotonic()))):
            self._places.release()
            raise busy()
        future: Future[T] = Future()
        threading.Thread(target=self._run, args=(work, future), name="visitor-work", daemon=True).start()
        if wait([future], max(0.0, until - time.monotonic())).done:
            return future.result()
        future.add_done_callback(lambda done: None if done.exception() else discard(done.result()))
        raise late()

    def _run(self, work: Callable[[], T], future: Future[T]) -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - the visitor's thread raises it
            future.set_exception(error)
        finally:
            self._running.release()
            self._places.release()


def late() -> ElasticsearchError:
    """Return the error that tells a visitor that the answer has not come in time."""
    return ElasticsearchError("Elasticsearch does not answer in time", SLOW)


def busy() -> BusyError:
    """Return the error that tells a visitor that too many others wait."""
    return BusyError("Elasticsearch is slow: many requests wait for it", "try again in a moment")
