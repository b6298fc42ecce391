"""When the agent runs: one cycle every period, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import schedule

from monitor_agent.errors import StoppedError

LONGEST_WAIT_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 600.0
"""The longest pause after steps that failed unexpectedly, unless the period is longer."""


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

    Parameters
    ----------
    step : returns False if it has failed unexpectedly: then the pauses grow, from one period to ten minutes.
    """
    seconds, failed_in_a_row = period.total_seconds(), 0
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
                failed_in_a_row = failed_in_a_row + 1 if step() is False else 0
            except StoppedError:
                return
            if failed_in_a_row > 1:
                stop_signal.sleep(pause(seconds, failed_in_a_row))


def pause(period: float, failed_in_a_row: int) -> float:
    """Return the seconds to wait after some failures in a row, two or more.

    >>> pause(60.0, 2), pause(60.0, 3), pause(60.0, 99), pause(3600.0, 2)
    (60.0, 120.0, 600.0, 3600.0)
    """
    return max(period, min(LONGEST_PAUSE_SECONDS, period * 2.0 ** min(failed_in_a_row - 2, 30)))
