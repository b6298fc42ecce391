"""What the feedback events of one prediction give together: its label, and the status of each event (pure).

`fold` is a function of the set of events alone: order, batches, retries and a second agent change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from monitor_agent.contracts.feedback import STATUS_DUPLICATE, STATUS_MATCHED, STATUS_TOO_LATE
from monitor_agent.contracts.identifiers import canonical
from monitor_agent.pipeline import instants
from monitor_agent.settings import AgentSettings

MAX_EVENTS_PER_TYPE = 32
"""Number of events of one type that a prediction holds, in time and again out of time: the earliest ones, of type
`label` the latest ones. Further events are duplicates."""

_DISPLAYED = ("impression", "click", "purchase")


class FeedbackEvent(NamedTuple):
    """The part of a feedback event that decides about labels; ordered by time, then id."""

    time: datetime
    id: str
    type: str
    label: int | None
    value: float | None


FeedbackEvents = dict[str, FeedbackEvent]


@dataclass(frozen=True)
class FoldedFeedback:
    """The result of folding the events of a prediction.

    Attributes
    ----------
    feedback : the prediction's fields below `feedback`; a field without a value is None.
    outcome : `tp`, `fn`, `fp`, `tn`, or None while the label is unknown.
    statuses : event id -> `matched`, `duplicate` or `too_late`.
    """

    feedback: dict[str, Any]
    outcome: str | None
    statuses: dict[str, str] = field(default_factory=dict)


def stored(events: Mapping[str, FeedbackEvent]) -> list[list[Any]]:
    """Return the field `feedback.events` of a prediction."""
    # A list, not an object by id: Elasticsearch's parser caches field names, and names that never repeat make it slow.
    return [
        [event.id, event.type, instants.text(event.time), event.label, event.value]
        for event in sorted(events.values(), key=_order)
    ]


def restored(rows: Iterable[Sequence[Any]]) -> FeedbackEvents:
    """Return the events that `stored` wrote; earlier releases did not write ids in canonical form."""
    events = (
        FeedbackEvent(instants.parse(time), canonical(identifier), kind, label, value)
        for identifier, kind, time, label, value in rows
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
    out of time never displace one that counts.
    """
    events_by_id = dict(stored_events)
    for event in more:
        other = events_by_id.get(event.id)
        events_by_id[event.id] = event if other is None else min(event, other, key=_order)
    groups: dict[tuple[str, bool], list[FeedbackEvent]] = {}
    for event in sorted(events_by_id.values(), key=_order):
        groups.setdefault((event.type, _in_time(event, made_at, settings)), []).append(event)
    selected: FeedbackEvents = {}
    for (kind, _), events in groups.items():
        chosen = events[-MAX_EVENTS_PER_TYPE:] if kind == "label" else events[:MAX_EVENTS_PER_TYPE]
        selected |= {event.id: event for event in chosen}
    return selected


def fold(
    events: Mapping[str, FeedbackEvent], made_at: datetime, predicted: int | None, settings: AgentSettings
) -> FoldedFeedback:
    """Return the label, the fields and the statuses that the events give a prediction.

    Parameters
    ----------
    events : its feedback, from `union`.
    made_at : the prediction's time.
    predicted : `prediction.label`, 0 or 1; None if the prediction says neither: then it has no outcome.

    Of each type, the first event within [-clock skew, attribution window] of the prediction counts, and the others are
    duplicates. Of type `label`, the latest event counts. Events outside this interval are too late.
    """
    statuses = _statuses(events, made_at, settings)
    counted = [event for event in events.values() if statuses[event.id] == STATUS_MATCHED]
    label, labelled_at = _label(counted, settings.feedback_type)
    positives = sorted((event for event in events.values() if _is_positive(event, settings.feedback_type)), key=_order)
    values = [event.value for event in sorted(counted, key=_order) if event.value is not None]
    has_outcome = label is not None and predicted is not None
    outcome = ("t" if label == predicted else "f") + ("p" if predicted else "n") if has_outcome else None
    feedback = {
        "label": label,
        "shown": True if any(event.type in _DISPLAYED and event.label != 0 for event in counted) else None,
        "clicked_at": instants.text(labelled_at) if labelled_at else None,
        "delay": _nanoseconds(positives[0].time - made_at) if positives else None,
        "types": sorted({event.type for event in counted if event.label != 0}) or None,
        "value": sum(values) if values else None,
        "count": len(events),
        "duplicates": sum(status == STATUS_DUPLICATE for status in statuses.values()),
        "too_late": sum(status == STATUS_TOO_LATE for status in statuses.values()),
        "events": stored(events),
    }
    return FoldedFeedback(feedback, outcome, statuses)


def _statuses(events: Mapping[str, FeedbackEvent], made_at: datetime, settings: AgentSettings) -> dict[str, str]:
    statuses: dict[str, str] = {}
    best: dict[str, FeedbackEvent] = {}
    for event in sorted(events.values(), key=_order):
        if not _in_time(event, made_at, settings):
            statuses[event.id] = STATUS_TOO_LATE
            continue
        earlier = best.get(event.type)
        if earlier is None or event.type == "label" or _replaces(event, earlier):
            if earlier is not None:
                statuses[earlier.id] = STATUS_DUPLICATE
            best[event.type] = event
            statuses[event.id] = STATUS_MATCHED
        else:
            statuses[event.id] = STATUS_DUPLICATE
    return statuses


def _in_time(event: FeedbackEvent, made_at: datetime, settings: AgentSettings) -> bool:
    return made_at - settings.clock_skew <= event.time <= made_at + settings.attribution_window


def _replaces(event: FeedbackEvent, earlier: FeedbackEvent) -> bool:
    """Return whether `event` is a yes after a no of its type."""
    return earlier.label == 0 and event.label != 0


def _label(counted: Sequence[FeedbackEvent], judged_by: str) -> tuple[int | None, datetime | None]:
    for event in counted:
        if event.type == judged_by:
            positive = event.label == 1 if judged_by == "label" else event.label != 0
            return (1, event.time) if positive else (None if event.label is None else 0, None)
    return None, None


def _is_positive(event: FeedbackEvent, judged_by: str) -> bool:
    return event.type == judged_by and (event.label == 1 if judged_by == "label" else event.label != 0)


def _nanoseconds(span: timedelta) -> int:
    return max(0, span // timedelta(microseconds=1) * 1000)


def _order(event: FeedbackEvent) -> tuple[Any, ...]:
    # None sorts before any number; two events of one id differ in one of the other fields.
    label = -1 if event.label is None else event.label
    return (event.time, event.id, event.type, label, event.value is not None, event.value or 0.0)
