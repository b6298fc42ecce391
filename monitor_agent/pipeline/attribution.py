"""What the feedback events of one prediction give together: its label, its value, and the status of each event (pure).

`fold` is a function of the set of events alone: order, batches, retries and a second agent change nothing.

Of each type, the last word in time decides. The last word is the last event of the type within the attribution window,
together with the events directly before it that say the same. A yes after a no counts, and a no takes back the events
before it. Two events of the same time are ordered by their ids.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from monitor_agent.contracts.feedback import (
    MAX_EVENTS_PER_TYPE,
    STATUS_DUPLICATE,
    STATUS_MATCHED,
    STATUS_TOO_LATE,
)
from monitor_agent.contracts.identifiers import canonical
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.outputs import PredictedOutput, judged_label, judged_output
from monitor_agent.settings import AgentSettings
from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS

_DISPLAYED = ("impression", "click", "purchase")


class FeedbackEvent(NamedTuple):
    """The part of a feedback event that decides about labels; ordered by time, then id."""

    time: datetime
    id: str
    type: str
    label: int | None
    value: float | None
    true_class: str | None = None
    truth: float | None = None


FeedbackEvents = dict[str, FeedbackEvent]


@dataclass(frozen=True)
class FoldedFeedback:
    """The result of folding the events of a prediction.

    Attributes
    ----------
    feedback : the prediction's fields below `feedback`; a field without a value is None.
    outcome : `tp`, `fn`, `fp`, `tn`, `correct`, `incorrect`, or None while the label is unknown.
    statuses : event id -> `matched`, `duplicate` or `too_late`.
    """

    feedback: dict[str, Any]
    outcome: str | None
    statuses: dict[str, str] = field(default_factory=dict)


def stored(events: Mapping[str, FeedbackEvent]) -> list[list[Any]]:
    """Return the field `feedback.events` of a prediction."""
    # A list, not an object by id: Elasticsearch's parser caches field names, and names that never repeat make it slow.
    return [
        [event.id, event.type, instants.text(event.time), event.label, event.value, *_truths(event)]
        for event in sorted(events.values(), key=_order)
    ]


def _truths(event: FeedbackEvent) -> list[Any]:
    """Return the last columns of a row: only feedback of other kinds than `binary` needs them."""
    truths = [event.true_class, event.truth]
    return truths if truths != [None, None] else []


def restored(rows: Iterable[Sequence[Any]]) -> FeedbackEvents:
    """Return the events that `stored` wrote; earlier releases did not write ids in canonical form."""
    events = (
        FeedbackEvent(instants.parse(time), canonical(identifier), kind, *rest)
        for identifier, kind, time, *rest in rows
    )
    return {event.id: event for event in events}


def union(
    stored_events: Mapping[str, FeedbackEvent],
    more: Iterable[FeedbackEvent],
    made_at: datetime,
    settings: AgentSettings,
) -> FeedbackEvents:
    """Return all events on a prediction; the result does not depend on order or batches.

    The result holds at most `MAX_EVENTS_PER_TYPE` events of each type in time, and as many out of time, so that events
    out of time never displace one that counts. The first half of them are the earliest events, the second half the
    latest ones: so both the first click and the last word are among them.
    """
    events_by_id = dict(stored_events)
    for event in more:
        other = events_by_id.get(event.id)
        events_by_id[event.id] = event if other is None else min(event, other, key=_order)
    if len(events_by_id) <= MAX_EVENTS_PER_TYPE:
        return events_by_id
    groups: dict[tuple[str, bool], list[FeedbackEvent]] = {}
    for event in sorted(events_by_id.values(), key=_order):
        groups.setdefault((event.type, _in_time(event, made_at, settings)), []).append(event)
    half = MAX_EVENTS_PER_TYPE // 2
    return {event.id: event for events in groups.values() for event in (*events[:half], *events[half:][-half:])}


def fold(
    events: Mapping[str, FeedbackEvent], made_at: datetime, predicted: PredictedOutput, settings: AgentSettings
) -> FoldedFeedback:
    """Return the label, the fields and the statuses that the events give a prediction.

    Parameters
    ----------
    events : its feedback, from `union`.
    made_at : the prediction's time.
    predicted : the output of the model. If it is neither 0 nor 1, a `binary` prediction has no outcome. Other kinds are
        judged by the last feedback of type `label`, whatever type the settings name.

    Events outside [-clock skew, attribution window] of the prediction are too late. Of the others, the last word of
    each type counts: all its events if they are purchases, the latest one of type `label`, else the earliest one. All
    other events are duplicates.
    """
    in_time: dict[str, list[FeedbackEvent]] = {}
    out_of_time: list[FeedbackEvent] = []
    for event in sorted((_with_label(event, settings) for event in events.values()), key=_order):
        group = in_time.setdefault(event.type, []) if _in_time(event, made_at, settings) else out_of_time
        group.append(event)
    last_words = {kind: _last_word(of_type) for kind, of_type in in_time.items()}
    counted = [event for last_word in last_words.values() for event in _counted(last_word)]
    statuses = {event.id: STATUS_DUPLICATE for of_type in in_time.values() for event in of_type}
    statuses |= {event.id: STATUS_MATCHED for event in counted}
    statuses |= {event.id: STATUS_TOO_LATE for event in out_of_time}
    judging = last_words.get(settings.feedback_type, [])
    label = _word(judging[0]) if judging else None
    values = [event.value for event in counted if event.value is not None and event.label != 0]
    if predicted.kind == BINARY:
        late = [event for event in out_of_time if event.type == settings.feedback_type and _word(event) == 1]
        positives = [*(judging[:1] if label == 1 else []), *late]
        judged = judged_label(predicted, label)
    else:
        positives = [event for event in events.values() if event.type == "label" and has_truth(event, predicted.kind)]
        last = last_words["label"][-1] if "label" in last_words else None
        judged = judged_output(predicted, last.true_class if last else None, last.truth if last else None)
    feedback = {
        **judged.fields,
        "label": label,
        "shown": True if any(event.type in _DISPLAYED and event.label != 0 for event in counted) else None,
        "clicked_at": instants.text(_counted(judging)[0].time) if label == 1 else None,
        "delay": _nanoseconds(min(positives, key=_order).time - made_at) if positives else None,
        "types": sorted({event.type for event in counted if event.label != 0}) or None,
        "value": math.fsum(values) if values else None,
        "count": len(events),
        "duplicates": sum(status == STATUS_DUPLICATE for status in statuses.values()),
        "too_late": len(out_of_time),
        "events": stored(events),
    }
    return FoldedFeedback(feedback, judged.outcome, statuses)


def _with_label(event: FeedbackEvent, settings: AgentSettings) -> FeedbackEvent:
    """Return an event with the label that its class means: 1 for the setting `positive_label`, 0 for all others."""
    positive = settings.positive_label
    if not positive or event.type != "label":
        return event
    if event.true_class is not None:
        return event._replace(label=int(event.true_class == positive))
    return event._replace(label=1 - event.label) if positive == "0" and event.label is not None else event


def has_truth(event: FeedbackEvent, kind: str) -> bool:
    """Return whether an event says the truth of a prediction of a kind other than `binary`."""
    return (event.true_class if kind == MULTICLASS else event.truth) is not None


def status_beyond_limit(event: FeedbackEvent, made_at: datetime, settings: AgentSettings) -> str:
    """Return the status of an event that `union` left out."""
    return STATUS_DUPLICATE if _in_time(event, made_at, settings) else STATUS_TOO_LATE


def _last_word(events: Sequence[FeedbackEvent]) -> list[FeedbackEvent]:
    """Return the last of the events of one type, and those directly before it that say the same, in order of time."""
    word = _word(events[-1])
    first = len(events) - 1
    while first and _word(events[first - 1]) == word:
        first -= 1
    return list(events[first:])


def _counted(last_word: Sequence[FeedbackEvent]) -> Sequence[FeedbackEvent]:
    """Return the events of a last word that count; the others repeat them."""
    kind, word = last_word[0].type, _word(last_word[0])
    if kind == "purchase" and word == 1:
        return last_word
    return last_word[-1:] if kind == "label" else last_word[:1]


def _word(event: FeedbackEvent) -> int | None:
    """Return 1 for a yes, 0 for a no; None for an event of type `label` that names no label."""
    return event.label if event.type == "label" else int(event.label != 0)


def _in_time(event: FeedbackEvent, made_at: datetime, settings: AgentSettings) -> bool:
    return made_at - settings.clock_skew <= event.time <= made_at + settings.attribution_window


def _nanoseconds(span: timedelta) -> int:
    return max(0, span // timedelta(microseconds=1) * 1000)


def _order(event: FeedbackEvent) -> tuple[Any, ...]:
    # None sorts before any number; two events of one id differ in one of the other fields.
    label = -1 if event.label is None else event.label
    truths = (event.true_class or "", event.truth is not None, event.truth or 0.0)
    return (event.time, event.id, event.type, label, event.value is not None, event.value or 0.0, *truths)
