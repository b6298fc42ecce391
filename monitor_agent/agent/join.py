"""The join of feedback with its predictions: labels are written onto predictions, statuses onto feedback events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import structlog

from monitor_agent.contracts.feedback import (
    MAX_EVENTS_PER_TYPE,
    STATUS_EXPIRED,
    STATUS_INVALID,
    STATUS_NEW,
    STATUS_ORPHAN,
    STATUS_TOO_LATE,
    STATUS_WAITING,
)
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.feedback_documents import EventStatus, Feedback, Prediction, joined_rows
from monitor_agent.es.feedback_store import FeedbackStore
from monitor_agent.es.prediction_store import PredictionStore, index_of_prediction
from monitor_agent.pipeline.attribution import (
    FeedbackEvent,
    FeedbackEvents,
    FoldedFeedback,
    fold,
    restored,
    status_beyond_limit,
    union,
)
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.instants import DAY, Interval
from monitor_agent.pipeline.prediction_times import days_around
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.settings import AgentSettings


@dataclass(frozen=True)
class JoinScope:
    """What one round of joins depends on.

    Attributes
    ----------
    now : the moment of the round.
    indices : the indices of events that exist and hold documents.
    earlier_indices : the indices of events that existed in earlier cycles.
    interval : only feedback on predictions of this interval is joined, even if its windows have been final for longer
        than the restatement limit; None = all feedback, within this limit.
    models : only feedback on predictions of these models is joined; empty = of all models.
    scopes : records the models whose predictions cannot be joined.
    """

    now: datetime
    indices: Mapping[str, int]
    earlier_indices: Mapping[str, int] = field(default_factory=dict)
    interval: Interval | None = None
    models: frozenset[str] = frozenset()
    scopes: FailureScopes = field(default_factory=FailureScopes)


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
    waiting : number of events that began to wait for their predictions.
    put_back : whether some feedback got the status `new` again.
    window_of : the base windows of the predictions that were joined, by the id that feedback names.
    """

    windows: set[ModelWindow] = field(default_factory=set)
    indices: set[str] = field(default_factory=set)
    statuses: list[tuple[Feedback, str]] = field(default_factory=list)
    revised_statuses: dict[tuple[str, str], EventStatus] = field(default_factory=dict)
    waiting: int = 0
    put_back: bool = False
    window_of: dict[str, ModelWindow] = field(default_factory=dict)

    def leave_out(self, windows: Set[ModelWindow]) -> None:
        """Remove the statuses of feedback whose base window is one of these."""
        left_out = {identifier for identifier, window in self.window_of.items() if window in windows}
        if left_out:
            self.statuses = [entry for entry in self.statuses if entry[0].prediction_id not in left_out]
            self.revised_statuses = {
                ids: status for ids, status in self.revised_statuses.items() if ids[0] not in left_out
            }

    def recovered_orphans(self) -> list[tuple[Feedback, str]]:
        """Return the orphans whose predictions have come after all, with their new statuses."""
        return [(event, status) for event, status in self.statuses if event.status == STATUS_ORPHAN != status]

    def counts(self) -> Counter[str]:
        """Return the number of events by their new status."""
        return Counter(status for _, status in self.statuses) + Counter({STATUS_WAITING: self.waiting})


DocumentKey = tuple[str, str]
"""Index and id of a prediction."""


@dataclass(frozen=True)
class _Folded:
    """All events on a prediction, and what they give together."""

    events: FeedbackEvents
    result: FoldedFeedback


class Decisions(Protocol):
    """What the settings of the model of an event decide."""

    def settings_at(self, model: str, moment: datetime) -> AgentSettings:
        """Return the settings that decide the events of a model at a moment."""

    def base_window(self, model: str, moment: datetime) -> ModelWindow:
        """Return the smallest window of a model that holds a moment."""

    def closed(self, model_windows: Iterable[ModelWindow], now: datetime) -> set[ModelWindow]:
        """Return the windows that have been final for longer than the restatement limit."""


