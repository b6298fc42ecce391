"""When the agent runs: one cycle every period, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import schedule

from monitor_agent.errors import StoppedError

LONGEST_WAIT_SECONDS = 1.0


class StopSignal:
    """Ends the waits of the scheduler: for a cycle at once (`wake`), or for good (`stop`)."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether it is time to stop."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End all waits, now and later."""
        self._stopped.set()
        self._woken.set()

    def wake(self) -> None:
        """End one wait: there is work."""
        self._woken.set()

    def wait(self, seconds: float) -> bool:
        """Wait until `wake` or `stop` is called or the time is over; return whether one was called."""
        woken = self._woken.wait(seconds)
        if not self.stopped:
            self._woken.clear()
        return woken

    def sleep(self, seconds: float) -> None:
        """Wait until the time is over; only `stop` ends it sooner."""
        self._stopped.wait(seconds)


def run(step: Callable[[], object], period: timedelta, stop_signal: StopSignal) -> None:
    """Run `step` now, then every `period` and whenever the signal wakes it, until the signal stops it.

    A step that takes longer than the period is followed by the next one at once; two steps never overlap. A step that
    is stopped ends between two requests.
    """
    seconds = period.total_seconds()
    plan = schedule.Scheduler()
    plan.every(seconds).seconds.do(stop_signal.wake)  # type: ignore[arg-type]  # fractions are accepted too
    stop_signal.wake()
    while not stop_signal.stopped:
        plan.run_pending()
        idle = plan.idle_seconds or 0.0
        if idle > seconds:
            # The plan follows the wall clock: after that is set back, the next step would be late.
            plan.run_all()
        if stop_signal.wait(min(max(0.0, idle), LONGEST_WAIT_SECONDS)) and not stop_signal.stopped:
            try:
                step()
            except StoppedError:
                return
