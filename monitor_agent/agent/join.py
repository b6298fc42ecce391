"""The join of feedback with its predictions: labels are written onto predictions, statuses onto feedback events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.contracts.feedback import (
    STATUS_DUPLICATE,
    STATUS_EXPIRED,
    STATUS_INVALID,
    STATUS_NEW,
    STATUS_ORPHAN,
    STATUS_TOO_LATE,
    STATUS_WAITING,
)
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT, STATE_OPEN
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.feedback_documents import Feedback, Prediction
from monitor_agent.es.feedback_store import FeedbackStore, index_of_prediction
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.pipeline.attribution import FeedbackEvent, FeedbackEvents, FoldedFeedback, fold, restored, union
from monitor_agent.pipeline.documents import MetricsKey
from monitor_agent.pipeline.finality import is_final, is_past_restatement
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings


@dataclass(frozen=True)
class JoinScope:
    """What one round of joins depends on.

    Attributes
    ----------
    now : the moment of the round.
    indices : the indices of events that exist and hold documents.
    earlier_indices : the indices of events that existed in earlier cycles.
    restates_closed : whether windows that have been final for longer than the restatement limit are restated too.
    """

    now: datetime
    indices: Mapping[str, int]
    earlier_indices: Mapping[str, int] = field(default_factory=dict)
    restates_closed: bool = False


@dataclass
class JoinResult:
    """What remains to be done after a round of joins.

    Attributes
    ----------
    windows : base windows that count the joined predictions.
    indices : indices of predictions that have feedback.
    statuses : new statuses of the events that were read; they are written once the windows are.
    revised_statuses : new statuses of events that were joined earlier, by the ids of the prediction and of the event;
        written once the windows are.
    put_back : whether some feedback got the status `new` again.
    """

    windows: set[ModelWindow] = field(default_factory=set)
    indices: set[str] = field(default_factory=set)
    statuses: list[tuple[Feedback, str]] = field(default_factory=list)
    revised_statuses: dict[tuple[str, str], str] = field(default_factory=dict)
    put_back: bool = False

    def recovered_orphans(self) -> list[tuple[Feedback, str]]:
        """Return the orphans whose predictions have come after all, with their new statuses."""
        return [(event, status) for event, status in self.statuses if event.status == STATUS_ORPHAN != status]

    def counts(self) -> Counter[str]:
        """Return the number of events by their new status."""
        return Counter(status for _, status in self.statuses)


class Join:
    """One round of joins."""

    def __init__(
        self,
        feedback: FeedbackStore,
        performance: PerformanceStore,
        calendar: Calendar,
        settings: AgentSettings,
        scope: JoinScope,
    ) -> None:
        self._feedback = feedback
        self._performance = performance
        self._calendar = calendar
        self._settings = settings
        self._scope = scope
        self.result = JoinResult()

    def join_page(self, events: Sequence[Feedback]) -> None:
        """Join a page of feedback, new or waiting."""
        valid = [event for event in events if not event.problem]
        self.result.statuses += [
            (event, STATUS_INVALID) for event in events if event.problem and event.status != STATUS_INVALID
        ]
        predictions = self._feedback.predictions(valid)
        windows = {identifier: self._window(prediction) for identifier, prediction in predictions.items()}
        closed = self._closed_windows(set(windows.values()))
        joined: dict[str, list[Feedback]] = {}
        without_prediction: list[Feedback] = []
        for event in valid:
            prediction = predictions.get(event.prediction_id)
            if prediction is None:
                without_prediction.append(event)
            elif windows[event.prediction_id] in closed and event.event.id not in _joined_events(prediction):
                self.result.statuses.append((event, STATUS_TOO_LATE))
            else:
                joined.setdefault(event.prediction_id, []).append(event)
        # A prediction without a model is in no window.
        self.result.windows |= {windows[identifier] for identifier in joined if predictions[identifier].model}
        self._write([(predictions[identifier], group) for identifier, group in joined.items()])
        self._wait_or_give_up(without_prediction)

    def give_up_page(self, events: Sequence[Feedback]) -> None:
        """Make a page of overdue feedback orphans; an event whose prediction exists after all becomes `new` again."""
        predictions = self._feedback.predictions(events)
        self._put_back([event for event in events if event.prediction_id in predictions])
        orphans = [event for event in events if event.prediction_id not in predictions]
        self.result.statuses += [(event, STATUS_ORPHAN) for event in orphans]
        windows = {
            ModelWindow(event.model, self._calendar.base_window(event.predicted_at)) for event in orphans if event.model
        }
        self.result.windows |= windows - self._closed_windows(windows)

    def _write(self, pairs: list[tuple[Prediction, list[Feedback]]]) -> None:
        # Refreshed even if nothing is written: an agent that died may have written it, and searches may not show it.
        self.result.indices |= {prediction.index for prediction, _ in pairs}
        while pairs:
            folded: dict[str, FoldedFeedback] = {}
            # The events are folded while the predictions before them are being written.
            updates = self._updates(pairs, folded)
            conflicts = {prediction.id: prediction for prediction in self._feedback.update_predictions(updates)}
            for prediction, events in pairs:
                if prediction.id not in conflicts:
                    self._record(prediction, events, folded[prediction.id])
            current = self._feedback.current((prediction.index, prediction.id) for prediction in conflicts.values())
            latest = {prediction.id: prediction for prediction in current}
            # If a prediction was deleted meanwhile, the next cycle handles its feedback.
            pairs = [(latest[prediction.id], events) for prediction, events in pairs if prediction.id in latest]

    def _updates(
        self, pairs: Iterable[tuple[Prediction, list[Feedback]]], folded: dict[str, FoldedFeedback]
    ) -> Iterator[tuple[Prediction, dict[str, Any]]]:
        """Yield the fields to be written onto predictions; put the folded feedback of each into `folded`."""
        for prediction, events in pairs:
            folded[prediction.id] = self._fold(prediction, (event.event for event in events))
            fields = _difference(prediction, folded[prediction.id])
            if fields:
                yield prediction, fields

    def _fold(self, prediction: Prediction, more: Iterable[FeedbackEvent]) -> FoldedFeedback:
        events = union(_joined_events(prediction), more, prediction.made_at, self._settings)
        return fold(events, prediction.made_at, prediction.label, self._settings)

    def _record(self, prediction: Prediction, events: list[Feedback], folded: FoldedFeedback) -> None:
        """Add the new statuses of a prediction's events to the result."""
        read, types = {event.event.id for event in events}, {event.event.type for event in events}
        for event in events:
            status = folded.statuses.get(event.event.id, STATUS_DUPLICATE)
            if status != event.status:
                self.result.statuses.append((event, status))
        # Also if the status is the same as before: an agent may have crashed before it wrote the status.
        for identifier, earlier in _joined_events(prediction).items():
            if identifier not in read and earlier.type in types and identifier in folded.statuses:
                self.result.revised_statuses[prediction.prediction_id, identifier] = folded.statuses[identifier]

    def _wait_or_give_up(self, events: list[Feedback]) -> None:
        """Let new events wait for their predictions; an event whose prediction can never come gets a final status."""
        waiting: list[Feedback] = []
        for event in events:
            if not event.prediction_id:
                self.result.statuses.append((event, STATUS_ORPHAN))
            elif self._prediction_is_expired(event):
                self.result.statuses.append((event, STATUS_EXPIRED))
            elif event.status == STATUS_NEW:
                waiting.append(event)
        if not waiting:
            return
        self._feedback.set_status([(event, STATUS_WAITING) for event in waiting], self._scope.now)
        self._feedback.refresh()
        # A prediction may have arrived after the look-up and before this moment: nothing else would find it.
        predictions = self._feedback.predictions(waiting)
        self._put_back([event for event in waiting if event.prediction_id in predictions])

    def _put_back(self, events: list[Feedback]) -> None:
        if events:
            self._feedback.put_back(events)
            self._feedback.refresh()
            self.result.put_back = True

    def _prediction_is_expired(self, event: Feedback) -> bool:
        """Return whether the index of the event's prediction has been deleted, or would be by now."""
        index = index_of_prediction(event.prediction_id)
        if index is None or index in self._scope.indices:
            return False
        end = PREDICTIONS.day_of(index) + timedelta(days=1)
        too_old = self._settings.retention and end + self._settings.retention_events < self._scope.now
        return too_old or index in self._scope.earlier_indices

    def _window(self, prediction: Prediction) -> ModelWindow:
        return ModelWindow(prediction.model, self._calendar.base_window(prediction.made_at))

    def _closed_windows(self, windows: Iterable[ModelWindow]) -> set[ModelWindow]:
        """Return the windows that have been final for longer than the restatement limit."""
        if self._scope.restates_closed:
            return set()
        past = {
            MetricsKey(model, ALL_VERSIONS, ALL_SEGMENT, window): ModelWindow(model, window)
            for model, window in windows
            if is_past_restatement(window, self._calendar, self._scope.now)
        }
        states = self._performance.time_states(list(past))
        return {model_window for key, model_window in past.items() if is_final(states.get(key, STATE_OPEN))}


def _joined_events(prediction: Prediction) -> FeedbackEvents:
    """Return the events that are written onto a prediction."""
    return restored(prediction.feedback.get("events") or [])


def _difference(prediction: Prediction, folded: FoldedFeedback) -> dict[str, Any]:
    """Return the fields that an update must write; a field that no longer holds becomes null."""
    feedback = {name: value for name, value in folded.feedback.items() if value != prediction.feedback.get(name)}
    fields: dict[str, Any] = {"feedback": feedback} if feedback else {}
    if folded.outcome != prediction.outcome:
        fields["outcome"] = folded.outcome
    return fields
