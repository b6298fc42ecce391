"""The history of the settings of models, and the revisions of one model that follow from it (pure).

Each change of the tables is an entry of the history. A change gives a model a further revision if it changes what the
model's table amounts to. The revisions are a function of the stored history alone: all agents get the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import DAY, MICROSECOND
from monitor_agent.pipeline.stale_windows import day_of
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import ModelSettings
from monitor_agent.settings.model_tables import Tables, settings_of

CANDIDATES = 8
"""How many starts of the longer of two largest windows are compared with those of the shorter one."""


@dataclass(frozen=True)
class SettingsChange:
    """One change of the tables.

    Attributes
    ----------
    number : 1 for the tables that the set-up wrote, then 2, 3, ...
    changed_at : when it was applied.
    tables : all tables after it.
    recompute_from : the start of what it restates; None = it restates nothing.
    """

    number: int
    changed_at: datetime
    tables: Tables
    recompute_from: datetime | None = None

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> SettingsChange:
        """Return the change that `content` wrote."""
        recompute_from = content.get("recompute_from")
        return cls(
            content["number"],
            instants.parse(content["changed_at"]),
            content["tables"],
            instants.parse(recompute_from) if recompute_from else None,
        )

    def content(self) -> dict[str, Any]:
        """Return the change as JSON."""
        return {
            "number": self.number,
            "changed_at": instants.text(self.changed_at),
            "tables": {name: dict(table) for name, table in self.tables.items()},
            "recompute_from": None if self.recompute_from is None else instants.text(self.recompute_from),
        }


@dataclass(frozen=True)
class Revision:
    """The settings of a model in a range of time.

    Attributes
    ----------
    number : from 1 on.
    settings : what decides its numbers.
    start, end : the windows that lie in [start, end) as a whole have these settings; None = without end.
    """

    number: int
    settings: ModelSettings
    start: datetime | None = None
    end: datetime | None = None

    def holds(self, window: Window) -> bool:
        """Return whether a window lies in the revision's time as a whole."""
        return (self.start is None or self.start <= window.start) and (self.end is None or window.end <= self.end)

    def holds_moment(self, moment: datetime) -> bool:
        """Return whether a moment lies in the revision's time."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)


@dataclass(frozen=True)
class ModelHistory:
    """All changes of the tables, the oldest first; empty if the set-up has written none."""

    changes: Sequence[SettingsChange] = field(default_factory=tuple)

    @property
    def tables(self) -> Tables:
        """The tables after the latest change."""
        return self.changes[-1].tables if self.changes else {}

    @property
    def number(self) -> int:
        """The number of the latest change; 0 without one."""
        return self.changes[-1].number if self.changes else 0

    def with_change(self, tables: Tables, changed_at: datetime, recompute_from: datetime | None = None) -> ModelHistory:
        """Return the history after a further change."""
        change = SettingsChange(self.number + 1, changed_at, tables, recompute_from)
        return ModelHistory((*self.changes, change))

    def revisions(self, model: str, first_change: int | None = None) -> list[Revision]:
        """Return the revisions of a model, the earliest in time first; they cover all time and do not overlap.

        Parameters
        ----------
        first_change : the change that was the latest when the model was first met: its first revision applies to all
            time; None = the model has not been met, so the latest change is.

        Raises
        ------
        SettingsError
            If values of a table contradict each other.
        """
        latest = self.number if first_change is None else min(first_change, self.number)
        first = next((change for change in self.changes if change.number == latest), None)
        tables: Tables = first.tables if first else {}
        revisions = [Revision(1, settings_of(tables, model))]
        count = 1
        for change in self.changes[latest:]:
            settings, unchanged = settings_of(change.tables, model), change.tables == tables
            tables = change.tables
            # A change that restates and changes no table gives the latest settings to earlier windows.
            if settings != revisions[-1].settings or (unchanged and change.recompute_from is not None):
                count += 1
                revisions = _followed(revisions, count, settings, change)
        return revisions


def _followed(
    revisions: Sequence[Revision], number: int, settings: ModelSettings, change: SettingsChange
) -> list[Revision]:
    """Return revisions after a change; those that it replaces as a whole are left out."""
    moment = change.changed_at if change.recompute_from is None else change.recompute_from
    # A change that another one follows before it takes effect never does.
    begun = [revision for revision in revisions if revision.start is None or revision.start <= moment]
    while True:
        last = replace(begun[-1], end=None)
        start = first_boundary(
            Calendar(last.settings), Calendar(settings), moment, includes_moment=change.recompute_from is not None
        )
        if last.start is None or last.start < start:
            return [*begun[:-1], replace(last, end=start), Revision(number, settings, start)]
        begun = begun[:-1]


def first_boundary(before: Calendar, after: Calendar, moment: datetime, *, includes_moment: bool) -> datetime:
    """Return the moment from which windows of one calendar follow those of another one.

    It is the next start of a largest window of both calendars. Calendars of two time zones may have none: then it is
    the next midnight (UTC), at which base windows of every size begin; larger windows that it would cut are left out.

    Parameters
    ----------
    before, after : the calendars.
    moment : no earlier moment is returned.
    includes_moment : whether it may be `moment`; else the largest window that holds `moment` comes to its end before.
    """
    window = before.window(before.names[-1], moment)
    first = window.start if includes_moment and window.start == moment else window.end
    longer, shorter = (after, before) if after.sizes[-1] > before.sizes[-1] else (before, after)
    candidate = longer.window(longer.names[-1], first)
    for _ in range(CANDIDATES):
        start = candidate.start
        if start >= first and shorter.window(shorter.names[-1], start).start == start:
            return start
        candidate = longer.window(candidate.size, candidate.end)
    return day_of(first + DAY - MICROSECOND)


def new_revisions(before: ModelHistory, after: ModelHistory, first_changes: Mapping[str, int]) -> dict[str, Revision]:
    """Return the latest revision of each model that a change gives another one.

    Parameters
    ----------
    first_changes : model -> its first change, for `ModelHistory.revisions`.
    """
    latest = {}
    for model, number in sorted(first_changes.items()):
        revisions = after.revisions(model, number)
        if revisions != before.revisions(model, number):
            latest[model] = revisions[-1]
    return latest
