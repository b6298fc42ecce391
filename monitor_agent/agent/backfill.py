"""A past range joined and computed again, day by day; an interrupted run goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitor_agent.agent.report import Report
from monitor_agent.agent.stores import Parts, take_some
from monitor_agent.es.memory import Remembered
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.changes import DAY, day_of
from monitor_agent.pipeline.documents import hashed
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import environment_of

REMEMBERED = "backfill"


@dataclass(frozen=True)
class Progress:
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


Tell = Callable[[Progress], None]


class Backfill:
    """Joins and computes everything about predictions of a range again, however long it has been final."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def run(self, start: datetime, end: datetime, tell: Tell, *, restart: bool = False) -> Report:
        """Return what was done.

        Parameters
        ----------
        start, end : the range, [start, end).
        tell : told how far it is, often.
        restart : forget the days that an interrupted run of the same range and settings has finished.

        What already says the same is not written.
        """
        parts = self._parts
        report, started, asked = Report(), time.monotonic(), parts.gateway.requests
        first = parts.calendar.base_window(start).start
        last = parts.calendar.base_window(end - timedelta(microseconds=1)).end
        stretches = _days(first, last)
        known = self._remembered(first, last)
        finished = set() if restart else set(known.content.get("days", ()))
        before = len(finished)
        for stretch in stretches:
            name = instants.text(stretch.start)
            if name in finished:
                continue
            at = Progress(day_of(stretch.start), before, len(finished), len(stretches))
            tell(at)
            self._day(stretch, report, at, tell)
            # Those of a day that is done are not merged again: memory must not follow the number of days.
            parts.performance.forget_states()
            finished.add(name)
            known = self._remember(known, finished)
        tell(Progress(stretches[-1].start, before, len(stretches), len(stretches)))
        parts.memory.forget(known)
        return parts.finished(report, started, asked, "backfill")

    def _remembered(self, first: datetime, last: datetime) -> Remembered:
        # Other settings make other documents: days finished under those do not count.
        settings = repr(sorted(environment_of(self._parts.settings).items()))
        (known,) = self._parts.memory.read(
            f"{REMEMBERED}:{hashed(instants.text(first), instants.text(last), settings)}"
        )
        return known

    def _remember(self, known: Remembered, finished: set[str]) -> Remembered:
        self._parts.memory.write(known, {"days": sorted(finished)}, self._parts.clock.now())
        (written,) = self._parts.memory.read(known.id)
        return written

    def _day(self, stretch: Window, report: Report, at: Progress, tell: Tell) -> None:
        parts = self._parts
        now = parts.clock.now()
        seen = parts.events.look(now).documents
        stored = parts.summaries_around(stretch)
        losses = parts.losses(now)
        counts = parts.events.window_counts(day_of(stretch.start), stretch)
        known = {
            (each.model, each.window)
            for each in stored
            if each.window.size == parts.calendar.base and stretch.start <= each.window.start < stretch.end
        }
        base = {*counts.predictions, *counts.errors, *known}
        pages = parts.feedback.unsettled(stretch)
        computed = report.tally.windows

        def progress(windows: int) -> None:
            nonlocal computed
            computed += windows
            tell(replace(at, windows=computed - report.tally.windows, of=len(base)))

        while True:
            join = parts.join(now, seen, {}, forced=True)
            more = take_some(pages, join.page)
            base |= join.joined.cells
            parts.gateway.refresh(join.joined.indices)
            # Orphans are counted by their status: those found after all must say so before their windows are counted.
            # Where this is cut short, running it again mends it.
            parts.feedback.set_status(join.joined.found_orphans())
            parts.feedback.refresh()
            report.add(parts.recomputation.run(base, (), now, seen, progress, losses))
            parts.notice_releases(base, report)
            parts.settle(join.joined, report)
            if not more:
                return
            base = set()


def _days(first: datetime, last: datetime) -> list[Window]:
    """Return the days (UTC) of [first, last), the first and last one cut to it."""
    found = []
    day = day_of(first)
    while day < last:
        found.append(Window(max(day, first), min(day + DAY, last), ""))
        day += DAY
    return found
