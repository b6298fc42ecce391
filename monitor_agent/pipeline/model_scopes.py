"""Which settings decide the numbers of a model at a moment: models and times in groups of equal settings (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitor_agent.pipeline.instants import Interval, range_filter
from monitor_agent.pipeline.model_history import ModelHistory, Revision
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings, with_model
from monitor_agent.settings.model_tables import DEFAULT, settings_of_table

Query = dict[str, Any]
TimeFilter = Callable[[datetime | None, datetime | None], Query]
"""Returns the filter for documents from a moment on and before another one; None = without that bound."""


def by_timestamp(gte: datetime | None, lt: datetime | None) -> Query:
    """Return the filter for events by their own time."""
    return range_filter("@timestamp", gte=gte, lt=lt)


@dataclass(frozen=True)
class ModelScope:
    """The models and times that one group of settings decides.

    Attributes
    ----------
    revisions : model -> its revisions with these settings.
    excluded : the models of all groups, if the group also decides everything else: models that nobody has met, and
        events without a model; None = it does not.
    is_whole : whether there is no other group.
    comparable : model -> the revisions whose settings give the metrics of a window the same meaning.
    """

    revisions: Mapping[str, Sequence[Revision]] = field(default_factory=dict)
    excluded: frozenset[str] | None = frozenset()
    is_whole: bool = True
    comparable: Mapping[str, Sequence[Revision]] = field(default_factory=dict)

    def revision_of(self, row: ModelWindow) -> int | None:
        """Return the revision that decides a window; None if no revision of the group holds it as a whole."""
        if row.model not in self.revisions:
            return 1 if self.excluded is not None and row.model not in self.excluded else None
        return next((entry.number for entry in self.revisions[row.model] if entry.holds(row.window)), None)

    def includes(self, row: ModelWindow) -> bool:
        """Return whether the group decides a window."""
        return self.revision_of(row) is not None

    def is_comparable(self, row: ModelWindow) -> bool:
        """Return whether the metrics of a window mean the same as those of the windows that the group decides."""
        return self.includes(row) or any(entry.holds(row.window) for entry in self.comparable.get(row.model, ()))

    def overlaps(self, interval: Interval) -> bool:
        """Return whether the group decides anything in an interval."""
        return self.excluded is not None or any(
            (entry.start is None or entry.start < interval.end) and (entry.end is None or interval.start < entry.end)
            for revisions in self.revisions.values()
            for entry in revisions
        )

    def pieces(self, interval: Interval, model_field: str) -> Iterator[tuple[Interval, list[Query]]]:
        """Yield the times in an interval that the group decides, each with the filter of the models.

        Parameters
        ----------
        model_field : the field that holds a document's model.
        """
        if self.is_whole:
            yield interval, []
            return
        for (start, end), models in self._models_by_bounds().items():
            piece = Interval(max(interval.start, start or interval.start), min(interval.end, end or interval.end))
            if piece.start < piece.end:
                yield piece, [{"terms": {model_field: models}}]
        if self.excluded is not None:
            yield interval, [{"bool": {"must_not": [{"terms": {model_field: sorted(self.excluded)}}]}}]

    def _models_by_bounds(self) -> dict[tuple[datetime | None, datetime | None], list[str]]:
        by_bounds: dict[tuple[datetime | None, datetime | None], list[str]] = {}
        for model, revisions in sorted(self.revisions.items()):
            for entry in revisions:
                by_bounds.setdefault((entry.start, entry.end), []).append(model)
        return by_bounds

    def filters(self, model_field: str, in_time: TimeFilter = by_timestamp) -> list[Query]:
        """Return filters for the documents that the group decides; empty if it decides all.

        Parameters
        ----------
        model_field : the field that holds a document's model.
        in_time : makes the filter of a range of time.
        """
        if self.is_whole:
            return []
        cases: list[Query] = []
        for (start, end), models in self._models_by_bounds().items():
            bounds = [in_time(start, end)] if start or end else []
            cases.append({"bool": {"filter": [{"terms": {model_field: models}}, *bounds]}})
        if self.excluded is not None:
            cases.append({"bool": {"must_not": [{"terms": {model_field: sorted(self.excluded)}}]}})
        return [{"bool": {"should": cases, "minimum_should_match": 1}}]


WHOLE_SCOPE = ModelScope()
"""The scope of the only group."""


@dataclass(frozen=True)
class SettingsByModel:
    """The settings of all models at all times.

    Attributes
    ----------
    scopes : the groups: settings of the process and of models -> what they decide.
    default : the settings of everything that no model decides.
    """

    scopes: Mapping[AgentSettings, ModelScope]
    default: AgentSettings
    _revisions: Mapping[str, Sequence[tuple[Revision, AgentSettings]]] = field(default_factory=dict)

    @classmethod
    def of_process(cls, settings: AgentSettings) -> SettingsByModel:
        """Return rules by which the settings of a process decide everything."""
        return cls({settings: WHOLE_SCOPE}, settings)

    @classmethod
    def of(cls, history: ModelHistory, first_changes: Mapping[str, int], process: AgentSettings) -> SettingsByModel:
        """Return the rules of a history; those of the process if the history is empty.

        Raises
        ------
        SettingsError
            If values of a table contradict each other.
        """
        if not history.changes:
            return cls.of_process(process)
        default = with_model(process, settings_of_table(history.tables, DEFAULT))
        revisions: dict[str, list[tuple[Revision, AgentSettings]]] = {}
        grouped: dict[AgentSettings, dict[str, list[Revision]]] = {default: {}}
        for model, number in first_changes.items():
            for revision in history.revisions(model, number):
                settings = with_model(process, revision.settings)
                revisions.setdefault(model, []).append((revision, settings))
                grouped.setdefault(settings, {}).setdefault(model, []).append(revision)
        excluded = frozenset(first_changes)
        scopes = {
            settings: ModelScope(
                of_models,
                excluded if settings == default else None,
                len(grouped) == 1,
                {
                    model: [entry for entry, other in revisions[model] if other.meaning == settings.meaning]
                    for model in of_models
                },
            )
            for settings, of_models in grouped.items()
        }
        return cls(scopes, default, revisions)

    def settings_at(self, model: str, moment: datetime) -> AgentSettings:
        """Return the settings that decide the events of a model at a moment."""
        for revision, settings in self._revisions.get(model, ()):
            if revision.holds_moment(moment):
                return settings
        return self.default

    def revisions_of(self, model: str) -> Sequence[tuple[Revision, AgentSettings]]:
        """Return the revisions of a model with their settings; none if nobody has met it."""
        return self._revisions.get(model, ())

    def superseded(self, model: str) -> Iterator[Query]:
        """Yield queries for the metrics documents of a model that name another revision than the one that decides them.

        Documents of earlier releases name none: they count as those of the first revision.
        """
        revisions = [revision for revision, _ in self.revisions_of(model)]
        if len(revisions) < 2:
            return
        of_model = {"term": {"model_name": model}}
        for revision in revisions:
            in_time = range_filter("window_start", gte=revision.start, lt=revision.end)
            if revision.number == 1:
                of_other: Query = {"bool": {"filter": [{"range": {"settings_revision": {"gt": 1}}}]}}
            else:
                of_other = {"bool": {"must_not": [{"term": {"settings_revision": revision.number}}]}}
            yield {"bool": {"filter": [of_model, in_time, of_other]}}
            if revision.end is not None:
                over_the_end = [
                    range_filter("window_start", lt=revision.end),
                    range_filter("window_end", gt=revision.end),
                ]
                yield {"bool": {"filter": [of_model, *over_the_end]}}

    @property
    def base_sizes(self) -> list[str]:
        """The sizes of the base windows of all groups."""
        return list(dict.fromkeys(Calendar(settings).base for settings in self.scopes))

    def latest(self, model: str) -> AgentSettings:
        """Return the settings that decide the latest events of a model; of `default` if nobody has met it."""
        revisions = self._revisions.get(model)
        return revisions[-1][1] if revisions else self.default

    def is_default(self, model: str) -> bool:
        """Return whether the settings of `default` decide everything about a model."""
        return all(settings == self.default for _, settings in self._revisions.get(model, ()))

    @property
    def patient(self) -> AgentSettings:
        """The settings of everything that no model decides, with the longest waits of all groups."""
        names = ("attribution_window", "ingest_grace", "restatement_limit", "orphan_horizon")
        longest = {name: max(getattr(settings, name) for settings in self.scopes) for name in names}
        return replace(self.default, **longest)
