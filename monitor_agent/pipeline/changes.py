"""Which windows are to be computed again: those whose events changed, and those that time has changed (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Protocol

from monitor_agent.contracts.performance import STATE_FINAL, STATE_RESTATED
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

DAY, HOUR, MICROSECOND = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
HOURS_OF_INDICES = 6
"""Indices whose hours are remembered: predictions and errors of three days."""

Cell = tuple[str, Window]
"""A model and a window."""

HourCounts = Mapping[str, Mapping[str, int]]
"""Index -> start of an hour, as text -> documents in it."""


class Summary(Protocol):
    """What is stored of a window, over all versions and segments."""

    @property
    def model(self) -> str: ...
    @property
    def window(self) -> Window: ...
    @property
    def state(self) -> str: ...
    @property
    def maturity(self) -> float | None: ...
    @property
    def predictions(self) -> int: ...
    @property
    def errors(self) -> int: ...


def day_of(moment: datetime) -> datetime:
    """Return the start of a moment's day, UTC."""
    return moment.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)


def changed_days(seen: Mapping[str, int], remembered: Mapping[str, int]) -> list[datetime]:
    """Return the days (UTC) whose number of predictions or errors is not the remembered one."""
    days = set()
    for index in seen.keys() | remembered.keys():
        # An index that is gone has been deleted: its windows stay as they are.
        if index in seen and seen[index] != remembered.get(index):
            contract = PREDICTIONS if index.startswith(PREDICTIONS.name) else ERRORS
            days.add(contract.day_of(index))
    return sorted(days)


def changed_cells(
    predictions: Mapping[Cell, int], errors: Mapping[Cell, int], stored: Iterable[Summary], day: Window
) -> set[Cell]:
    """Return the base windows of a day whose stored counts are not those counted now.

    Parameters
    ----------
    predictions, errors : counts of the day's base windows.
    stored : the documents of that day.
    day : the day itself; documents outside are left alone.
    """
    known = {
        (each.model, each.window): (each.predictions, each.errors)
        for each in stored
        if day.start <= each.window.start < day.end
    }
    cells = predictions.keys() | errors.keys()
    return {cell for cell in cells if known.get(cell) != (predictions.get(cell, 0), errors.get(cell, 0))}


def changed_stretches(seen: HourCounts, remembered: HourCounts, calendar: Calendar) -> list[Window]:
    """Return the stretches of time whose hours hold other numbers of documents than remembered, in order.

    Hours that follow each other are one stretch, within a day; whole base windows are in it.
    """
    hours = {
        instants.parse(hour)
        for index, counts in seen.items()
        for hour in counts.keys() | remembered.get(index, {}).keys()
        if counts.get(hour) != remembered.get(index, {}).get(hour)
    }
    stretches: list[Window] = []
    for hour in sorted(hours):
        start, end = calendar.base_window(hour).start, calendar.base_window(hour + HOUR - MICROSECOND).end
        if stretches and start <= stretches[-1].end and day_of(start) == day_of(stretches[-1].start):
            stretches[-1] = Window(stretches[-1].start, end, "")
        else:
            stretches.append(Window(start, end, ""))
    return stretches


def remembered_hours(seen: HourCounts, before: HourCounts) -> HourCounts:
    """Return what is to be remembered: hours of the latest indices, since old days hardly ever change."""
    together = {**before, **seen}
    latest = sorted(together, key=lambda index: index.rpartition("-")[2])[-HOURS_OF_INDICES:]
    return {index: together[index] for index in latest}


def larger_cells(cells: Iterable[Cell], calendar: Calendar) -> set[Cell]:
    """Return the larger windows that hold these base windows."""
    return {(model, calendar.window(size, window.start)) for model, window in cells for size in calendar.larger}


def aged_cells(young: Iterable[Summary], calendar: Calendar, settings: AgentSettings, now: datetime) -> Iterator[Cell]:
    """Yield the windows that time alone changes: their state, or how many of their predictions are mature."""
    for each in young:
        if each.window.start > now:
            continue  # of events from the future: nothing changes before its time comes
        moved = calendar.state(each.window, now) != each.state
        maturing = each.window.start + settings.attribution_window <= now and (each.maturity or 0.0) < 1.0
        if moved or maturing or each.window.size != calendar.base:
            yield each.model, each.window


def settled(summary: Summary, calendar: Calendar, settings: AgentSettings, now: datetime) -> bool:
    """Return whether a window has been final for longer than the restatement limit."""
    if summary.state not in (STATE_FINAL, STATE_RESTATED):
        return False
    return now - calendar.final_at(summary.window) > settings.restatement_limit
