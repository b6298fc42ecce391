"""A past range joined and computed again, day by day; an interrupted run goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitor_agent.agent.report import Report
from monitor_agent.agent.stores import Stores, take_some
from monitor_agent.es.state_store import StoredState
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import hashed
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.stale_windows import DAY, day_of
from monitor_agent.settings import environment_of

REMEMBERED = "backfill"


@dataclass(frozen=True)
class BackfillProgress:
    """How far a backfill is.

    Attributes
    ----------
    day : the day (UTC) that is worked on.
    before : days that an interrupted run had finished.
    done, days : days finished, those before too; days of the range.
    windows, of : base windows of the day that are computed; all that are to be.
    """

    day: datetime
    before: int
    done: int
    days: int
    windows: int = 0
    of: int = 0

    @property
    def share(self) -> float:
        """How many days are done, the started one as a part of a day."""
        return self.done + (min(1.0, self.windows / self.of) if self.of else 0.0)


ProgressCallback = Callable[[BackfillProgress], None]


class Backfill:
    """Joins and computes everything about predictions of a range again, however long it has been final."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def run(
        self, start: datetime, end: datetime, report_progress: ProgressCallback, *, restart: bool = False
    ) -> Report:
        """Return what was done.

        Parameters
        ----------
        start, end : the range, [start, end).
        report_progress : called often, with how far it is.
        restart : forget the days that an interrupted run of the same range and settings has finished.

        What already says the same is not written.
        """
        stores = self._stores
        report, started, asked = Report(), time.monotonic(), stores.gateway.requests
        first = stores.calendar.base_window(start).start
        last = stores.calendar.base_window(end - timedelta(microseconds=1)).end
        stretches = _days(first, last)
        known = self._remembered(first, last)
        finished = set() if restart else set(known.content.get("days", ()))
        before = len(finished)
        for stretch in stretches:
            name = instants.text(stretch.start)
            if name in finished:
                continue
            at = BackfillProgress(day_of(stretch.start), before, len(finished), len(stretches))
            report_progress(at)
            self._day(stretch, report, at, report_progress)
            # Those of a day that is done are not merged again: memory must not follow the number of days.
            stores.performance.forget_states()
            finished.add(name)
            known = self._remember(known, finished)
        report_progress(BackfillProgress(stretches[-1].start, before, len(stretches), len(stretches)))
        stores.memory.forget(known)
        return stores.finished(report, started, asked, "backfill")

    def _remembered(self, first: datetime, last: datetime) -> StoredState:
        # Other settings make other documents: days finished under those do not count.
        settings = repr(sorted(environment_of(self._stores.settings).items()))
        (known,) = self._stores.memory.read(
            f"{REMEMBERED}:{hashed(instants.text(first), instants.text(last), settings)}"
        )
        return known

    def _remember(self, known: StoredState, finished: set[str]) -> StoredState:
        self._stores.memory.write(known, {"days": sorted(finished)}, self._stores.clock.now())
        (written,) = self._stores.memory.read(known.id)
        return written

    def _day(self, stretch: Interval, report: Report, at: BackfillProgress, report_progress: ProgressCallback) -> None:
        stores = self._stores
        now = stores.clock.now()
        seen = stores.events.work_summary(now).documents
        stored = stores.summaries_around(stretch)
        losses = stores.losses(now)
        counts = stores.events.window_counts(day_of(stretch.start), stretch)
        known = {
            each.model_window
            for each in stored
            if each.window.size == stores.calendar.base and stretch.start <= each.window.start < stretch.end
        }
        base = {*counts.predictions, *counts.errors, *known}
        pages = stores.feedback.not_joined(stretch)
        computed = report.tally.windows

        def progress(windows: int) -> None:
            nonlocal computed
            computed += windows
            report_progress(replace(at, windows=computed - report.tally.windows, of=len(base)))

        while True:
            join = stores.join(now, seen, {}, forced=True)
            more = take_some(pages, join.page)
            base |= join.result.cells
            stores.gateway.refresh(join.result.indices)
            # Orphans are counted by their status: those found after all must say so before their windows are counted.
            # Where this is cut short, running it again mends it.
            stores.feedback.set_status(join.result.found_orphans())
            stores.feedback.refresh()
            report.add(stores.recomputation.run(base, (), now, seen, progress, losses))
            stores.notice_releases(base, report)
            stores.write_feedback_statuses(join.result, report)
            if not more:
                return
            base = set()


def _days(first: datetime, last: datetime) -> list[Interval]:
    """Return the days (UTC) of [first, last), the first and last one cut to it."""
    found = []
    day = day_of(first)
    while day < last:
        found.append(Interval(max(day, first), min(day + DAY, last)))
        day += DAY
    return found
