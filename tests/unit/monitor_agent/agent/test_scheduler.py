"""When the agent runs: every period, never two cycles at once, at once when it is woken, until it is stopped."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from itertools import pairwise

from monitor_agent.agent.scheduler import StopSignal, run
from monitor_agent.errors import StoppedError

SHORT, LONG = timedelta(milliseconds=10), timedelta(hours=1)


def test_steps_follow_one_another_and_never_overlap() -> None:
    """A step that takes longer than the period delays the next one, which then begins at once."""
    stop_signal, spans = StopSignal(), list[tuple[float, float]]()

    def step() -> None:
        began = time.monotonic()
        time.sleep(0.03)
        spans.append((began, time.monotonic()))
        if len(spans) == 3:
            stop_signal.stop()

    run(step, SHORT, stop_signal)

    assert len(spans) == 3
    assert all(left[1] <= right[0] for left, right in pairwise(spans))


def test_waking_the_scheduler_begins_the_next_step_at_once() -> None:
    """Such as when the agent takes over another agent's models: it does not wait for the period."""
    stop_signal, steps = StopSignal(), list[int]()

    def step() -> None:
        steps.append(1)
        (stop_signal.wake if len(steps) == 1 else stop_signal.stop)()

    run(step, LONG, stop_signal)

    assert len(steps) == 2


def test_a_stop_ends_the_wait_and_the_sleep() -> None:
    """Neither the period nor the wait before a new try delays the end."""
    stop_signal = StopSignal()
    threading.Timer(0.05, stop_signal.stop).start()
    began = time.monotonic()

    run(lambda: None, LONG, stop_signal)
    stop_signal.sleep(3600)

    assert time.monotonic() - began < 60


def test_a_step_that_is_stopped_is_the_last_one() -> None:
    """That is no error: the next agent finds its work again."""
    steps = []

    def step() -> None:
        steps.append(1)
        raise StoppedError("the agent stopped before this request: search")

    run(step, SHORT, StopSignal())

    assert len(steps) == 1


class PausesOnly(StopSignal):
    """Records the pauses instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Record a pause."""
        self.pauses.append(seconds)


def test_the_pauses_grow_while_steps_fail_unexpectedly() -> None:
    """The first failure is tried again after the period; a step that succeeds begins anew."""
    stop_signal, results = PausesOnly(), [False, False, False, False, True, False, False]

    def step() -> bool:
        result = results.pop(0)
        if not results:
            stop_signal.stop()
        return result

    run(step, SHORT, stop_signal)

    assert stop_signal.pauses == [0.01, 0.02, 0.04, 0.01]
