"""How the windows of a model are counted: by which segments and classes, and with which refined bins of scores.

They are chosen once, when there are enough predictions, and remembered: so the counts of a window do not depend on when
it is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.es.damaged_documents import reading
from monitor_agent.es.event_store import EventStore
from monitor_agent.es.state_store import StateStore
from monitor_agent.metrics.multiclass.confusion_matrix import MOST_CLASSES
from monitor_agent.pipeline.counting import CountRequest
from monitor_agent.pipeline.instants import DAY, Interval
from monitor_agent.pipeline.score_resolution import NO_REFINED_BINS, RefinedBins, refined_bins
from monitor_agent.pipeline.segments import Segment, segments, selected_values
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings

SEGMENTS, SCORES, CLASSES = "segments", "scores", "classes"
"""Ids of the documents that remember the choices."""


@dataclass(frozen=True)
class CountingPlan:
    """How the windows of a model are counted: the parts of a `CountRequest` that are chosen for a model."""

    segments: Sequence[Segment]
    refined_bins: RefinedBins
    kinds: Sequence[str]
    classes: Sequence[str]

    def request(self, model: str, now: datetime) -> CountRequest:
        """Return the request that counts windows of the model at a moment."""
        return CountRequest(model, self.segments, now, self.refined_bins, self.kinds, self.classes)


class CountingPlans:
    """Chooses and remembers how the windows of each model are counted."""

    def __init__(self, events: EventStore, state_store: StateStore, settings: AgentSettings) -> None:
        self._events = events
        self._state_store = state_store
        self._settings = settings

    def of(self, model: str, windows: Sequence[Window], now: datetime) -> CountingPlan:
        """Return the plan for windows of a model, in order of time; remember the values of new segments."""
        kinds, frequent = self._events.kinds_and_classes(model, Interval(windows[0].start, windows[-1].end))
        return CountingPlan(
            segments(self._segment_values(model, windows, now)),
            self._refined_bins(model, windows, now),
            kinds,
            self._classes(model, frequent, now),
        )

    def _classes(self, model: str, frequent: Sequence[str], now: datetime) -> list[str]:
        """Return the classes of the model that are counted apart; remember new ones."""
        while frequent:
            (stored,) = self._state_store.read(CLASSES)
            with _reading(CLASSES):
                before = list(map(str, stored.content.get(model, ())))
            after = selected_values(before, frequent, MOST_CLASSES)
            if after == before or self._state_store.write(stored, {**stored.content, model: after}, now):
                return after
        return []

    def _refined_bins(self, model: str, windows: Sequence[Window], now: datetime) -> RefinedBins:
        """Return the refined bins of the model; choose them as soon as there are enough scores."""
        while True:
            (stored,) = self._state_store.read(SCORES)
            if model in stored.content:
                with _reading(SCORES):
                    return RefinedBins.from_content(stored.content[model])
            start, end = windows[0].start, windows[-1].end
            chosen = refined_bins(self._events.scores(model, Interval(start - DAY, end)), start)
            if chosen is None:
                return NO_REFINED_BINS
            if self._state_store.write(stored, {**stored.content, model: chosen.content()}, now):
                return chosen

    def _segment_values(self, model: str, windows: Sequence[Window], now: datetime) -> dict[str, list[str]]:
        """Return the values of each label that have a segment of their own; remember new ones."""
        names, cap = self._settings.segments, self._settings.segment_values
        while True:
            (stored,) = self._state_store.read(SEGMENTS)
            with _reading(SEGMENTS):
                before = {name: list(map(str, values)) for name, values in stored.content.get(model, {}).items()}
            present: dict[str, list[str]] = {}
            if any(len(before.get(name, ())) < cap for name in names):
                present = self._events.label_values(model, Interval(windows[0].start, windows[-1].end), 2 * cap + 1)
            after = {name: selected_values(before.get(name, ()), present.get(name, ()), cap) for name in names}
            if all(after[name] == before.get(name, []) for name in names):
                return after
            if self._state_store.write(stored, {**stored.content, model: {**before, **after}}, now):
                return after


def _reading(identifier: str) -> AbstractContextManager[None]:
    return reading(
        {"_index": AGENT_STATE.name, "_id": identifier}, "delete it: the agent makes it anew from the predictions"
    )
