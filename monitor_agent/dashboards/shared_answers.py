"""Answers that several visitors share: identical questions within seconds are asked once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from monitor_agent.dashboards.visitor_work import busy, late

SHARED_SECONDS = 4.0
"""How long an answer serves; less than the least time between two refreshes of a page."""
MOST_SHARING = 40
"""Visitors who wait for the answer to another visitor's question."""

T = TypeVar("T")


@dataclass
class _Answer(Generic[T]):
    """An answer that is made, or was made: `since` is the time of its question, by `time.monotonic`."""

    future: Future[T]
    since: float


class SharedAnswers(Generic[T]):
    """The answers of the last seconds, by question; an error is given to those who wait for it, and forgotten."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._answers: dict[Hashable, _Answer[T]] = {}
        self._sharing = threading.BoundedSemaphore(MOST_SHARING)

    def result(self, question: Hashable, compute: Callable[[], T], until: float, *, anew: bool = False) -> T:
        """Return the answer of the last seconds, that which is on its way, or a new one.

        Parameters
        ----------
        question : who asks what; a person with rights of their own is part of it.
        compute : returns the answer.
        until : when the visitor must have an answer, by `time.monotonic`.
        anew : whether the visitor wants an answer that is made now.

        Raises
        ------
        BusyError
            If too many visitors wait.
        ElasticsearchError
            If the answer does not come in time.
        MonitorError
            If `compute` raises it.
        """
        now = self._monotonic()
        with self._lock:
            self._forget(now - SHARED_SECONDS)
            answer = None if anew else self._answers.get(question)
            if answer is None:
                new = self._answers[question] = _Answer(Future(), now)
        return self._answered(question, new, compute) if answer is None else self._awaited(answer, until)

    def _forget(self, before: float) -> None:
        for question, answer in list(self._answers.items()):
            if answer.since < before and answer.future.done():
                del self._answers[question]

    def _answered(self, question: Hashable, answer: _Answer[T], compute: Callable[[], T]) -> T:
        try:
            result = compute()
        except BaseException as error:
            with self._lock:
                if self._answers.get(question) is answer:
                    del self._answers[question]
            answer.future.set_exception(error)
            raise
        answer.future.set_result(result)
        return result

    def _awaited(self, answer: _Answer[T], until: float) -> T:
        if not answer.future.done():
            if not self._sharing.acquire(blocking=False):
                raise busy()
            try:
                wait([answer.future], max(0.0, until - time.monotonic()))
            finally:
                self._sharing.release()
        if not answer.future.done():
            raise late()
        return answer.future.result()
