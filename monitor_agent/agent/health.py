"""The health of the agent: green, or red with reasons; and its figures since it started."""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from monitor_agent.agent.report import CycleReport
from monitor_agent.contracts.cycle import STATUS_GREEN, STATUS_RED

SENT, FAILED = "sent", "failed"
MOST_REASONS = 20
"""Failed models whose reasons are shown; all are named."""


@dataclass
class AgentFigures:
    """Counts since the process started, and the figures of the last cycle.

    Attributes
    ----------
    cycles : number of cycles by outcome.
    seconds : time spent in cycles.
    windows, merged, written, restated : sums of the cycles' tallies.
    feedback : number of feedback events by the status that they got.
    last_cycle : figures of the last cycle, such as `lag_seconds`, by the names of the cycles' documents.
    not_counted : number of stored events that cannot be counted, by reason.
    alerts : number of active firings by alert; empty if another agent evaluates the alerts.
    failed_models : models that the last cycle could not compute completely.
    notifications : messages about alerts by channel and outcome, `sent` or `failed`.
    failing_channels : the channels that did not take their last message, and why.
    """

    cycles: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    windows: int = 0
    merged: int = 0
    written: int = 0
    restated: int = 0
    feedback: Counter[str] = field(default_factory=Counter)
    last_cycle: dict[str, float] = field(default_factory=dict)
    not_counted: dict[str, int] = field(default_factory=dict)
    alerts: dict[str, float] = field(default_factory=dict)
    failed_models: list[str] = field(default_factory=list)
    notifications: Counter[tuple[str, str]] = field(default_factory=Counter)
    failing_channels: dict[str, str] = field(default_factory=dict)


class Health:
    """The state that the cycles write and the health page reads, from different threads.

    Parameters
    ----------
    period : time between two cycles.
    trouble : returns what is wrong with Elasticsearch right now; empty if nothing is.
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
        self._failures: list[str] = []
        self._firings: list[Mapping[str, Any]] = []
        self.failed_in_a_row = 0
        self.figures = AgentFigures()

    def began(self) -> None:
        """Record that a cycle begins."""
        with self._lock:
            self._running_since = self._monotonic()

    def done(self, report: CycleReport) -> None:
        """Record that a cycle has done all its work."""
        with self._lock:
            self._ended("done")
            self._done_at, self._error, self.failed_in_a_row = self._monotonic(), "", 0
            self._failures = [failure.message for failure in report.failures]
            figures = self.figures
            figures.failed_models = report.failed_models
            figures.windows += report.tally.windows
            figures.merged += report.tally.merged
            figures.written += report.tally.written
            figures.restated += report.tally.restated
            figures.feedback += report.feedback

    def failed(self, reason: str) -> None:
        """Record that a cycle ended early, or that its document could not be written; a cycle counts once."""
        with self._lock:
            self._ended("failed")
            self._error = reason
            self.failed_in_a_row += 1

    def set_figures(self, figures: Mapping[str, float]) -> None:
        """Replace the figures of the last cycle."""
        with self._lock:
            self.figures.last_cycle = dict(figures)

    def set_not_counted(self, by_reason: Mapping[str, int]) -> None:
        """Replace the number of stored events that cannot be counted, by reason."""
        with self._lock:
            self.figures.not_counted = dict(by_reason)

    def set_alerts(self, active: Mapping[str, float], firings: Sequence[Mapping[str, Any]]) -> None:
        """Replace the number of active firings by alert, and the summaries of these firings."""
        with self._lock:
            self.figures.alerts, self._firings = dict(active), list(firings)

    def set_notifications(self, failing: Mapping[str, str], sent: Mapping[str, int], failed: Mapping[str, int]) -> None:
        """Replace the channels that do not work, with the reasons; add the messages of a cycle, by channel."""
        with self._lock:
            self.figures.failing_channels = dict(failing)
            for outcome, counts in ((SENT, sent), (FAILED, failed)):
                self.figures.notifications.update({(name, outcome): count for name, count in counts.items()})

    def reasons(self) -> list[str]:
        """Return why the agent is red; an empty list if it is green."""
        trouble = self._trouble()
        with self._lock:
            reasons = [f"elasticsearch is in trouble: {trouble}"] if trouble else []
            if self._error:
                reasons.append(f"the last cycle failed: {self._error}")
            reasons += self._failures[:MOST_REASONS]
            if len(self._failures) > MOST_REASONS:
                reasons.append(f"{len(self._failures) - MOST_REASONS} more failed: see the log")
            reasons += [
                f"the channel {name} takes no notifications: {reason}"
                for name, reason in sorted(self.figures.failing_channels.items())
            ]
            if self._running_since is not None:
                running = self._monotonic() - self._running_since
                if running > self._period:
                    reasons.append(f"a cycle has been running for {running:.0f} s, its period is {self._period:.0f} s")
            elif self._last_seconds > self._period:
                reasons.append(f"the last cycle took {self._last_seconds:.0f} s, its period is {self._period:.0f} s")
            return reasons

    def document(self) -> dict[str, Any]:
        """Return the answer of `/healthz`."""
        reasons = self.reasons()
        with self._lock:
            since = None if self._done_at is None else round(self._monotonic() - self._done_at, 1)
            return {
                "status": STATUS_RED if reasons else STATUS_GREEN,
                "reasons": reasons,
                "seconds_since_last_cycle": since,
                "cycles": dict(self.figures.cycles),
                **self.figures.last_cycle,
                "failed_models": self.figures.failed_models,
                "not_counted": self.figures.not_counted,
                "alerts": self._firings,
                "failing_channels": self.figures.failing_channels,
            }

    def snapshot(self) -> AgentFigures:
        """Return a copy of the figures as they are now."""
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
