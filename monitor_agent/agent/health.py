"""Whether the agent is well: green, or red with reasons; and its figures since it started."""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from monitor_agent.agent.report import Report
from monitor_agent.contracts.cycle import STATUS_GREEN, STATUS_RED

Labelled = dict[str, float]


@dataclass
class Figures:
    """Counts since the process started, and the newest observations.

    Attributes
    ----------
    cycles : cycles by outcome.
    seconds : time spent in cycles.
    feedback : feedback by what became of it.
    observed : figures of the last cycle, such as `lag_seconds`, by the names of the cycles' documents.
    alerts : how many firings of each alert are active; empty where another agent looks for them.
    """

    cycles: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    windows: int = 0
    merged: int = 0
    written: int = 0
    restated: int = 0
    feedback: Counter[str] = field(default_factory=Counter)
    observed: dict[str, float] = field(default_factory=dict)
    alerts: dict[str, float] = field(default_factory=dict)


class Health:
    """The state that the cycles write and the health page reads, from different threads.

    Parameters
    ----------
    period : time between two cycles.
    trouble : returns what is wrong with Elasticsearch right now; empty where nothing is.
    monotonic : a clock in seconds.
    """

    def __init__(
        self, period: timedelta, trouble: Callable[[], str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._period = period.total_seconds()
        self._trouble = trouble
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._running_since: float | None = None
        self._done_at: float | None = None
        self._last_seconds = 0.0
        self._error = ""
        self._alerts: list[Mapping[str, Any]] = []
        self.failed_in_a_row = 0
        self.figures = Figures()

    def began(self) -> None:
        """A cycle begins."""
        with self._lock:
            self._running_since = self._monotonic()

    def done(self, report: Report) -> None:
        """A cycle has done all that was to be done."""
        with self._lock:
            self._ended("done")
            self._done_at, self._error, self.failed_in_a_row = self._monotonic(), "", 0
            figures = self.figures
            figures.windows += report.tally.windows
            figures.merged += report.tally.merged
            figures.written += report.tally.written
            figures.restated += report.tally.restated
            figures.feedback += report.feedback

    def failed(self, reason: str) -> None:
        """A cycle has ended early, or was done and its document could not be written: it counts once."""
        with self._lock:
            self._ended("failed")
            self._error = reason
            self.failed_in_a_row += 1

    def observe(self, figures: Labelled) -> None:
        """Take over the figures of the last cycle."""
        with self._lock:
            self.figures.observed = dict(figures)

    def alerted(self, active: Mapping[str, float], firings: Sequence[Mapping[str, Any]]) -> None:
        """Take over how many firings of each alert are active, and what is told of them."""
        with self._lock:
            self.figures.alerts, self._alerts = dict(active), list(firings)

    def reasons(self) -> list[str]:
        """Return why the agent is red; an empty list where it is green."""
        trouble = self._trouble()
        with self._lock:
            found = [f"elasticsearch is in trouble: {trouble}"] if trouble else []
            if self._error:
                found.append(f"the last cycle failed: {self._error}")
            if self._running_since is not None:
                running = self._monotonic() - self._running_since
                if running > self._period:
                    found.append(f"a cycle has been running for {running:.0f} s, its period is {self._period:.0f} s")
            elif self._last_seconds > self._period:
                found.append(f"the last cycle took {self._last_seconds:.0f} s, its period is {self._period:.0f} s")
            return found

    def document(self) -> dict[str, Any]:
        """Return what `/healthz` answers."""
        reasons = self.reasons()
        with self._lock:
            since = None if self._done_at is None else round(self._monotonic() - self._done_at, 1)
            return {
                "status": STATUS_RED if reasons else STATUS_GREEN,
                "reasons": reasons,
                "seconds_since_last_cycle": since,
                "cycles": dict(self.figures.cycles),
                **self.figures.observed,
                "alerts": self._alerts,
            }

    def snapshot(self) -> Figures:
        """Return the figures as they are now."""
        with self._lock:
            return copy.deepcopy(self.figures)

    def since_last_cycle(self) -> float | None:
        """Return the seconds since a cycle was done; None before the first."""
        with self._lock:
            return None if self._done_at is None else self._monotonic() - self._done_at

    def _ended(self, outcome: str) -> None:
        if self._running_since is None:
            return
        self._last_seconds = self._monotonic() - self._running_since
        self.figures.seconds += self._last_seconds
        self._running_since = None
        self.figures.cycles[outcome] += 1
