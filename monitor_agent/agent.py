"""One cycle of the agent: what is new is joined, and the windows that it touches are computed anew.

Work is found by what it is, never by a clock: feedback that is `new`, days whose number of documents is not the
remembered one, windows that are not final. A crash anywhere leaves work that the next cycle finds again, and all writes
are functions of what is counted, so that a rerun or a second agent changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

import structlog

from monitor_agent.clock import Clock
from monitor_agent.es.events import EventStore, Look
from monitor_agent.es.feedback import Feedback, FeedbackStore
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.lifecycle import Retention
from monitor_agent.es.memory import Memory
from monitor_agent.es.performance import PerformanceStore, Summary
from monitor_agent.join import Join, Joined
from monitor_agent.pipeline.changes import (
    DAY,
    Cell,
    aged_cells,
    changed_cells,
    changed_days,
    day_of,
    settled,
    unmerged_cells,
)
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.recompute import Recomputation, Tally
from monitor_agent.settings import AgentSettings

PROGRESS = "progress"
PAGES_AT_ONCE = 20
"""Pages of feedback whose fates are held until their windows are written: bounds what a round keeps in memory."""


@dataclass
class Report:
    """What a cycle or a backfill did.

    Attributes
    ----------
    tally : windows computed and documents written.
    feedback : how many feedback events met each fate.
    deleted : expired indices.
    requests : requests to Elasticsearch.
    seconds : how long it took.
    """

    tally: Tally = field(default_factory=Tally)
    feedback: Counter[str] = field(default_factory=Counter)
    deleted: list[str] = field(default_factory=list)
    requests: int = 0
    seconds: float = 0.0


class Agent:
    """Joins, counts and writes; holds nothing between cycles that Elasticsearch does not hold too."""

    def __init__(
        self, gateway: Gateway, settings: AgentSettings, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._clock = clock
        self._calendar = Calendar(settings)
        self._events = EventStore(gateway, settings, self._calendar)
        self._feedback = FeedbackStore(gateway, settings.page_size)
        self._performance = PerformanceStore(gateway, self._calendar, settings.page_size)
        self._memory = Memory(gateway)
        self._retention = Retention(gateway, settings)
        self._recomputation = Recomputation(
            self._events, self._performance, self._memory, self._calendar, settings, clock, sleep
        )
        self._log = structlog.get_logger()

    def cycle(self, progress: Callable[[int], None] = lambda _windows: None) -> Report:
        """Do all that is to be done now; ElasticsearchError where it cannot be, and then nothing is half done.

        Parameters
        ----------
        progress : told how many base windows were computed.
        """
        report, started, asked = Report(), time.monotonic(), self._gateway.requests
        while self._round(report, progress):
            pass
        report.deleted = self._retention.apply(self._clock.now())
        return self._finished(report, started, asked, "cycle")

    def backfill(
        self, start: datetime, end: datetime, progress: Callable[[datetime, int], None] = lambda _day, _windows: None
    ) -> Report:
        """Join and compute everything about predictions of [start, end) again, however long it has been final.

        Parameters
        ----------
        progress : told the day and how many of its base windows were computed.

        Day by day, so that it may be interrupted and run again; what already says the same is not written.
        """
        report, started, asked = Report(), time.monotonic(), self._gateway.requests
        first, last = self._calendar.base_window(start), self._calendar.base_window(end - timedelta(microseconds=1))
        day = day_of(first.start)
        while day < last.end:
            stretch = Window(max(day, first.start), min(day + DAY, last.end), "")
            self._backfill_day(stretch, report, progress)
            day += DAY
        return self._finished(report, started, asked, "backfill")

    def _round(self, report: Report, progress: Callable[[int], None]) -> bool:
        """Do what one look shows; return whether there may be more."""
        now = self._clock.now()
        look = self._events.look(now)
        (known,) = self._memory.read(PROGRESS)
        remembered: dict[str, int] = known.content.get("documents", {})
        base, larger = self._changed(look, remembered, now)
        if look.young:
            self._add_aged(base, larger, now)
        join = self._join(now, look.documents, remembered)
        more = self._read_feedback(join, look, base, now)
        base |= join.joined.cells
        if base or larger:
            self._gateway.refresh(join.joined.indices)
            self._add(report.tally, self._recomputation.run(base, larger, now, look.documents, progress))
        self._settle(join.joined, report)
        if look.documents != remembered:
            self._memory.write(known, {"documents": look.documents}, now)
        return more or join.joined.again

    def _changed(self, look: Look, remembered: dict[str, int], now: datetime) -> tuple[set[Cell], set[Cell]]:
        base: set[Cell] = set()
        larger: set[Cell] = set()
        for day in changed_days(look.documents, remembered):
            stretch = Window(day, day + DAY, "")
            counts = self._events.window_counts(day)
            stored = self._summaries_around(stretch)
            base |= self._open_to_change(changed_cells(counts.predictions, counts.errors, stored, stretch), stored, now)
            larger |= self._open_to_change(unmerged_cells(stored, self._calendar), stored, now)
        return base, larger

    def _summaries_around(self, stretch: Window) -> list[Summary]:
        """Return the windows of a stretch and of all larger windows that share time with it."""
        largest = self._calendar.names[-1]
        first = self._calendar.window(largest, stretch.start)
        last = self._calendar.window(largest, stretch.end - timedelta(microseconds=1))
        return self._performance.summaries(min(first.start, stretch.start), max(last.end, stretch.end))

    def _open_to_change(self, cells: set[Cell], stored: Iterable[Summary], now: datetime) -> set[Cell]:
        """Return the cells without those that have been final for longer than the restatement limit."""
        closed = {(each.model, each.window) for each in stored if settled(each, self._calendar, self._settings, now)}
        return cells - closed

    def _add_aged(self, base: set[Cell], larger: set[Cell], now: datetime) -> None:
        for cell in aged_cells(self._performance.young(), self._calendar, self._settings, now):
            (base if cell[1].size == self._calendar.base else larger).add(cell)

    def _join(self, now: datetime, seen: dict[str, int], remembered: dict[str, int], *, forced: bool = False) -> Join:
        return Join(
            self._feedback,
            self._performance,
            self._calendar,
            self._settings,
            now,
            seen=seen,
            remembered=remembered,
            forced=forced,
        )

    def _read_feedback(self, join: Join, look: Look, changed: set[Cell], now: datetime) -> bool:
        """Join what is new, what waits for predictions that have come, and what has waited too long."""
        more = False
        if look.new:
            more |= _some(self._feedback.new(), join.page)
        if changed:
            # The id of a prediction made elsewhere tells no time: its feedback then waits under a time of its own.
            since = min(window.start for _, window in changed) - self._settings.clock_skew
            for page in self._feedback.waiting(since):
                join.page(page)
        if look.overdue:
            more |= _some(self._feedback.overdue(now, self._settings.orphan_horizon), join.overdue)
        return more

    def _settle(self, joined: Joined, report: Report) -> None:
        """Write what became of the feedback: only now, so that a crash before leaves it to be joined again."""
        if joined.statuses or joined.flips:
            self._feedback.set_status(joined.statuses)
            self._feedback.flip_status(joined.flips)
            self._feedback.refresh()
            report.feedback += joined.counts()

    def _backfill_day(self, stretch: Window, report: Report, progress: Callable[[datetime, int], None]) -> None:
        now = self._clock.now()
        seen = self._events.look(now).documents
        stored = self._summaries_around(stretch)
        counts = self._events.window_counts(day_of(stretch.start), stretch)
        known = {
            (each.model, each.window)
            for each in stored
            if each.window.size == self._calendar.base and stretch.start <= each.window.start < stretch.end
        }
        base = {*counts.predictions, *counts.errors, *known}
        pages = self._feedback.unsettled(stretch)
        while True:
            join = self._join(now, seen, {}, forced=True)
            more = _some(pages, join.page)
            base |= join.joined.cells
            self._gateway.refresh(join.joined.indices)
            # Orphans are counted by their status: those found after all must say so before their windows are counted.
            # Where this is cut short, running it again mends it.
            self._feedback.set_status(join.joined.found_orphans())
            self._feedback.refresh()
            tally = self._recomputation.run(
                base, (), now, seen, lambda windows: progress(day_of(stretch.start), windows)
            )
            self._add(report.tally, tally)
            self._settle(join.joined, report)
            if not more:
                return
            base = set()

    def _finished(self, report: Report, started: float, asked: int, what: str) -> Report:
        report.requests = self._gateway.requests - asked
        report.seconds = time.monotonic() - started
        self._log.info(
            f"{what} done",
            windows=report.tally.windows,
            merged=report.tally.merged,
            written=report.tally.written,
            restated=report.tally.restated,
            feedback=dict(report.feedback),
            deleted=report.deleted,
            requests=report.requests,
            seconds=round(report.seconds, 3),
        )
        return report

    @staticmethod
    def _add(total: Tally, more: Tally) -> None:
        total.windows += more.windows
        total.merged += more.merged
        total.written += more.written
        total.restated += more.restated


def _some(pages: Iterator[list[Feedback]], take: Callable[[list[Feedback]], None]) -> bool:
    """Take as many pages as one round may; return whether there may be more."""
    taken = 0
    for page in islice(pages, PAGES_AT_ONCE):
        take(page)
        taken += 1
    return taken == PAGES_AT_ONCE
