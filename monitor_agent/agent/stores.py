"""The stores that cycles and backfills work with for models of equal settings, and the steps that both take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

import structlog

from monitor_agent.agent.baselines import BaselineLoader
from monitor_agent.agent.counting_plan import CountingPlans
from monitor_agent.agent.join import JoinResult
from monitor_agent.agent.recompute import Recomputation, RecomputationStores
from monitor_agent.agent.report import CycleReport
from monitor_agent.agent.waiting import WaitingFeedback
from monitor_agent.clock import Clock
from monitor_agent.es.curve_store import CurveStore
from monitor_agent.es.drift_store import DriftStore
from monitor_agent.es.event_store import EventStore
from monitor_agent.es.feedback_documents import Feedback
from monitor_agent.es.feedback_store import FeedbackStore
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import History
from monitor_agent.es.line_check import stored_writers
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.es.prediction_store import PredictionStore
from monitor_agent.es.reference_store import ReferenceStore
from monitor_agent.es.release_store import ReleaseStore
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline.failure_scopes import Failure, FailureScopes
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_scopes import WHOLE_SCOPE, ModelScope
from monitor_agent.pipeline.sequences import LineLoss, line_losses
from monitor_agent.pipeline.stale_windows import ModelWindow, StoredWindow
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings

PAGES_PER_ROUND = 12
"""Pages of feedback in one round: their new statuses stay in memory until the windows are written."""


class Stores:
    """The stores; all that they know is in Elasticsearch too.

    Parameters
    ----------
    settings : those of the process and of the models.
    scopes : records what fails; None = a record of their own.
    model_scope : the models and times that the settings decide.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: AgentSettings,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
        scopes: FailureScopes | None = None,
        model_scope: ModelScope = WHOLE_SCOPE,
    ) -> None:
        self.gateway = gateway
        self.settings = settings
        self.clock = clock
        self.calendar = Calendar(settings)
        self.scopes = FailureScopes() if scopes is None else scopes
        self.model_scope = model_scope
        self.events = EventStore(gateway, settings, self.calendar, self.scopes, model_scope)
        self.feedback = FeedbackStore(gateway, settings.page_size, self.scopes)
        self.predictions = PredictionStore(gateway, settings, self.scopes)
        self.waiting = WaitingFeedback(self.feedback, self.predictions, settings)
        self.performance = PerformanceStore(gateway, self.calendar, settings.page_size, self.scopes, model_scope)
        self.history = History(gateway, settings.page_size)
        self.releases = ReleaseStore(gateway, self.calendar, settings.page_size, self.scopes)
        self.state = StateStore(gateway)
        self.references = ReferenceStore(gateway, self.state, self.performance, self.calendar)
        drift = DriftStore(gateway, self.calendar, settings.drift_samples)
        recomputed = RecomputationStores(
            events=self.events,
            performance=self.performance,
            curves=CurveStore(gateway),
            baselines=BaselineLoader(self.performance, self.references, drift, self.calendar, self.scopes, model_scope),
            counting_plans=CountingPlans(self.events, self.state, settings),
            scopes=self.scopes,
            model_scope=model_scope,
        )
        self.recomputation = Recomputation(recomputed, self.calendar, settings, clock, sleep)

    def stored_windows_around(self, interval: Interval) -> list[StoredWindow]:
        """Return the stored windows of an interval and all larger windows that share time with it."""
        largest = self.calendar.names[-1]
        first = self.calendar.window(largest, interval.start)
        last = self.calendar.window(largest, interval.end - timedelta(microseconds=1))
        return self.performance.windows(Interval(min(first.start, interval.start), max(last.end, interval.end)))

    def stored_windows_of(self, interval: Interval) -> list[StoredWindow]:
        """Return the stored base windows of an interval and all larger windows that share time with it."""
        base, larger = (self.calendar.base,), self.calendar.larger
        stored = self.performance.windows(interval, base)
        if larger:
            first = self.calendar.window(larger[-1], interval.start).start
            stored += self.performance.windows(Interval(first, interval.end), larger)
        return stored

    def write_feedback_statuses(self, result: JoinResult, report: CycleReport) -> None:
        """Write the new statuses of feedback; call this after its windows are written: a crash only repeats the join.

        The statuses of the events that were read come last: until they are written, the next cycle joins these events
        again, and so writes the statuses of earlier events again too. Feedback whose window could not be computed keeps
        its status, for the same reason.
        """
        result.leave_out(self.scopes.windows)
        if result.statuses or result.revised_statuses:
            self.feedback.revise_status(result.revised_statuses)
            self.feedback.set_status(result.statuses)
            self.feedback.refresh()
        report.feedback += result.counts()

    def losses(self, now: datetime) -> list[LineLoss]:
        """Return the lines that are lost, as of the last check."""
        return line_losses(stored_writers(self.state).values(), now, self.settings.ingest_grace)

    def record_releases(self, windows: set[ModelWindow], report: CycleReport) -> None:
        """Record each new version that has predictions in the computed base windows."""
        if windows:
            start = min(window.start for _, window in windows)
            end = max(window.end for _, window in windows)
            with self.scopes.step("the search for releases"):
                report.releases += self.releases.notice(self.history.versions([self.calendar.base], start, end))

    def finish_report(self, report: CycleReport, started: float, requests_before: int, name: str) -> CycleReport:
        """Complete a report and log it.

        Parameters
        ----------
        started : `time.monotonic()` when the work began.
        requests_before : number of requests to Elasticsearch when the work began.
        name : `cycle` or `backfill`.
        """
        report.requests = self.gateway.requests - requests_before
        report.seconds = time.monotonic() - started
        report.failures = [self.scopes.failures[subject] for subject in sorted(self.scopes.failures)]
        log_failures(report.failures)
        structlog.get_logger().info(
            f"{name} done",
            windows=report.tally.windows,
            merged=report.tally.merged,
            written=report.tally.written,
            restated=report.tally.restated,
            feedback=dict(report.feedback),
            not_counted=dict(report.not_counted or {}),
            deleted=report.deleted,
            releases=[f"{release.model} {release.version}" for release in report.releases],
            requests=report.requests,
            seconds=round(report.seconds, 3),
        )
        return report


def log_failures(failures: Iterable[Failure]) -> None:
    """Log one line for each failure; the stack trace is in a field of its own."""
    for failure in failures:
        extra = {"model.name": failure.model} if failure.model else {}
        structlog.get_logger().error(
            f"{failure.subject} failed and will be tried again",
            reason=failure.reason,
            **extra,
            **{"error.stack_trace": failure.stack_trace},
        )


def process_pages(pages: Iterator[list[Feedback]], process: Callable[[list[Feedback]], None]) -> bool:
    """Process as many pages as one round may; return whether there may be more."""
    count = 0
    for page in islice(pages, PAGES_PER_ROUND):
        process(page)
        count += 1
    return count == PAGES_PER_ROUND
