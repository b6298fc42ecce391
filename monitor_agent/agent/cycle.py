"""One cycle of the agent: what is new is joined, and the windows that it touches are computed anew.

Work is found by what it is, never by a clock: feedback that is `new`, days whose number of documents is not the
remembered one, windows that are not final. A crash anywhere leaves work that the next cycle finds again, and all writes
are functions of what is counted, so that a rerun or a second agent changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from monitor_agent.agent.backfill import Backfill, ProgressCallback
from monitor_agent.agent.join import Join
from monitor_agent.agent.report import Report
from monitor_agent.agent.stores import Stores, take_some
from monitor_agent.clock import Clock
from monitor_agent.es.event_store import WorkSummary
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.leases import leased_models
from monitor_agent.es.lifecycle import Retention
from monitor_agent.es.state_store import StoredState
from monitor_agent.pipeline.finality import is_closed
from monitor_agent.pipeline.lease_table import REMAINDER, Assignment
from monitor_agent.pipeline.ranges import INSTANT
from monitor_agent.pipeline.sequences import Loss, lost_in
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

__all__ = ["Agent", "Report"]


class Agent:
    """Joins, counts and writes; holds nothing between cycles that Elasticsearch does not hold too."""

    def __init__(
        self, gateway: Gateway, settings: AgentSettings, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._stores = Stores(gateway, settings, clock, sleep)
        self._retention = Retention(gateway, settings)

    def cycle(self, progress: Callable[[int], None] = lambda _windows: None, share: Assignment | None = None) -> Report:
        """Do all that is to be done now; ElasticsearchError where it cannot be, and then nothing is half done.

        Parameters
        ----------
        progress : told how many base windows were computed.
        share : the part of the work that is this agent's; None = all of it, whoever holds a lease.
        """
        stores = self._stores
        report, started, asked = Report(), time.monotonic(), stores.gateway.requests
        if share is None:
            leased = leased_models(stores.memory)
            share = Assignment(leased, True, leased)
        while self._round(share, report, progress):
            pass
        if share.remainder:
            report.deleted = self._retention.apply(stores.clock.now())
        return stores.finished(report, started, asked, "cycle")

    def backfill(
        self,
        start: datetime,
        end: datetime,
        report_progress: ProgressCallback = lambda _progress: None,
        *,
        restart: bool = False,
    ) -> Report:
        """Join and compute everything about predictions of [start, end) again; see `Backfill.run`."""
        return Backfill(self._stores).run(start, end, report_progress, restart=restart)

    def _round(self, share: Assignment, report: Report, progress: Callable[[int], None]) -> bool:
        """Do what one look shows; return whether there may be more."""
        stores, now = self._stores, self._stores.clock.now()
        work_summary = stores.events.work_summary(now)
        known = dict(zip(share.lease_names, stores.memory.read(*map(_progress_id, share.lease_names)), strict=True))
        hours = self._hours_of_changed_days(work_summary, known.values())
        base, larger = self._changed(hours, known.values(), share, now)
        if work_summary.not_final:
            self._add_aged(base, larger, share, now)
        losses = stores.losses(now)
        if losses or work_summary.with_lost_lines:
            self._add_incomplete(base, larger, losses, share, now)
        join = stores.join(now, work_summary.documents, _indices_seen(known.values()))
        more = self._read_feedback(join, work_summary, base, share, now)
        base |= join.result.cells
        if base or larger:
            stores.gateway.refresh(join.result.indices)
            report.add(stores.recomputation.run(base, larger, now, work_summary.documents, progress, losses))
            stores.notice_releases(base, report)
            report.models |= {model for model, _ in base if share.includes(model)} - share.leased
        stores.write_feedback_statuses(join.result, report)
        for each in known.values():
            if each.content.get("documents") != work_summary.documents:
                kept = remembered_hours(hours, each.content.get("hours", {}))
                stores.memory.write(each, {"documents": work_summary.documents, "hours": kept}, now)
        return more or join.result.again

    def _hours_of_changed_days(self, work_summary: WorkSummary, known: Iterable[StoredState]) -> HourCounts:
        remembered = [each.content.get("documents", {}) for each in known]
        days = sorted({day for each in remembered for day in changed_days(work_summary.documents, each)})
        return self._stores.events.hour_counts(days) if days else {}

    def _changed(
        self, hours: HourCounts, known: Iterable[StoredState], share: Assignment, now: datetime
    ) -> tuple[set[ModelWindow], set[ModelWindow]]:
        """Return the base and larger windows of the share whose predictions or errors are not those counted."""
        stores = self._stores
        base: set[ModelWindow] = set()
        larger: set[ModelWindow] = set()
        remembered = [each.content.get("hours", {}) for each in known]
        for stretch in sorted({new for each in remembered for new in changed_intervals(hours, each, stores.calendar)}):
            counts = stores.events.window_counts(day_of(stretch.start), stretch)
            stored = stores.summaries_of(stretch)
            cells = changed_windows(counts.predictions, counts.errors, stored, stretch)
            base |= self._open_to_change(cells, share, stored, now)
            # A crash may have left them behind: also where all base windows are as they should be.
            whole = enclosing_windows(counts.predictions.keys() | counts.errors.keys(), stores.calendar)
            larger |= self._open_to_change(whole, share, stored, now)
        return base, larger

    def _open_to_change(
        self, cells: set[ModelWindow], share: Assignment, stored: Iterable[StoredWindow], now: datetime
    ) -> set[ModelWindow]:
        """Return the share's cells without those that have been final for longer than the restatement limit."""
        calendar = self._stores.calendar
        closed = {each.model_window for each in stored if is_closed(each.window, each.state, calendar, now)}
        return {cell for cell in cells - closed if share.includes(cell.model)}

    def _add_aged(self, base: set[ModelWindow], larger: set[ModelWindow], share: Assignment, now: datetime) -> None:
        stores = self._stores
        for cell in aged_windows(stores.performance.not_final(), stores.calendar, stores.settings, now):
            if share.includes(cell.model):
                (base if cell.window.size == stores.calendar.base else larger).add(cell)

    def _add_incomplete(
        self, base: set[ModelWindow], larger: set[ModelWindow], losses: Sequence[Loss], share: Assignment, now: datetime
    ) -> None:
        """Add the windows that name other lost lines than are lost now."""
        stores = self._stores
        stored = stores.performance.with_lost_lines()
        for loss in losses:
            first = stores.calendar.window(stores.calendar.names[-1], loss.start)
            stored += stores.performance.summaries(first.start, loss.end + INSTANT)
        wrong = {
            each.model_window
            for each in stored
            if each.lost_lines != lost_in(each.window.start, each.window.end, losses)
        }
        for cell in self._open_to_change(wrong, share, stored, now):
            (base if cell.window.size == stores.calendar.base else larger).add(cell)

    def _read_feedback(
        self, join: Join, work_summary: WorkSummary, changed: set[ModelWindow], share: Assignment, now: datetime
    ) -> bool:
        """Join what is new, what waits for predictions that have come, and what has waited too long."""
        stores, more = self._stores, False
        ours = share.filters("model.name")
        if work_summary.new:
            more |= take_some(stores.feedback.new(ours), join.page)
        if changed:
            # The id of a prediction made elsewhere tells no time: its feedback then waits under a time of its own.
            # All of it is looked at, whatever model it names: its prediction may be another model's.
            since: datetime = min(window.start for _, window in changed) - stores.settings.clock_skew
            for page in stores.feedback.waiting(since):
                join.page(page)
        if work_summary.overdue:
            more |= take_some(stores.feedback.overdue(now, stores.settings.orphan_horizon, ours), join.overdue)
        return more


def _progress_id(share: str) -> str:
    return PROGRESS if share == REMAINDER else f"{PROGRESS}:{share}"


def _indices_seen(known: Iterable[StoredState]) -> dict[str, int]:
    """Return all indices that any of the shares has seen before."""
    return {index: count for each in known for index, count in each.content.get("documents", {}).items()}
