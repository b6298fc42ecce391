"""A past range joined and computed again, day by day; an interrupted backfill skips the days that are finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitor_agent.agent.groups import ModelGroups
from monitor_agent.agent.join import JoinScope
from monitor_agent.agent.report import CycleReport
from monitor_agent.agent.stores import process_pages
from monitor_agent.clock import Clock
from monitor_agent.es.state_store import StoredState
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import hashed_id
from monitor_agent.pipeline.failure_scopes import Failure
from monitor_agent.pipeline.instants import DAY, Interval
from monitor_agent.pipeline.prediction_times import in_time_for
from monitor_agent.pipeline.stale_windows import ModelWindow, day_of

STATE_KIND = "backfill"


@dataclass(frozen=True)
class BackfillProgress:
    """How much of a backfill is done.

    Attributes
    ----------
    day : the day (UTC) that is being computed.
    before : days that an interrupted run had finished.
    done, days : finished days, including those of the interrupted run; days of the range.
    windows, of : base windows of the day that are computed; base windows of the day.
    """

    day: datetime
    before: int
    done: int
    days: int
    windows: int = 0
    of: int = 0

    @property
    def share(self) -> float:
        """The number of days that are done, with the fraction of the current one."""
        return self.done + (min(1.0, self.windows / self.of) if self.of else 0.0)


ProgressCallback = Callable[[BackfillProgress], None]


class Backfill:
    """Joins and computes everything about predictions of a range again, even if it is closed to restatements.

    Parameters
    ----------
    models : only their predictions and windows; empty = those of all models.
    """

    def __init__(self, groups: ModelGroups, clock: Clock, models: Collection[str] = ()) -> None:
        self._groups = groups
        self._clock = clock
        self._models = frozenset(models)

    def run(
        self, start: datetime, end: datetime, report_progress: ProgressCallback, *, restart: bool = False
    ) -> CycleReport:
        """Compute the range and return what was done; documents that would not change are not written.

        A day on which a model fails is computed for the other models, and is not finished: the next run computes it.

        Parameters
        ----------
        start, end : the range, [start, end).
        report_progress : called often, with the progress.
        restart : compute also the days that an interrupted run of the same range and settings has finished.
        """
        groups = self._groups
        groups.scopes.clear()
        groups.refresh(self._clock.now())
        stores = groups.common
        failures: dict[str, Failure] = {}
        report, started, requests_before = CycleReport(), time.monotonic(), stores.gateway.requests
        first = min(group.calendar.base_window(start).start for group in groups)
        last = max(group.calendar.base_window(end - timedelta(microseconds=1)).end for group in groups)
        days = _days(first, last)
        stored = self._stored_progress(first, last)
        finished = set() if restart else set(stored.content.get("days", ()))
        before = len(finished)
        for day in days:
            name = instants.text(day.start)
            if name in finished:
                continue
            progress = BackfillProgress(day_of(day.start), before, len(finished), len(days))
            report_progress(progress)
            while self._compute_day(day, report, progress, report_progress):
                pass
            # The states of a finished day are not merged again: memory must not grow with the number of days.
            for group in groups:
                group.performance.clear_cache()
            if groups.scopes.failures:
                failures = {**groups.scopes.failures, **failures}
                groups.scopes.clear()
                continue
            finished.add(name)
            stored = self._store_progress(stored, finished)
        report_progress(BackfillProgress(days[-1].start, before, len(finished), len(days)))
        if not failures:
            stores.state.delete(stored)
        groups.scopes.failures.update(failures)
        return stores.finish_report(report, started, requests_before, "backfill")

    def _stored_progress(self, first: datetime, last: datetime) -> StoredState:
        # Other settings make other documents: days that were finished with them do not count.
        settings = self._groups.identity
        models = [",".join(sorted(self._models))] if self._models else []
        identifier = f"{STATE_KIND}:{hashed_id(instants.text(first), instants.text(last), settings, *models)}"
        (stored,) = self._groups.common.state.read(identifier)
        return stored

    def _store_progress(self, stored: StoredState, finished: set[str]) -> StoredState:
        state = self._groups.common.state
        state.write(stored, {"days": sorted(finished)}, self._clock.now())
        (written,) = state.read(stored.id)
        return written

    def _compute_day(
        self, day: Interval, report: CycleReport, progress: BackfillProgress, report_progress: ProgressCallback
    ) -> bool:
        """Compute a day; return whether it must be computed again, by the settings of a model that was met there."""
        groups, now = self._groups, self._clock.now()
        stores = groups.common
        indices = groups.work_summary(now).documents
        losses = stores.losses(now)
        base = self._base_windows(day)
        pages = stores.feedback.not_counted(day, in_time_for(day, stores.settings))
        windows_done = 0

        def report_windows(count: int) -> None:
            nonlocal windows_done
            windows_done += count
            report_progress(replace(progress, windows=windows_done, of=len(base)))

        while True:
            windows_done = 0
            join = groups.join(JoinScope(now, indices, interval=day, models=self._models))
            more = process_pages(pages, join.join_page)
            base |= join.result.windows
            if groups.meet((row.model for row in base), now):
                return True
            stores.gateway.refresh(join.result.indices)
            # Orphans are counted by their status: a recovered orphan needs its new status before its window is counted.
            # If a crash interrupts this, the next run repairs it.
            stores.feedback.set_status(join.result.recovered_orphans())
            stores.feedback.refresh()
            for group, windows in groups.by_group(base):
                report.tally.add(group.recomputation.run(windows, (), now, indices, report_windows, losses))
                group.record_releases(windows, report)
            stores.write_feedback_statuses(join.result, report)
            # Feedback of a window that fails keeps its status: the next page would be the same.
            if not more or groups.scopes.failures:
                return False
            base = set()

    def _base_windows(self, day: Interval) -> set[ModelWindow]:
        """Return the base windows of a day that have events, or a document."""
        windows: set[ModelWindow] = set()
        for group in self._groups:
            if group.model_scope.overlaps(day):
                counts = group.events.window_counts(day_of(day.start), day)
                stored = (row.model_window for row in group.stored_windows_around(day))
                windows |= counts.predictions.keys() | counts.errors.keys()
                windows |= {
                    row for row in stored if row.window.size == group.calendar.base and day.holds(row.window.start)
                }
        return {row for row in windows if not self._models or row.model in self._models}


def _days(first: datetime, last: datetime) -> list[Interval]:
    """Return the days (UTC) of [first, last); the first and the last day may be incomplete."""
    days = []
    day = day_of(first)
    while day < last:
        days.append(Interval(max(day, first), min(day + DAY, last)))
        day += DAY
    return days
