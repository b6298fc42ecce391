"""The stores of all groups of models with equal settings; each cycle reads which settings these are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from monitor_agent.agent.join import Join, JoinScope
from monitor_agent.agent.stores import Stores
from monitor_agent.clock import Clock
from monitor_agent.es.event_store import WorkSummary
from monitor_agent.es.feedback_store import overdue_filter, predicted_filter
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import ModelSettingsStore, StoredHistory, stored_models
from monitor_agent.es.performance_store import aged_filters
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_scopes import WHOLE_SCOPE, SettingsByModel
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.settings import AgentSettings


class ModelGroups:
    """The groups of models with equal settings.

    Without settings in Elasticsearch, those of the process decide everything.

    Attributes
    ----------
    common : the stores of what concerns no model, or models of several groups.
    scopes : records what fails, in all groups.
    """

    def __init__(self, gateway: Gateway, process: AgentSettings, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._gateway = gateway
        self._process = process
        self._clock = clock
        self._sleep = sleep
        self._settings_store = ModelSettingsStore(gateway)
        self._stored = StoredHistory()
        self.scopes = FailureScopes()
        self._rules = SettingsByModel.of_process(process)
        self._groups: dict[AgentSettings, Stores] = {}
        self.common = self._arrange()

    def refresh(self, now: datetime) -> None:
        """Read the settings of models, by one request; arrange the groups anew if they have changed."""
        stored = self._settings_store.read()
        if stored.history.changes and not self._stored.history.changes:
            # Models that an earlier release has computed are met before the settings change for the first time.
            new = set(stored_models(self._gateway)) - stored.first_changes.keys()
            if new:
                met = self._settings_store.meet(new, stored.history.number, now)
                stored = replace(stored, first_changes=met)
        self._use(stored)

    def meet(self, models: Iterable[str], now: datetime) -> bool:
        """Remember models that nobody has met yet; return whether one of them has other settings than `default`."""
        new = {model for model in models if model} - self._stored.first_changes.keys()
        if not new or not self._stored.history.changes:
            return False
        met = self._settings_store.meet(new, self._stored.history.number, now)
        self._use(replace(self._stored, first_changes=met))
        return not all(map(self._rules.is_default, new))

    def _use(self, stored: StoredHistory) -> None:
        before, self._stored = self._stored, stored
        if stored.history != before.history or stored.first_changes != before.first_changes:
            self._rules = SettingsByModel.of(stored.history, stored.first_changes, self._process)
            self.common = self._arrange()

    def _arrange(self) -> Stores:
        """Make the stores of the groups that have none; return the common stores."""
        before = self._groups
        self._groups = {
            settings: before[settings]
            if settings in before and before[settings].model_scope == scope
            else Stores(self._gateway, settings, self._clock, self._sleep, self.scopes, scope)
            for settings, scope in self._rules.scopes.items()
        }
        patient = self._rules.patient
        group = self._groups.get(patient)
        if group is not None and group.model_scope.is_whole:
            return group
        return Stores(self._gateway, patient, self._clock, self._sleep, self.scopes, WHOLE_SCOPE)

    def __iter__(self) -> Iterator[Stores]:
        """Yield the stores of each group."""
        yield from self._groups.values()

    @property
    def identity(self) -> str:
        """A text that differs whenever other settings decide a number."""
        return repr([(settings, stores.model_scope) for settings, stores in self._groups.items()])

    def settings_at(self, model: str, moment: datetime) -> AgentSettings:
        """Return the settings that decide the events of a model at a moment."""
        return self._rules.settings_at(model, moment)

    def at(self, model: str, moment: datetime) -> Stores:
        """Return the stores of the group that decides the events of a model at a moment."""
        return self._groups[self._rules.settings_at(model, moment)]

    def base_window(self, model: str, moment: datetime) -> ModelWindow:
        """Return the smallest window of a model that holds a moment."""
        return ModelWindow(model, self.at(model, moment).calendar.base_window(moment))

    def closed(self, model_windows: Iterable[ModelWindow], now: datetime) -> set[ModelWindow]:
        """Return the windows that have been final for longer than the restatement limit of their models."""
        return {
            row
            for stores, windows in self.by_group(model_windows)
            if windows
            for row in stores.performance.closed(windows, now)
        }

    def by_group(self, *model_windows: Iterable[ModelWindow]) -> Iterator[tuple[Any, ...]]:
        """Yield the stores of each group with its windows; one set of windows for each argument."""
        by_stores: dict[AgentSettings, list[set[ModelWindow]]] = {
            settings: [set() for _ in model_windows] for settings in self._groups
        }
        for position, rows in enumerate(model_windows):
            for row in rows:
                by_stores[self._rules.settings_at(row.model, row.window.start)][position].add(row)
        for settings, sets in by_stores.items():
            yield (self._groups[settings], *sets)

    def join(self, scope: JoinScope) -> Join:
        """Return a round of joins."""
        scope = replace(scope, scopes=self.scopes)
        return Join(self.common.feedback, self.common.predictions, self, self.common.settings, scope)

    def work_summary(self, now: datetime) -> WorkSummary:
        """Return how much work there may be in all groups."""
        aged = [{"bool": {"filter": aged_filters(group.settings, now, group.model_scope)}} for group in self]
        return self.common.events.work_summary(self.overdue(now), _any_of(aged), self.superseded())

    def superseded(self) -> list[dict[str, Any]]:
        """Return the filters for metrics documents that name another revision than the one that decides them.

        There are none as long as each model has one revision.
        """
        cases = [case for model in self._stored.first_changes for case in self._rules.superseded(model)]
        return [{"bool": {"should": cases, "minimum_should_match": 1}}] if cases else []

    def pieces(self, model: str, interval: Interval) -> Iterator[tuple[Stores, Interval]]:
        """Yield the stores of the groups that decide a model in an interval, each with its time in the interval."""
        for revision, settings in self._rules.revisions_of(model):
            start, end = (
                max(interval.start, revision.start or interval.start),
                min(interval.end, revision.end or interval.end),
            )
            if start < end:
                yield self._groups[settings], Interval(start, end)

    def has_window(self, model: str, size: str, interval: Interval) -> bool:
        """Return whether the settings of a model have a window of that size with these bounds."""
        group = self.at(model, interval.start)
        if size not in group.calendar.names:
            return False
        window = group.calendar.window(size, interval.start)
        return (window.start, window.end) == (interval.start, interval.end) and group.model_scope.includes(
            ModelWindow(model, window)
        )

    def overdue(self, now: datetime) -> dict[str, Any]:
        """Return the query for feedback that has waited for longer than the orphan horizon of its model."""
        return _any_of(
            [
                {
                    "bool": {
                        "filter": [
                            overdue_filter(now, group.settings.orphan_horizon),
                            *group.model_scope.filters("model.name", _predicted),
                        ]
                    }
                }
                for group in self
            ]
        )


def _predicted(gte: datetime | None, lt: datetime | None) -> dict[str, Any]:
    """Return the filter for feedback by the time of its prediction."""
    return predicted_filter(**{name: moment for name, moment in (("gte", gte), ("lt", lt)) if moment is not None})


def _any_of(queries: list[dict[str, Any]]) -> dict[str, Any]:
    return queries[0] if len(queries) == 1 else {"bool": {"should": queries, "minimum_should_match": 1}}
