"""Totals over any range: merged from the stored states of the largest windows that fit, never counted anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from monitor_agent.contracts.model_names import version_order
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.es.history import History, Selection, StoredMetrics
from monitor_agent.metrics import WindowState, merge_all
from monitor_agent.metrics.positive_rate import CLICK
from monitor_agent.pipeline.finality import is_final
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.pipeline.ranges import WindowRun, cover, whole_windows
from monitor_agent.pipeline.windows import Calendar

MERGED_AT_ONCE = 64


class TotalKey(NamedTuple):
    """What one total is about."""

    model: str
    version: str
    segment: str


@dataclass
class Total:
    """The sum of the windows of one model, version and segment.

    Attributes
    ----------
    first, last : start of the first window, end of the last one.
    windows : number of windows by state (`open`, `provisional`, `final`, `restated`).
    state : all windows together.
    judged_by : the type of feedback that decides about the labels of the last window.
    """

    first: datetime
    last: datetime
    windows: Counter[str] = field(default_factory=Counter)
    state: WindowState = field(default_factory=WindowState)
    judged_by: str = CLICK
    _waiting: list[WindowState] = field(default_factory=list)

    @property
    def not_final(self) -> int:
        """The number of windows that are not final yet."""
        return sum(count for state, count in self.windows.items() if not is_final(state))

    def add(self, metrics: StoredMetrics) -> None:
        """Add a window."""
        if metrics.end >= self.last:
            self.judged_by = metrics.judged_by
        self.first, self.last = min(self.first, metrics.start), max(self.last, metrics.end)
        self.windows[metrics.finality] += 1
        self._waiting.append(metrics.state)
        if len(self._waiting) >= MERGED_AT_ONCE:
            self.finish()

    def finish(self) -> None:
        """Merge the windows added since the last call; so only a few states are in memory, however long the range."""
        self.state = merge_all([self.state, *self._waiting])
        self._waiting = []


def totals(history: History, rules: SettingsByModel, interval: Interval, selection: Selection) -> dict[TotalKey, Total]:
    """Return the total of each model, version and segment of an interval, sorted; `all` segments come first.

    Parameters
    ----------
    rules : which windows each model has.
    interval : is widened to whole base windows.
    """
    total_of: dict[TotalKey, Total] = {}
    for settings, scope in rules.scopes.items():
        calendar = Calendar(settings)
        for piece, filters in scope.pieces(interval, "model_name"):
            runs = cover(calendar, whole_windows(calendar, piece.start, piece.end))
            for metrics in _stored_metrics(history, runs, replace(selection, further=tuple(filters))):
                key = TotalKey(metrics.model, metrics.version, metrics.segment)
                total_of.setdefault(key, Total(metrics.start, metrics.end)).add(metrics)
    for total in total_of.values():
        total.finish()
    return dict(sorted(total_of.items(), key=lambda item: _order(item[0])))


def _order(key: TotalKey) -> tuple[Any, ...]:
    return key.model, version_order(key.version), key.segment != ALL_SEGMENT, key.segment


def _stored_metrics(history: History, runs: Iterable[WindowRun], selection: Selection) -> Iterator[StoredMetrics]:
    for run in runs:
        yield from history.stored_metrics(run, selection)
