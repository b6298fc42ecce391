"""When a component that has ended is started again (pure)."""

from __future__ import annotations

from monitor_agent.stack.process_end import signal_name

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
STABLE_SECONDS = 60.0
"""A component that has run for this long runs well: its next pause is the first one again."""


class Restarts:
    """The starts of one component.

    Attributes
    ----------
    due_at : when it is started again, seconds of a monotonic clock; None while it runs.
    """

    def __init__(self, now: float) -> None:
        self.due_at: float | None = None
        self._started_at = now
        self._starts = 1
        self._ends_in_a_row = 0

    def cannot_start(self, exit_code: int | None, now: float) -> bool:
        """Return whether it has ended with an error soon after its first start: another start would do the same.

        >>> Restarts(0.0).cannot_start(1, 5.0), Restarts(0.0).cannot_start(-9, 5.0), Restarts(0.0).cannot_start(1, 90.0)
        (True, False, False)
        """
        failed = exit_code is not None and exit_code > 0 and not signal_name(exit_code)
        return self._starts == 1 and failed and now - self._started_at < STABLE_SECONDS

    def postpone(self, now: float) -> float:
        """Choose when it is started again; return the pause in seconds: 1, 2, 4, ... 60.

        >>> restarts = Restarts(0.0)
        >>> [restarts.postpone(1.0) for _ in range(8)]
        [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
        """
        if self.due_at is None and now - self._started_at >= STABLE_SECONDS:
            self._ends_in_a_row = 0
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self._ends_in_a_row, 30))
        self._ends_in_a_row += 1
        self.due_at = now + pause
        return pause

    def started(self, now: float) -> None:
        """Record that it was started again."""
        self.due_at, self._started_at = None, now
        self._starts += 1
