"""What cycles and backfills work with: every store on one Elasticsearch, and the steps that both take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice

import structlog

from monitor_agent.agent.baselines import BaselineLoader
from monitor_agent.agent.join import Join, JoinResult
from monitor_agent.agent.recompute import Recomputation
from monitor_agent.agent.report import Report
from monitor_agent.clock import Clock
from monitor_agent.es.curve_store import CurveStore
from monitor_agent.es.drift_store import DriftStore
from monitor_agent.es.event_store import EventStore
from monitor_agent.es.feedback_store import Feedback, FeedbackStore
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import History
from monitor_agent.es.line_check import remembered_writers
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.es.reference_store import ReferenceStore
from monitor_agent.es.release_store import ReleaseStore
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.sequences import Loss, losses
from monitor_agent.pipeline.stale_windows import ModelWindow, StoredWindow
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings

PAGES_AT_ONCE = 12
"""Pages of feedback whose fates are held until their windows are written: bounds what a round keeps in memory."""


class Stores:
    """The stores; they hold nothing that Elasticsearch does not hold too."""

    def __init__(
        self, gateway: Gateway, settings: AgentSettings, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.gateway = gateway
        self.settings = settings
        self.clock = clock
        self.calendar = Calendar(settings)
        self.events = EventStore(gateway, settings, self.calendar)
        self.feedback = FeedbackStore(gateway, settings.page_size)
        self.performance = PerformanceStore(gateway, self.calendar, settings.page_size)
        self.history = History(gateway, settings.page_size)
        self.releases = ReleaseStore(gateway, self.calendar, settings.page_size)
        self.memory = StateStore(gateway)
        self.references = ReferenceStore(gateway, self.memory, self.performance, self.calendar)
        self.recomputation = Recomputation(
            self.events,
            self.performance,
            CurveStore(gateway),
            BaselineLoader(
                self.performance,
                self.references,
                DriftStore(gateway, self.calendar, settings.drift_samples),
                self.calendar,
            ),
            self.memory,
            self.calendar,
            settings,
            clock,
            sleep,
        )

    def join(
        self, now: datetime, seen: Mapping[str, int], remembered: Mapping[str, int], *, forced: bool = False
    ) -> Join:
        """Return a round of joins."""
        return Join(
            self.feedback,
            self.performance,
            self.calendar,
            self.settings,
            now,
            seen=seen,
            remembered=remembered,
            forced=forced,
        )

    def summaries_around(self, interval: Interval) -> list[StoredWindow]:
        """Return the windows of an interval and of all larger windows that share time with it."""
        largest = self.calendar.names[-1]
        first = self.calendar.window(largest, interval.start)
        last = self.calendar.window(largest, interval.end - timedelta(microseconds=1))
        return self.performance.summaries(min(first.start, interval.start), max(last.end, interval.end))

    def summaries_of(self, interval: Interval) -> list[StoredWindow]:
        """Return the base windows of an interval and all larger windows that share time with it."""
        base, larger = (self.calendar.base,), self.calendar.larger
        found = self.performance.summaries(interval.start, interval.end, base)
        if larger:
            first = self.calendar.window(larger[-1], interval.start).start
            found += self.performance.summaries(first, interval.end, larger)
        return found

    def write_feedback_statuses(self, result: JoinResult, report: Report) -> None:
        """Write what became of the feedback: only now, so that a crash before leaves it to be joined again.

        What was read comes last: as long as it is not told, earlier events will be told again.
        """
        if result.statuses or result.flips:
            self.feedback.flip_status((*place, status) for place, status in result.flips.items())
            self.feedback.set_status(result.statuses)
            self.feedback.refresh()
            report.feedback += result.counts()

    def losses(self, now: datetime) -> list[Loss]:
        """Return the lines that the last check found to be lost."""
        return losses(remembered_writers(self.memory).values(), now, self.settings.ingest_grace)

    def notice_releases(self, cells: set[ModelWindow], report: Report) -> None:
        """Record the versions that the computed base windows show for the first time."""
        if cells:
            start = min(window.start for _, window in cells)
            end = max(window.end for _, window in cells)
            report.releases += self.releases.notice(self.history.versions(self.calendar.base, start, end))

    def finished(self, report: Report, started: float, asked: int, what: str) -> Report:
        """Complete a report and log it."""
        report.requests = self.gateway.requests - asked
        report.seconds = time.monotonic() - started
        structlog.get_logger().info(
            f"{what} done",
            windows=report.tally.windows,
            merged=report.tally.merged,
            written=report.tally.written,
            restated=report.tally.restated,
            feedback=dict(report.feedback),
            deleted=report.deleted,
            releases=[f"{each.model} {each.version}" for each in report.releases],
            requests=report.requests,
            seconds=round(report.seconds, 3),
        )
        return report


def take_some(pages: Iterator[list[Feedback]], take: Callable[[list[Feedback]], None]) -> bool:
    """Take as many pages as one round may; return whether there may be more."""
    taken = 0
    for page in islice(pages, PAGES_AT_ONCE):
        take(page)
        taken += 1
    return taken == PAGES_AT_ONCE