class Join:
    """One round of joins.

    Parameters
    ----------
    decisions : what the settings of each model decide.
    settings : those of the process, with the longest waits of all models.
    """

    def __init__(
        self,
        feedback: FeedbackStore,
        predictions: PredictionStore,
        decisions: Decisions,
        settings: AgentSettings,
        scope: JoinScope,
    ) -> None:
        self._feedback = feedback
        self._predictions = predictions
        self._decisions = decisions
        self._settings = settings
        self._scope = scope
        self._known_windows: dict[ModelWindow, ModelWindow] = {}
        self._types_again = False
        self.result = JoinResult()

    def join_page(self, events: Sequence[Feedback]) -> None:
        """Join a page of feedback, new or waiting."""
        valid = [event for event in events if not event.problem]
        self.result.statuses += [
            (event, STATUS_INVALID) for event in events if event.problem and event.status != STATUS_INVALID
        ]
        pairs: list[tuple[Feedback, Prediction]] = []
        windows: dict[DocumentKey, ModelWindow] = {}
        for event, prediction in self._with_predictions(valid):
            # Feedback on a prediction that cannot be read keeps its status.
            with self._scope.scopes.model(prediction.model):
                _joined_events(prediction)
                self.result.window_of[event.prediction_id] = windows[prediction.key] = self._window(prediction)
                pairs.append((event, prediction))
        closed = self._closed_windows(set(windows.values()))
        joined: dict[DocumentKey, tuple[Prediction, list[Feedback]]] = {}
        for event, prediction in pairs:
            if windows[prediction.key] in closed and event.event.id not in _joined_events(prediction):
                self.result.statuses.append((event, STATUS_TOO_LATE))
            else:
                joined.setdefault(prediction.key, (prediction, []))[1].append(event)
        self.result.windows |= self._windows_of(joined, windows, closed)
        self._write(list(joined.values()))

    def _windows_of(
        self,
        joined: Mapping[DocumentKey, tuple[Prediction, list[Feedback]]],
        windows: Mapping[DocumentKey, ModelWindow],
        closed: Set[ModelWindow],
    ) -> set[ModelWindow]:
        """Return the windows that must count joined feedback.

        In a closed window, all of it was joined earlier. Either an agent died before it had computed the window, or the
        events were sent again: then another document of each event has its status already, and the window stays.
        """
        again = {key: events for key, (_, events) in joined.items() if windows[key] in closed}
        counted = self._feedback.with_status(event for events in again.values() for event in events) if again else set()
        unchanged = {
            key
            for key, events in again.items()
            if counted.issuperset((event.prediction_id, event.event.id) for event in events)
        }
        # A prediction without a model is in no window.
        return {windows[key] for key, (prediction, _) in joined.items() if prediction.model and key not in unchanged}

    def fold_again(self, predictions: Sequence[Prediction]) -> None:
        """Let the settings decide again what the feedback says that predictions were joined with."""
        self._types_again = True
        try:
            self._write([(prediction, []) for prediction in predictions])
        finally:
            self._types_again = False

    def _with_predictions(self, events: Sequence[Feedback]) -> list[tuple[Feedback, Prediction]]:
        """Return the events that can be joined, with their predictions; the others wait, or get a final status."""
        pairs: list[tuple[Feedback, Prediction]] = []
        missing: list[Feedback] = []
        for event, prediction in zip(events, self._predictions.of(events), strict=True):
            row = event if prediction is None else prediction
            if not self._is_in_scope(event.predicted_at if prediction is None else prediction.made_at, row.model):
                continue
            if prediction is None:
                missing.append(event)
            else:
                pairs.append((event, prediction))
        self._wait_or_give_up(missing)
        self.result.windows |= self._windows_of_orphans(missing)
        return pairs

    def _windows_of_orphans(self, missing: Iterable[Feedback]) -> set[ModelWindow]:
        """Return the windows that count the orphans among feedback; a backfill reads orphans again."""
        windows: set[ModelWindow] = set()
        for event in missing:
            if event.status == STATUS_ORPHAN and event.model:
                with self._scope.scopes.model(event.model):
                    windows.add(self._decisions.base_window(event.model, event.predicted_at))
        return windows

    def _is_in_scope(self, moment: datetime, model: str) -> bool:
        scope = self._scope
        return (scope.interval is None or scope.interval.holds(moment)) and (not scope.models or model in scope.models)

    def give_up_page(self, events: Sequence[Feedback]) -> None:
        """Make a page of overdue feedback orphans; an event whose prediction exists after all becomes `new` again."""
        predictions = self._predictions.of(events)
        self._put_back([event for event, prediction in zip(events, predictions, strict=True) if prediction])
        missing = [event for event, prediction in zip(events, predictions, strict=True) if prediction is None]
        # Earlier releases did not write the time that decides which window counts the orphan: the next cycle gives up.
        self._feedback.name_times(event for event in missing if not event.names_its_window)
        overdue = [event for event in missing if event.names_its_window]
        expired = [event for event in overdue if self._day_is_deleted(event)]
        orphans = [event for event in overdue if not self._day_is_deleted(event)]
        self.result.statuses += [(event, STATUS_EXPIRED) for event in expired]
        windows: set[ModelWindow] = set()
        for event in orphans:
            with self._scope.scopes.model(event.model):
                window = self._decisions.base_window(event.model, event.predicted_at)
                self.result.statuses.append((event, STATUS_ORPHAN))
                if event.model:
                    self.result.window_of[event.prediction_id] = window
                    windows.add(window)
        self.result.windows |= windows - self._closed_windows(windows)

    def _write(self, pairs: list[tuple[Prediction, list[Feedback]]]) -> None:
        # Refreshed even if nothing is written: an agent that died may have written it, and searches may not show it.
        self.result.indices |= {prediction.index for prediction, _ in pairs}
        while pairs:
            folded: dict[DocumentKey, _Folded] = {}
            # The events are folded while the predictions before them are being written.
            updates = self._updates(pairs, folded)
            changed, refused = self._predictions.update(updates)
            for prediction in refused:
                del folded[prediction.key]
            conflicts = {prediction.key for prediction in changed}
            for prediction, events in pairs:
                if prediction.key not in conflicts and prediction.key in folded:
                    self._record(prediction, events, folded[prediction.key])
            latest = {prediction.key: prediction for prediction in self._predictions.current(conflicts)}
            # If a prediction was deleted meanwhile, the next cycle handles its feedback.
            pairs = [(latest[prediction.key], events) for prediction, events in pairs if prediction.key in latest]

    def _updates(
        self, pairs: Iterable[tuple[Prediction, list[Feedback]]], folded: dict[DocumentKey, _Folded]
    ) -> Iterator[tuple[Prediction, dict[str, Any]]]:
        """Yield the fields to be written onto predictions; put the folded feedback of each into `folded`."""
        for prediction, events in pairs:
            fields: dict[str, Any] = {}
            with self._scope.scopes.model(prediction.model):
                whole = self._fold(prediction, (event.event for event in events))
                fields, folded[prediction.key] = _difference(prediction, whole.result), whole
            if fields:
                yield prediction, fields

    def _fold(self, prediction: Prediction, more: Iterable[FeedbackEvent]) -> _Folded:
        settings = self._decisions.settings_at(prediction.model, prediction.made_at)
        events = union(_joined_events(prediction), more, prediction.made_at, settings)
        return _Folded(events, fold(events, prediction.made_at, prediction.output, settings))

    def _record(self, prediction: Prediction, events: list[Feedback], folded: _Folded) -> None:
        """Add the new statuses of a prediction's events to the result."""
        types = {event.event.type for event in events}
        statuses = {
            identifier: EventStatus(status, folded.events[identifier].time)
            for identifier, status in folded.result.statuses.items()
        }
        beyond_limit = 0
        for event in events:
            counted = statuses.get(event.event.id)
            if counted is None:
                beyond_limit += 1
                settings = self._decisions.settings_at(prediction.model, prediction.made_at)
                status = status_beyond_limit(event.event, prediction.made_at, settings)
            else:
                status = counted.of(event.event.time)
            if status != event.status:
                self.result.statuses.append((event, status))
        if beyond_limit:
            structlog.get_logger().warning(
                f"a prediction has more than {MAX_EVENTS_PER_TYPE} feedback events of one type: further ones are not "
                "counted",
                prediction_id=prediction.prediction_id,
                not_counted=beyond_limit,
            )
        # Also if the status is the same as before: an agent may have crashed before it wrote the status. Also if the
        # event was read: it may have a second document, which was joined earlier.
        for identifier, earlier in _joined_events(prediction).items():
            if (self._types_again or earlier.type in types) and identifier in statuses:
                self.result.revised_statuses[prediction.prediction_id, identifier] = statuses[identifier]

    def _wait_or_give_up(self, events: list[Feedback]) -> None:
        """Let new events wait for their predictions; an event whose prediction can never come has expired."""
        waiting: list[Feedback] = []
        for event in events:
            around = days_around(event.event.time, self._settings)
            if self._day_is_deleted(event) and around.holds(event.predicted_at):
                self.result.statuses.append((event, STATUS_EXPIRED))
            elif event.status == STATUS_NEW:
                waiting.append(event)
        if not waiting:
            return
        self._feedback.let_wait(waiting, self._scope.now)
        self._feedback.refresh()
        # A prediction may have arrived after the look-up and before this moment: nothing else would find it.
        predictions = self._predictions.of(waiting)
        come = [event for event, prediction in zip(waiting, predictions, strict=True) if prediction]
        self.result.waiting += len(waiting) - len(come)
        self._put_back(come)

    def _put_back(self, events: list[Feedback]) -> None:
        if events:
            self._feedback.put_back(events)
            self._feedback.refresh()
            self.result.put_back = True

    def _day_is_deleted(self, event: Feedback) -> bool:
        """Return whether the index of the event's prediction has been deleted, or would be by now."""
        index = index_of_prediction(event.prediction_id)
        if index is None or index in self._scope.indices:
            return False
        age = self._scope.now - PREDICTIONS.day_of(index)
        too_old = self._settings.retention and age > DAY + self._settings.retention_events
        return too_old or index in self._scope.earlier_indices

    def _window(self, prediction: Prediction) -> ModelWindow:
        window = self._decisions.base_window(prediction.model, prediction.made_at)
        # Tens of thousands of predictions keep their window until the end of the round: equal ones are stored once.
        return self._known_windows.setdefault(window, window)

    def _closed_windows(self, windows: Iterable[ModelWindow]) -> set[ModelWindow]:
        """Return the windows that have been final for longer than the restatement limit."""
        if self._scope.interval is not None:
            return set()
        return self._decisions.closed(windows, self._scope.now)


def _joined_events(prediction: Prediction) -> FeedbackEvents:
    """Return the events that are written onto a prediction."""
    return restored(joined_rows(prediction.feedback))


def _difference(prediction: Prediction, folded: FoldedFeedback) -> dict[str, Any]:
    """Return the fields that an update must write; a field that no longer holds becomes null."""
    feedback = {name: value for name, value in folded.feedback.items() if value != prediction.feedback.get(name)}
    fields: dict[str, Any] = {"feedback": feedback} if feedback else {}
    if folded.outcome != prediction.outcome:
        fields["outcome"] = folded.outcome
    return fields
