"""Totals over any range: merged from the stored states of the largest windows that fit, never counted anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.es.history import History, Selection, StoredMetrics
from monitor_agent.metrics import WindowState, merge_all
from monitor_agent.pipeline.finality import is_final
from monitor_agent.pipeline.ranges import WindowRun

MERGED_AT_ONCE = 64


class TotalKey(NamedTuple):
    """What one total is about."""

    model: str
    version: str
    segment: str


@dataclass
class Total:
    """The sum of a group's windows.

    Attributes
    ----------
    state : all windows together.
    windows : how many were merged, by their finality (`open`, `provisional`, `final`, `restated`).
    first, last : start of the first one, end of the last one.
    """

    first: datetime
    last: datetime
    windows: Counter[str] = field(default_factory=Counter)
    state: WindowState = field(default_factory=WindowState)
    _waiting: list[WindowState] = field(default_factory=list)

    @property
    def not_final(self) -> int:
        """Windows that are not final yet."""
        return sum(count for state, count in self.windows.items() if not is_final(state))

    def add(self, metrics: StoredMetrics) -> None:
        """Take a window in."""
        self.first, self.last = min(self.first, metrics.start), max(self.last, metrics.end)
        self.windows[metrics.finality] += 1
        self._waiting.append(metrics.state)
        if len(self._waiting) >= MERGED_AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Merge what was taken in since; a few states are held at a time, however long the range."""
        self.state = merge_all([self.state, *self._waiting])
        self._waiting = []


def totals(history: History, runs: Iterable[WindowRun], selection: Selection) -> dict[TotalKey, Total]:
    """Return the total of each group that has a document in the runs of windows, sorted: all segments first."""
    found: dict[TotalKey, Total] = {}
    for metrics in _documents(history, runs, selection):
        group = TotalKey(metrics.model, metrics.version, metrics.segment)
        found.setdefault(group, Total(metrics.start, metrics.end)).add(metrics)
    for total in found.values():
        total.finish()
    return dict(sorted(found.items(), key=lambda item: (item[0][:2], item[0].segment != ALL_SEGMENT, item[0].segment)))


def _documents(history: History, runs: Iterable[WindowRun], selection: Selection) -> Iterator[StoredMetrics]:
    for run in runs:
        yield from history.stored_metrics(run, selection)
