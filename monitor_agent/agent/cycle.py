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
from monitor_agent.es.events import Look
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.leases import named_models
from monitor_agent.es.lifecycle import Retention
from monitor_agent.es.memory import Remembered
from monitor_agent.es.performance import Summary
from monitor_agent.pipeline.changes import (
    Cell,
    HourCounts,
    aged_cells,
    changed_cells,
    changed_days,
    changed_stretches,
    day_of,
    larger_cells,
    remembered_hours,
    settled,
)
from monitor_agent.pipeline.ranges import INSTANT
from monitor_agent.pipeline.sequences import Loss, lost_in
from monitor_agent.pipeline.sharing import REST, Share
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

    def cycle(self, progress: Callable[[int], None] = lambda _windows: None, share: Share | None = None) -> Report:
        """Do all that is to be done now; ElasticsearchError where it cannot be, and then nothing is half done.

        Parameters
        ----------
        progress : told how many base windows were computed.
        share : the part of the work that is this agent's; None = all of it, whoever holds a lease.
        """
        stores = self._stores
        report, started, asked = Report(), time.monotonic(), stores.gateway.requests
        if share is None:
            named = named_models(stores.memory)
            share = Share(named, True, named)
        while self._round(share, report, progress):
            pass
        if share.rest:
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

    def _round(self, share: Share, report: Report, progress: Callable[[int], None]) -> bool:
        """Do what one look shows; return whether there may be more."""
        stores, now = self._stores, self._stores.clock.now()
        look = stores.events.look(now)
        known = dict(zip(share.names, stores.memory.read(*map(_progress_id, share.names)), strict=True))
        hours = self._hours_of_changed_days(look, known.values())
        base, larger = self._changed(hours, known.values(), share, now)
        if look.young:
            self._add_aged(base, larger, share, now)
        losses = stores.losses(now)
        if losses or look.marked:
            self._add_incomplete(base, larger, losses, share, now)
        join = stores.join(now, look.documents, _indices_seen(known.values()))
        more = self._read_feedback(join, look, base, share, now)
        base |= join.result.cells
        if base or larger:
            stores.gateway.refresh(join.result.indices)
            report.add(stores.recomputation.run(base, larger, now, look.documents, progress, losses))
            stores.notice_releases(base, report)
            report.models |= {model for model, _ in base if share.holds(model)} - share.named
        stores.write_feedback_statuses(join.result, report)
        for each in known.values():
            if each.content.get("documents") != look.documents:
                kept = remembered_hours(hours, each.content.get("hours", {}))
                stores.memory.write(each, {"documents": look.documents, "hours": kept}, now)
        return more or join.result.again

    def _hours_of_changed_days(self, look: Look, known: Iterable[Remembered]) -> HourCounts:
        remembered = [each.content.get("documents", {}) for each in known]
        days = sorted({day for each in remembered for day in changed_days(look.documents, each)})
        return self._stores.events.hour_counts(days) if days else {}

    def _changed(
        self, hours: HourCounts, known: Iterable[Remembered], share: Share, now: datetime
    ) -> tuple[set[Cell], set[Cell]]:
        """Return the base and larger windows of the share whose predictions or errors are not those counted."""
        stores = self._stores
        base: set[Cell] = set()
        larger: set[Cell] = set()
        remembered = [each.content.get("hours", {}) for each in known]
        for stretch in sorted({new for each in remembered for new in changed_stretches(hours, each, stores.calendar)}):
            counts = stores.events.window_counts(day_of(stretch.start), stretch)
            stored = stores.summaries_of(stretch)
            cells = changed_cells(counts.predictions, counts.errors, stored, stretch)
            base |= self._open_to_change(cells, share, stored, now)
            # A crash may have left them behind: also where all base windows are as they should be.
            whole = larger_cells(counts.predictions.keys() | counts.errors.keys(), stores.calendar)
            larger |= self._open_to_change(whole, share, stored, now)
        return base, larger

    def _open_to_change(self, cells: set[Cell], share: Share, stored: Iterable[Summary], now: datetime) -> set[Cell]:
        """Return the share's cells without those that have been final for longer than the restatement limit."""
        calendar, settings = self._stores.calendar, self._stores.settings
        closed = {(each.model, each.window) for each in stored if settled(each, calendar, settings, now)}
        return {cell for cell in cells - closed if share.holds(cell[0])}

    def _add_aged(self, base: set[Cell], larger: set[Cell], share: Share, now: datetime) -> None:
        stores = self._stores
        for cell in aged_cells(stores.performance.young(), stores.calendar, stores.settings, now):
            if share.holds(cell[0]):
                (base if cell[1].size == stores.calendar.base else larger).add(cell)

    def _add_incomplete(
        self, base: set[Cell], larger: set[Cell], losses: Sequence[Loss], share: Share, now: datetime
    ) -> None:
        """Add the windows that name other lost lines than are lost now."""
        stores = self._stores
        stored = stores.performance.marked()
        for loss in losses:
            first = stores.calendar.window(stores.calendar.names[-1], loss.start)
            stored += stores.performance.summaries(first.start, loss.end + INSTANT)
        wrong = {
            (each.model, each.window)
            for each in stored
            if each.lost_lines != lost_in(each.window.start, each.window.end, losses)
        }
        for cell in self._open_to_change(wrong, share, stored, now):
            (base if cell[1].size == stores.calendar.base else larger).add(cell)

    def _read_feedback(self, join: Join, look: Look, changed: set[Cell], share: Share, now: datetime) -> bool:
        """Join what is new, what waits for predictions that have come, and what has waited too long."""
        stores, more = self._stores, False
        ours = share.filters("model.name")
        if look.new:
            more |= take_some(stores.feedback.new(ours), join.page)
        if changed:
            # The id of a prediction made elsewhere tells no time: its feedback then waits under a time of its own.
            # All of it is looked at, whatever model it names: its prediction may be another model's.
            since: datetime = min(window.start for _, window in changed) - stores.settings.clock_skew
            for page in stores.feedback.waiting(since):
                join.page(page)
        if look.overdue:
            more |= take_some(stores.feedback.overdue(now, stores.settings.orphan_horizon, ours), join.overdue)
        return more


def _progress_id(share: str) -> str:
    return PROGRESS if share == REST else f"{PROGRESS}:{share}"


def _indices_seen(known: Iterable[Remembered]) -> dict[str, int]:
    """Return all indices that any of the shares has seen before."""
    return {index: count for each in known for index, count in each.content.get("documents", {}).items()}
