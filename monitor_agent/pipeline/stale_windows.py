"""Which windows are stale: those whose events have changed, and those that time has changed (pure)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import HOUR, MICROSECOND, Interval
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

HOURS_OF_INDICES = 6
"""Number of indices whose hours are remembered: predictions and errors of three days."""


class ModelWindow(NamedTuple):
    """One window of one model."""

    model: str
    window: Window


HourCounts = Mapping[str, Mapping[str, int]]
"""Index -> start of an hour, as text -> number of documents in the hour."""


@dataclass(frozen=True)
class StoredWindow:
    """The stored document of a window over all versions and segments, in short."""

    model: str
    window: Window
    state: str
    maturity: float | None
    predictions: int
    errors: int
    lost_lines: int = 0

    @property
    def model_window(self) -> ModelWindow:
        """The model and the window."""
        return ModelWindow(self.model, self.window)


def day_of(moment: datetime) -> datetime:
    """Return the start of a moment's day, UTC."""
    return moment.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)


def changed_days(present: Mapping[str, int], remembered: Mapping[str, int]) -> list[datetime]:
    """Return the days (UTC) whose number of predictions or errors is not the remembered number.

    Parameters
    ----------
    present, remembered : index -> number of documents, now and in the cycle before; an index without a date in its
        name, such as a backup of a day, is ignored.
    """
    days = set()
    for index in present.keys() | remembered.keys():
        # An index that is missing has been deleted: its windows stay as they are.
        if index in present and present[index] != remembered.get(index):
            contract = PREDICTIONS if index.startswith(PREDICTIONS.name) else ERRORS
            with contextlib.suppress(ValueError):
                days.add(contract.day_of(index))
    return sorted(days)


def changed_windows(
    predictions: Mapping[ModelWindow, int],
    errors: Mapping[ModelWindow, int],
    stored: Iterable[StoredWindow],
    interval: Interval,
) -> set[ModelWindow]:
    """Return the base windows of an interval whose stored counts are not the present counts.

    Parameters
    ----------
    predictions, errors : present counts of the interval's base windows.
    stored : stored windows; those that begin outside the interval are ignored.
    """
    stored_counts = {
        row.model_window: (row.predictions, row.errors) for row in stored if interval.holds(row.window.start)
    }
    return {
        model_window
        for model_window in predictions.keys() | errors.keys()
        if stored_counts.get(model_window) != (predictions.get(model_window, 0), errors.get(model_window, 0))
    }


def changed_intervals(present: HourCounts, remembered: HourCounts, calendar: Calendar) -> list[Interval]:
    """Return the intervals whose hours hold other numbers of documents than remembered, in order.

    Consecutive hours of a day form one interval. An interval consists of whole base windows.
    """
    hours = {
        instants.parse(hour)
        for index, counts in present.items()
        for hour in counts.keys() | remembered.get(index, {}).keys()
        if counts.get(hour) != remembered.get(index, {}).get(hour)
    }
    intervals: list[Interval] = []
    for hour in sorted(hours):
        start, end = calendar.base_window(hour).start, calendar.base_window(hour + HOUR - MICROSECOND).end
        if intervals and start <= intervals[-1].end and day_of(start) == day_of(intervals[-1].start):
            intervals[-1] = Interval(intervals[-1].start, end)
        else:
            intervals.append(Interval(start, end))
    return intervals


def remembered_hours(present: HourCounts, before: HourCounts) -> HourCounts:
    """Return the hours to remember: those of the latest indices, since old days hardly ever change."""
    merged = {**before, **present}
    latest = sorted(merged, key=lambda index: index.rpartition("-")[2])[-HOURS_OF_INDICES:]
    return {index: merged[index] for index in latest}


def enclosing_windows(base: Iterable[ModelWindow], calendar: Calendar) -> set[ModelWindow]:
    """Return the larger windows that hold these base windows."""
    return {
        ModelWindow(model, calendar.window(size, window.start)) for model, window in base for size in calendar.larger
    }


def aged_windows(
    not_final: Iterable[StoredWindow], calendar: Calendar, settings: AgentSettings, now: datetime
) -> Iterator[ModelWindow]:
    """Yield the windows that time alone changes: their state, or the number of their mature predictions."""
    for stored in not_final:
        if stored.window.start > now:
            continue  # its events are from the future: nothing changes before its time comes
        state_changes = calendar.state(stored.window, now) != stored.state
        matures = stored.window.start + settings.attribution_window <= now and (stored.maturity or 0.0) < 1.0
        if state_changes or matures:
            yield stored.model_window
