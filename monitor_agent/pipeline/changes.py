"""Which windows are to be computed again: those whose events changed, and those that time has changed (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Protocol

from monitor_agent.contracts import ERRORS, PREDICTIONS
from monitor_agent.contracts.performance import STATE_FINAL, STATE_RESTATED
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

DAY = timedelta(days=1)

Cell = tuple[str, Window]
"""A model and a window."""


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


def unmerged_cells(stored: Iterable[Summary], calendar: Calendar) -> set[Cell]:
    """Return the larger windows that count other predictions or errors than their base windows together."""
    rows = list(stored)
    base = [each for each in rows if each.window.size == calendar.base]
    known = {(each.model, each.window): (each.predictions, each.errors) for each in rows}
    sums: dict[Cell, tuple[int, int]] = {}
    for each in base:
        for size in calendar.larger:
            cell = (each.model, calendar.window(size, each.window.start))
            predictions, errors = sums.get(cell, (0, 0))
            sums[cell] = (predictions + each.predictions, errors + each.errors)
    return {cell for cell, counts in sums.items() if known.get(cell) != counts}


def aged_cells(young: Iterable[Summary], calendar: Calendar, settings: AgentSettings, now: datetime) -> Iterator[Cell]:
    """Yield the windows that time alone changes: their state, or how many of their predictions are mature."""
    for each in young:
        moved = calendar.state(each.window, now) != each.state
        maturing = each.window.start + settings.attribution_window <= now and (each.maturity or 0.0) < 1.0
        if moved or maturing or each.window.size != calendar.base:
            yield each.model, each.window


def settled(summary: Summary, calendar: Calendar, settings: AgentSettings, now: datetime) -> bool:
    """Return whether a window has been final for longer than the restatement limit."""
    if summary.state not in (STATE_FINAL, STATE_RESTATED):
        return False
    return now - calendar.final_at(summary.window) > settings.restatement_limit
