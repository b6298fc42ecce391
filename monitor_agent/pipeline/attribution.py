"""What the feedback events of one prediction say together: its label, and what became of each event.

`fold` is a pure function of the set of events, so order, batches, retries and a second agent change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from monitor_agent.contracts.feedback import STATUS_DUPLICATE, STATUS_MATCHED, STATUS_TOO_LATE
from monitor_agent.pipeline import instants
from monitor_agent.settings import AgentSettings

KEPT_PER_TYPE = 32
"""Events of one type that a prediction remembers, in time and out of it: the earliest (of type `label` the latest);
others are duplicates."""

_SEEN = ("impression", "click", "purchase")


class Event(NamedTuple):
    """One feedback event, as far as it matters; ordered by time, then id."""

    time: datetime
    id: str
    type: str
    label: int | None
    value: float | None


Events = dict[str, Event]


@dataclass(frozen=True)
class Folded:
    """The outcome.

    Attributes
    ----------
    feedback : the prediction's fields below `feedback`; None where there is nothing to say.
    outcome : `tp`, `fn`, `fp`, `tn`, or None while nothing was told.
    statuses : event id -> `matched`, `duplicate` or `too_late`.
    """

    feedback: dict[str, Any]
    outcome: str | None
    statuses: dict[str, str] = field(default_factory=dict)


def stored(events: Mapping[str, Event]) -> list[list[Any]]:
    """Return events as `feedback.events` keeps them."""
    # No object by id: Elasticsearch's parser keeps names, and those that never come twice make it slow.
    return [
        [each.id, each.type, instants.text(each.time), each.label, each.value]
        for each in sorted(events.values(), key=_order)
    ]


def restored(kept: Iterable[Sequence[Any]]) -> Events:
    """Return the events that `stored` wrote."""
    return {
        identifier: Event(instants.parse(time), identifier, kind, label, value)
        for identifier, kind, time, label, value in kept
    }


def union(known: Mapping[str, Event], more: Iterable[Event], made_at: datetime, settings: AgentSettings) -> Events:
    """Return all events on a prediction together; in any order and any batching the same.

    At most `KEPT_PER_TYPE` of each type that came in time, and as many that did not: these can hide none that counts.
    """
    together = dict(known)
    for event in more:
        other = together.get(event.id)
        together[event.id] = event if other is None else min(event, other, key=_order)
    groups: dict[tuple[str, bool], list[Event]] = {}
    for event in sorted(together.values(), key=_order):
        groups.setdefault((event.type, _in_time(event, made_at, settings)), []).append(event)
    kept: Events = {}
    for (kind, _), events in groups.items():
        chosen = events[-KEPT_PER_TYPE:] if kind == "label" else events[:KEPT_PER_TYPE]
        kept |= {each.id: each for each in chosen}
    return kept


def fold(events: Mapping[str, Event], made_at: datetime, predicted: int, settings: AgentSettings) -> Folded:
    """Return what the events say of a prediction.

    Parameters
    ----------
    events : its feedback, from `union`.
    made_at : the prediction's time.
    predicted : `prediction.label`, 0 or 1.

    Of each type the first event within [-clock skew, attribution window] of the prediction counts, the others of the
    type are duplicates; of type `label` the latest counts. Events outside are too late.
    """
    statuses = _statuses(events, made_at, settings)
    counted = [event for event in events.values() if statuses[event.id] == STATUS_MATCHED]
    label, told_at = _label(counted, settings.feedback_type)
    judged = sorted((each for each in events.values() if _judged_positive(each, settings.feedback_type)), key=_order)
    values = [event.value for event in sorted(counted, key=_order) if event.value is not None]
    outcome = None if label is None else ("t" if label == predicted else "f") + ("p" if predicted else "n")
    feedback = {
        "label": label,
        "shown": True if any(each.type in _SEEN and each.label != 0 for each in counted) else None,
        "clicked_at": instants.text(told_at) if told_at else None,
        "delay": _nanoseconds(judged[0].time - made_at) if judged else None,
        "types": sorted({event.type for event in counted if event.label != 0}) or None,
        "value": sum(values) if values else None,
        "count": len(events),
        "duplicates": sum(status == STATUS_DUPLICATE for status in statuses.values()),
        "too_late": sum(status == STATUS_TOO_LATE for status in statuses.values()),
        "events": stored(events),
    }
    return Folded(feedback, outcome, statuses)


def _statuses(events: Mapping[str, Event], made_at: datetime, settings: AgentSettings) -> dict[str, str]:
    statuses: dict[str, str] = {}
    best: dict[str, Event] = {}
    for event in sorted(events.values(), key=_order):
        if not _in_time(event, made_at, settings):
            statuses[event.id] = STATUS_TOO_LATE
            continue
        known = best.get(event.type)
        if known is None or event.type == "label" or _says_more(event, known):
            if known is not None:
                statuses[known.id] = STATUS_DUPLICATE
            best[event.type] = event
            statuses[event.id] = STATUS_MATCHED
        else:
            statuses[event.id] = STATUS_DUPLICATE
    return statuses


def _in_time(event: Event, made_at: datetime, settings: AgentSettings) -> bool:
    return made_at - settings.clock_skew <= event.time <= made_at + settings.attribution_window


def _says_more(event: Event, known: Event) -> bool:
    """Return whether `event` is a yes after a mere no of its type."""
    return known.label == 0 and event.label != 0


def _label(counted: Sequence[Event], judged_by: str) -> tuple[int | None, datetime | None]:
    for event in counted:
        if event.type == judged_by:
            positive = event.label == 1 if judged_by == "label" else event.label != 0
            return (1, event.time) if positive else (None if event.label is None else 0, None)
    return None, None


def _judged_positive(event: Event, judged_by: str) -> bool:
    return event.type == judged_by and (event.label == 1 if judged_by == "label" else event.label != 0)


def _nanoseconds(span: timedelta) -> int:
    return max(0, span // timedelta(microseconds=1) * 1000)


def _order(event: Event) -> tuple[Any, ...]:
    # None sorts before any number; two events of one id are told apart by all that they say.
    label = -1 if event.label is None else event.label
    return (event.time, event.id, event.type, label, event.value is not None, event.value or 0.0)
