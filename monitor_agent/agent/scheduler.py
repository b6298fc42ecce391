"""When the agent runs: every period, one cycle at a time, on until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import schedule

from monitor_agent.errors import StoppedError

LONGEST_WAIT_SECONDS = 1.0


class StopSignal:
    """Wakes the one who waits: for a reason to work at once, or to stop."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether it is time to stop."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Tell to stop."""
        self._stopped.set()
        self._rung.set()

    def ring(self) -> None:
        """Tell that there is work."""
        self._rung.set()

    def wait(self, seconds: float) -> bool:
        """Wait until somebody rings, or tells to stop, or the time is over; return whether it was rung."""
        rung = self._rung.wait(seconds)
        if not self.stopped:
            self._rung.clear()
        return rung

    def sleep(self, seconds: float) -> None:
        """Wait until the time is over; only a stop ends it sooner."""
        self._stopped.wait(seconds)


def run(step: Callable[[], object], period: timedelta, stop_signal: StopSignal) -> None:
    """Run `step` now and then every `period`, or when the signal wakes it, until it says stop.

    A step that takes longer than the period is followed by the next one at once; they never overlap. A step that is
    told to stop ends between two requests.
    """
    seconds = period.total_seconds()
    plan = schedule.Scheduler()
    plan.every(seconds).seconds.do(stop_signal.ring)  # type: ignore[arg-type]  # fractions are taken too
    stop_signal.ring()
    while not stop_signal.stopped:
        plan.run_pending()
        idle = plan.idle_seconds or 0.0
        if idle > seconds:
            # The plan is kept by the wall clock: set back, it would be waited for.
            plan.run_all()
        if stop_signal.wait(min(max(0.0, idle), LONGEST_WAIT_SECONDS)) and not stop_signal.stopped:
            try:
                step()
            except StoppedError:
                return
