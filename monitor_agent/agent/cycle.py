"""One cycle of the agent: new feedback is joined, and the windows that have changed are computed anew.

The agent does not find its work by a clock, but by its state: feedback that is `new`, days whose number of documents
differs from the remembered one, windows that are not final. If a crash leaves work, the next cycle finds it again. All
writes are functions of what is counted, so that a rerun or a second agent changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from monitor_agent.agent.backfill import Backfill, ProgressCallback
from monitor_agent.agent.groups import ModelGroups
from monitor_agent.agent.join import Join, JoinScope
from monitor_agent.agent.judge import Judge
from monitor_agent.agent.report import CycleReport
from monitor_agent.agent.restatement import Restatement
from monitor_agent.agent.stores import Stores, process_pages
from monitor_agent.clock import Clock
from monitor_agent.es.event_store import DayCounts, WorkSummary
from monitor_agent.es.feedback_documents import Feedback
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.index_expiry import IndexExpiry
from monitor_agent.es.leases import leased_models
from monitor_agent.es.state_store import StoredState
from monitor_agent.pipeline.finality import closed_windows
from monitor_agent.pipeline.instants import MICROSECOND, Interval
from monitor_agent.pipeline.lease_table import REMAINDER, Assignment
from monitor_agent.pipeline.progress import Progress
from monitor_agent.pipeline.sequences import LineLoss, lost_lines_in
from monitor_agent.pipeline.stale_windows import (
    HourCounts,
    ModelWindow,
    StoredWindow,
    aged_windows,
    changed_days,
    changed_intervals,
    changed_windows,
    day_of,
    enclosing_windows,
    remembered_hours,
)
from monitor_agent.settings import AgentSettings

PROGRESS = "progress"
"""The kind of the documents that remember the counted events, one for each lease."""


@dataclass
class _StaleWindows:
    """Windows that must be computed anew: base windows, and further larger windows."""

    base: set[ModelWindow] = field(default_factory=set)
    larger: set[ModelWindow] = field(default_factory=set)


@dataclass(frozen=True)
class _Remembered:
    """What one lease remembers of the counted events, and its state document."""

    stored: StoredState
    progress: Progress

    @classmethod
    def of(cls, stored: StoredState) -> _Remembered:
        return cls(stored, Progress.from_content(stored.content))


class Agent:
    """Joins, counts and writes; all that it knows between cycles is in Elasticsearch too."""

    def __init__(
        self, gateway: Gateway, settings: AgentSettings, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._groups = ModelGroups(gateway, settings, clock, sleep)
        self._index_expiry = IndexExpiry(gateway, settings)
        self._judge = Judge(gateway, self._groups)

    @property
    def settings(self) -> list[AgentSettings]:
        """The settings of each group of models, with those of the process."""
        return [group.settings for group in self._groups]

    @property
    def patient(self) -> AgentSettings:
        """The settings of what concerns no single model, with the longest waits of all models."""
        return self._groups.common.settings

    def cycle(
        self,
        report_windows: Callable[[int], None] = lambda _count: None,
        assignment: Assignment | None = None,
    ) -> CycleReport:
        """Do all work that there is now; a model that fails is in the report, and the others go on.

        Parameters
        ----------
        report_windows : called with the number of base windows that were just counted.
        assignment : this agent's share of the work; None = all work, whichever agents hold leases.

        Raises
        ------
        ElasticsearchError
            If Elasticsearch is in trouble; then nothing is half done.
        """
        groups, stores = self._groups, self._groups.common
        groups.scopes.clear()
        report, started, requests_before = CycleReport(), time.monotonic(), stores.gateway.requests
        if assignment is None:
            leased = leased_models(stores.state)
            assignment = Assignment(leased, True, leased)
        failed: list[str] = []
        while self._round(assignment, report, report_windows, failed):
            # Their feedback keeps its status in this cycle: it must not take the place of the others' feedback.
            failed = sorted(groups.scopes.models)
        if assignment.remainder:
            with groups.scopes.step("the deletion of expired indices"):
                report.deleted = self._index_expiry.apply(self._clock.now())
        return stores.finish_report(report, started, requests_before, "cycle")

    def judge(self, assignment: Assignment | None = None) -> int:
        """Write the verdicts that are due on the models of an assignment and return how many there were.

        Parameters
        ----------
        assignment : this agent's share of the work; None = all models.

        Raises
        ------
        ElasticsearchError
            If Elasticsearch is in trouble.
        """
        return self._judge.judge(self._clock.now(), assignment)

    def backfill(
        self,
        start: datetime,
        end: datetime,
        report_progress: ProgressCallback = lambda _progress: None,
        *,
        restart: bool = False,
        models: Collection[str] = (),
    ) -> CycleReport:
        """Join and compute everything about predictions of [start, end) again; see `Backfill.run`.

        Parameters
        ----------
        models : only these; empty = all models.
        """
        return Backfill(self._groups, self._clock, models).run(start, end, report_progress, restart=restart)

    def _round(
        self,
        assignment: Assignment,
        report: CycleReport,
        report_windows: Callable[[int], None],
        failed: Sequence[str],
    ) -> bool:
        """Do the work that one search shows; return whether there may be more.

        Parameters
        ----------
        failed : models that have failed in this cycle: no new feedback that names them is joined.
        """
        groups, now = self._groups, self._clock.now()
        groups.refresh(now)
        stores, work = groups.common, groups.work_summary(now)
        remembered = [_Remembered.of(state) for state in stores.state.read(*map(_progress_id, assignment.lease_names))]
        counts = self._counts_of_changed_days(work, remembered)
        losses = stores.losses(now)
        if work.superseded:
            Restatement(groups, report_windows).run(work, losses, assignment, now, report)
        stale, changed = self._stale(work, counts, remembered, losses, assignment, now)
        # Without predictions of this agent's models in the changed hours, other agents join the waiting feedback.
        may_join = bool(stale.base or stale.larger) or assignment.remainder
        join = groups.join(JoinScope(now, work.documents, _remembered_indices(remembered)))
        waiting = stores.waiting.pages(work.waiting if may_join else 0, changed, counts.hours)
        filters = assignment.filters("model.name")
        if failed:
            filters.append({"bool": {"must_not": [{"terms": {"model.name": failed}}]}})
        more = self._join_feedback(join, work, waiting, filters, now)
        base, larger = (stale.base | join.result.windows) - groups.scopes.windows, stale.larger - groups.scopes.windows
        if groups.meet((row.model for row in base | larger), now):
            return True  # a model has settings of its own: they lead to other windows
        if base or larger:
            stores.gateway.refresh(join.result.indices)
        for group, base_windows, larger_windows in groups.by_group(base, larger):
            report.tally.add(
                group.recomputation.run(base_windows, larger_windows, now, work.documents, report_windows, losses)
            )
            group.record_releases(base_windows, report)
        report.models |= {model for model, _ in base if assignment.includes(model)} - assignment.leased
        stores.write_feedback_statuses(join.result, report)
        self._remember(work, counts, remembered, report, now)
        # Feedback of models that have failed keeps its status: without a new status, the next round would be the same.
        progressed = not groups.scopes.failures or bool(join.result.statuses)
        return (more or join.result.put_back) and progressed

    def _stale(
        self,
        work: WorkSummary,
        counts: DayCounts,
        remembered: Collection[_Remembered],
        losses: Sequence[LineLoss],
        assignment: Assignment,
        now: datetime,
    ) -> tuple[_StaleWindows, list[Interval]]:
        """Return the windows that must be computed anew, and the intervals in which events have come or gone."""
        stale = _StaleWindows()
        changed: set[Interval] = set()
        for group in self._groups:
            intervals = _changed_intervals(group, counts.hours, remembered)
            changed.update(intervals)
            _add_changed(stale, group, intervals, assignment, now)
            if work.aged:
                _add_aged(stale, group, assignment, now)
            if losses or work.with_lost_lines:
                _add_incomplete(stale, group, losses, assignment, now)
        return stale, sorted(changed)

    def _counts_of_changed_days(self, work: WorkSummary, remembered: Collection[_Remembered]) -> DayCounts:
        days = {day for entry in remembered for day in changed_days(work.documents, entry.progress.documents)}
        return self._groups.common.events.day_counts(sorted(days)) if days else DayCounts()

    def _remember(
        self,
        work: WorkSummary,
        counts: DayCounts,
        remembered: Collection[_Remembered],
        report: CycleReport,
        now: datetime,
    ) -> None:
        """Remember what was counted; report what is not counted, if everything that no lease names is this agent's.

        What could not be computed is not remembered, so that the next cycle tries it again.
        """
        failed = {window for _, window in self._groups.scopes.windows}
        for entry in remembered:
            before = entry.progress
            by_index = {**before.set_aside, **counts.set_aside}
            after = {index: by_reason for index, by_reason in by_index.items() if by_reason and index in work.documents}
            if before.documents != work.documents or before.set_aside != after or failed:
                hours = remembered_hours(counts.hours, before.hours)
                progress = Progress(work.documents, hours, after).to_be_counted_again(sorted(failed))
                self._groups.common.state.write(entry.stored, progress.content(), now)
            if entry.stored.id == PROGRESS:
                report.not_counted = sum((Counter(by_reason) for by_reason in after.values()), Counter())
                new = {
                    index: by_reason for index, by_reason in after.items() if by_reason != before.set_aside.get(index)
                }
                if new:
                    structlog.get_logger().warning("some predictions or errors are not counted", not_counted=new)

    def _join_feedback(
        self,
        join: Join,
        work: WorkSummary,
        waiting: Iterable[list[Feedback]],
        filters: list[dict[str, Any]],
        now: datetime,
    ) -> bool:
        """Join new feedback, and feedback whose predictions have come; give up overdue feedback.

        Return whether there may be more of it.
        """
        stores, more = self._groups.common, False
        if work.new:
            more |= process_pages(stores.feedback.new(filters), join.join_page)
        for page in waiting:
            join.join_page(page)
        if work.overdue:
            overdue = stores.feedback.matching(self._groups.overdue(now), *filters)
            more |= process_pages(overdue, join.give_up_page)
        return more


def _changed_intervals(group: Stores, hours: HourCounts, remembered: Collection[_Remembered]) -> list[Interval]:
    """Return the intervals of a group in which the number of predictions or errors is not the remembered one."""
    counts_before = [entry.progress.hours for entry in remembered]
    intervals = {row for before in counts_before for row in changed_intervals(hours, before, group.calendar)}
    return sorted(interval for interval in intervals if group.model_scope.overlaps(interval))


def _add_changed(
    stale: _StaleWindows, group: Stores, intervals: Iterable[Interval], assignment: Assignment, now: datetime
) -> None:
    """Add the assigned windows of intervals whose predictions or errors have changed since they were counted."""
    for interval in intervals:
        counts = group.events.window_counts(day_of(interval.start), interval)
        stored = group.stored_windows_of(interval)
        changed = changed_windows(counts.predictions, counts.errors, stored, interval)
        stale.base |= _open_to_change(group, changed, assignment, stored, now)
        # A crash may have left larger windows behind, even if all base windows are as they should be.
        enclosing = enclosing_windows(counts.predictions.keys() | counts.errors.keys(), group.calendar)
        stale.larger |= _open_to_change(group, enclosing, assignment, stored, now)


def _open_to_change(
    group: Stores,
    windows: set[ModelWindow],
    assignment: Assignment,
    stored: Iterable[StoredWindow],
    now: datetime,
) -> set[ModelWindow]:
    """Return the assigned windows of a group that have not been final for longer than the restatement limit."""
    states = {row.model_window: row.state for row in stored}
    closed = closed_windows(windows, states, group.calendar, now)
    return {row for row in windows - closed if assignment.includes(row.model) and group.model_scope.includes(row)}


def _add(stale: _StaleWindows, group: Stores, model_windows: Iterable[ModelWindow]) -> None:
    for model_window in model_windows:
        is_base = model_window.window.size == group.calendar.base
        (stale.base if is_base else stale.larger).add(model_window)


def _add_aged(stale: _StaleWindows, group: Stores, assignment: Assignment, now: datetime) -> None:
    """Add the windows that time alone has changed."""
    stored = group.performance.aged(group.settings, now)
    aged = aged_windows(stored, group.calendar, group.settings, now)
    _add(stale, group, (model_window for model_window in aged if assignment.includes(model_window.model)))


def _add_incomplete(
    stale: _StaleWindows, group: Stores, losses: Sequence[LineLoss], assignment: Assignment, now: datetime
) -> None:
    """Add the windows whose documents name a wrong number of lost lines."""
    stored = group.performance.with_lost_lines()
    for loss in losses:
        first = group.calendar.window(group.calendar.names[-1], loss.start)
        stored += group.performance.windows(Interval(first.start, loss.end + MICROSECOND))
    wrong = {row.model_window for row in stored if row.lost_lines != lost_lines_in(row.window, losses)}
    _add(stale, group, _open_to_change(group, wrong, assignment, stored, now))


def _progress_id(lease: str) -> str:
    return PROGRESS if lease == REMAINDER else f"{PROGRESS}:{lease}"


def _remembered_indices(remembered: Iterable[_Remembered]) -> dict[str, int]:
    """Return all indices that existed in an earlier cycle of any of the leases."""
    return {index: count for entry in remembered for index, count in entry.progress.documents.items()}
