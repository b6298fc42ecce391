"""When the agent runs: every period, one cycle at a time, on until it is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from monitor_agent.errors import StoppedError


class Bell:
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

    def wait(self, seconds: float) -> None:
        """Wait until somebody rings, or tells to stop, or the time is over."""
        self._rung.wait(seconds)
        if not self.stopped:
            self._rung.clear()

    def sleep(self, seconds: float) -> None:
        """Wait until the time is over; only a stop ends it sooner."""
        self._stopped.wait(seconds)


def run(step: Callable[[], object], period: timedelta, bell: Bell) -> None:
    """Run `step` now and then every `period`, or when the bell rings, until it tells to stop.

    A step that takes longer than the period is followed by the next one at once; they never overlap. A step that is
    told to stop ends between two requests.
    """
    while not bell.stopped:
        due = time.monotonic() + period.total_seconds()
        try:
            step()
        except StoppedError:
            return
        bell.wait(max(0.0, due - time.monotonic()))
