"""Feedback meets its prediction: what the events say is written onto the prediction, their fate onto themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.contracts.feedback import (
    STATUS_DUPLICATE,
    STATUS_EXPIRED,
    STATUS_NEW,
    STATUS_ORPHAN,
    STATUS_TOO_LATE,
    STATUS_WAITING,
)
from monitor_agent.contracts.performance import ALL_SEGMENT, ALL_VERSIONS, STATE_OPEN
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.feedback_store import Feedback, FeedbackStore, Prediction, index_of_event, index_of_prediction
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.pipeline.attribution import Event, Events, Folded, fold, restored, union
from monitor_agent.pipeline.documents import Key
from monitor_agent.pipeline.finality import is_final, is_past_restatement
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings


@dataclass
class JoinResult:
    """What a round of joins leaves to be done.

    Attributes
    ----------
    cells : base windows that count the joined predictions.
    indices : indices of predictions that feedback was found for.
    statuses, flips : fates to be written once the windows are: of the events read; of events joined earlier, by index
        and id.
    again : some feedback was put back to `new`.
    """

    cells: set[ModelWindow] = field(default_factory=set)
    indices: set[str] = field(default_factory=set)
    statuses: list[tuple[Feedback, str]] = field(default_factory=list)
    flips: dict[tuple[str, str], str] = field(default_factory=dict)
    again: bool = False

    def found_orphans(self) -> list[tuple[Feedback, str]]:
        """Return the events whose predictions have come after they were given up, with their new fates."""
        return [(each, status) for each, status in self.statuses if each.status == STATUS_ORPHAN != status]

    def counts(self) -> Counter[str]:
        """Return how many events met each fate."""
        return Counter(status for _, status in self.statuses)


class Join:
    """One round of joins.

    Parameters
    ----------
    seen : the indices that exist and hold documents.
    remembered : the indices that have been seen before.
    forced : whether windows that were final for long are restated too.
    """

    def __init__(
        self,
        feedback: FeedbackStore,
        performance: PerformanceStore,
        calendar: Calendar,
        settings: AgentSettings,
        now: datetime,
        *,
        seen: Mapping[str, int],
        remembered: Mapping[str, int],
        forced: bool = False,
    ) -> None:
        self._feedback = feedback
        self._performance = performance
        self._calendar = calendar
        self._settings = settings
        self._now = now
        self._seen = seen
        self._remembered = remembered
        self._forced = forced
        self.result = JoinResult()

    def page(self, events: Sequence[Feedback]) -> None:
        """Join a page of feedback, new or waiting."""
        predictions = self._feedback.predictions(events)
        cells = {identifier: self._cell(prediction) for identifier, prediction in predictions.items()}
        settled = self._closed_windows(set(cells.values()))
        known: dict[str, list[Feedback]] = {}
        lost: list[Feedback] = []
        for each in events:
            prediction = predictions.get(each.prediction_id)
            if prediction is None:
                lost.append(each)
            elif cells[prediction.id] in settled and each.id not in _known(prediction):
                self.result.statuses.append((each, STATUS_TOO_LATE))
            else:
                known.setdefault(prediction.id, []).append(each)
        self.result.cells |= {cells[identifier] for identifier in known}
        self._write([(predictions[identifier], told) for identifier, told in known.items()])
        self._missing(lost)

    def overdue(self, events: Sequence[Feedback]) -> None:
        """Give up feedback that has waited too long; what has a prediction after all is put back to `new`."""
        predictions = self._feedback.predictions(events)
        self._put_back([each for each in events if each.prediction_id in predictions])
        lost = [each for each in events if each.prediction_id not in predictions]
        self.result.statuses += [(each, STATUS_ORPHAN) for each in lost]
        cells = {ModelWindow(each.model, self._calendar.base_window(each.day)) for each in lost if each.model}
        self.result.cells |= cells - self._closed_windows(cells)

    def _write(self, pairs: list[tuple[Prediction, list[Feedback]]]) -> None:
        # Also where nothing is to be written: an agent that died may have written it, unseen by searches.
        self.result.indices |= {prediction.index for prediction, _ in pairs}
        while pairs:
            folded: dict[str, Folded] = {}
            # Folded while those before are being written.
            changes = self._changes(pairs, folded)
            conflicts = {prediction.id: prediction for prediction in self._feedback.update_predictions(changes)}
            for prediction, told in pairs:
                if prediction.id not in conflicts:
                    self._record(prediction, told, folded[prediction.id])
            latest = self._feedback.current((each.index, each.id) for each in conflicts.values())
            # One that is gone meanwhile leaves its feedback as it is, for the next cycle.
            pairs = [(latest[prediction.id], told) for prediction, told in pairs if prediction.id in latest]

    def _changes(
        self, pairs: Iterable[tuple[Prediction, list[Feedback]]], folded: dict[str, Folded]
    ) -> Iterator[tuple[Prediction, dict[str, Any]]]:
        """Yield what is to be written onto predictions; put what their feedback says together into `folded`."""
        for prediction, told in pairs:
            folded[prediction.id] = self._fold(prediction, (each.event for each in told))
            fields = _difference(prediction, folded[prediction.id])
            if fields:
                yield prediction, fields

    def _fold(self, prediction: Prediction, more: Iterable[Event]) -> Folded:
        together = union(_known(prediction), more, prediction.made_at, self._settings)
        return fold(together, prediction.made_at, prediction.label, self._settings)

    def _record(self, prediction: Prediction, told: list[Feedback], folded: Folded) -> None:
        read, kinds = {each.id for each in told}, {each.event.type for each in told}
        for each in told:
            status = folded.statuses.get(each.id, STATUS_DUPLICATE)
            if status != each.status:
                self.result.statuses.append((each, status))
        # Told again even where they are as before: a crash may have kept an earlier agent from telling.
        for identifier, event in _known(prediction).items():
            if identifier not in read and event.type in kinds and identifier in folded.statuses:
                place = index_of_event(prediction.id, event), identifier
                self.result.flips[place] = folded.statuses[identifier]

    def _missing(self, events: list[Feedback]) -> None:
        first: list[Feedback] = []
        for each in events:
            if not each.prediction_id:
                self.result.statuses.append((each, STATUS_ORPHAN))
            elif self._expired(each):
                self.result.statuses.append((each, STATUS_EXPIRED))
            elif each.status == STATUS_NEW:
                first.append(each)
        if not first:
            return
        self._feedback.set_status([(each, STATUS_WAITING) for each in first], self._now)
        self._feedback.refresh()
        # A prediction that came between the look-up and this moment would be waited for in vain.
        predictions = self._feedback.predictions(first)
        self._put_back([each for each in first if each.prediction_id in predictions])

    def _put_back(self, events: list[Feedback]) -> None:
        if events:
            self._feedback.flip_status((each.index, each.id, STATUS_NEW) for each in events)
            self._feedback.refresh()
            self.result.again = True

    def _expired(self, each: Feedback) -> bool:
        index = index_of_prediction(each.prediction_id)
        if index is None or index in self._seen:
            return False
        end = PREDICTIONS.day_of(index) + timedelta(days=1)
        too_old = self._settings.retention and end + self._settings.retention_events < self._now
        return too_old or index in self._remembered

    def _cell(self, prediction: Prediction) -> ModelWindow:
        return ModelWindow(prediction.model, self._calendar.base_window(prediction.made_at))

    def _closed_windows(self, cells: Iterable[ModelWindow]) -> set[ModelWindow]:
        """Return the windows that have been final for longer than the restatement limit."""
        if self._forced:
            return set()
        old = {
            Key(model, ALL_VERSIONS, ALL_SEGMENT, window): ModelWindow(model, window)
            for model, window in cells
            if is_past_restatement(window, self._calendar, self._now)
        }
        states = self._performance.stored_states(list(old))
        return {cell for key, cell in old.items() if is_final(states.get(key, STATE_OPEN))}


def _known(prediction: Prediction) -> Events:
    """Return the events that a prediction tells of."""
    return restored(prediction.feedback.get("events") or [])


def _difference(prediction: Prediction, folded: Folded) -> dict[str, Any]:
    """Return the fields that an update must write; a field that no longer holds becomes null."""
    feedback = {name: value for name, value in folded.feedback.items() if value != prediction.feedback.get(name)}
    fields: dict[str, Any] = {"feedback": feedback} if feedback else {}
    if folded.outcome != prediction.outcome:
        fields["outcome"] = folded.outcome
    return fields
