"""The expected metrics documents, computed event by event from the rules alone: slow, plain, no import of the agent.

The rules: feedback is joined with its prediction once both have arrived. One event counts once for each prediction,
whatever the case of its id. Within [-clock skew, attribution window] of the prediction the last word of a type decides.
Of the events that say this word without interruption to the end, all count if they are purchases, of type `label` the
last one, else the first one. The others in this time are duplicates; events outside it are too late.
Feedback without a prediction is an orphan once it has waited for the horizon. Only shown predictions at least as old as
the attribution window have a label; each of them may have one early, if labels judge and silence is unknown. A window
that has been final for longer than the restatement limit stays as it is. A base window without events has been final
since a larger window that holds it was.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

from tests.integration.list_brute_force import ListKind, SeenItem, list_fields, milliseconds, ranked_lists

Event = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SIZES = {"1m": 1, "15m": 15, "1h": 60}
COUNTS = (
    "predictions",
    "shown",
    "mature",
    "n",
    "tp",
    "fp",
    "tn",
    "fn",
    "matched",
    "duplicate",
    "too_late",
    "orphan",
    "clicks",
    "conversions",
    "requests",
    "errors",
)


@dataclass(frozen=True)
class Rules:
    """The settings."""

    base: str = "15m"
    larger: tuple[str, ...] = ("1h", "1d")
    zone: str = "UTC"
    judged_by: str = "click"
    impressions: str = "implied"
    silence: str = "negative"
    attribution: timedelta = timedelta(minutes=30)
    grace: timedelta = timedelta(minutes=2)
    skew: timedelta = timedelta(minutes=5)
    horizon: timedelta = timedelta(hours=24)
    limit: timedelta = timedelta(days=7)

    @property
    def count_early(self) -> bool:
        """Return whether labels count before the attribution window is over."""
        return self.judged_by == "label" and self.silence == "unknown"

    def window(self, size: str, moment: datetime) -> tuple[datetime, datetime]:
        """Return start and end of the window that holds a moment."""
        if size == "1d":
            day = moment.astimezone(ZoneInfo(self.zone)).date()
            return self._midnight(day), self._midnight(day + timedelta(days=1))
        length = timedelta(minutes=SIZES[size])
        start = moment - (moment - EPOCH) % length
        return start, start + length

    def _midnight(self, day: Any) -> datetime:
        local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone))
        return local.astimezone(timezone.utc)


@dataclass
class FeedbackState:
    """One feedback event and its status."""

    event: Event
    status: str = "new"
    since: datetime | None = None


@dataclass
class GroupCounts:
    """The counts of one base window, version and segment."""

    counts: Counter[str] = field(default_factory=Counter)
    scores: dict[int, list[float]] = field(default_factory=lambda: {0: [], 1: []})
    values: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    lists: Counter[ListKind] = field(default_factory=Counter)
    displayed: dict[int, list[float]] = field(default_factory=lambda: {0: [], 1: []})

    def add(self, other: GroupCounts) -> None:
        """Add the counts of another group."""
        self.counts.update(other.counts)
        for truth in (0, 1):
            self.scores[truth] += other.scores[truth]
            self.displayed[truth] += other.displayed[truth]
        self.values += other.values
        self.losses += other.losses
        self.times += other.times
        self.lists.update(other.lists)


Group = tuple[str, str, str]
"""Model, version, segment."""


class BruteForce:
    """An agent that reads all events in every cycle."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._predictions: dict[str, Event] = {}
        self._errors: dict[str, Event] = {}
        self._feedback: dict[tuple[str, str], FeedbackState] = {}
        self._windows: dict[tuple[str, datetime], dict[Group, GroupCounts]] = {}
        self._cycled: datetime | None = None

    def deliver(self, events: Sequence[Event]) -> None:
        """Store events; of several events with one id, the first counts."""
        for event in events:
            identifier = event["event"]["id"]
            if event["event"]["dataset"] == "model.feedback":
                self._feedback.setdefault((identifier, event["prediction"]["id"]), FeedbackState(event))
            elif event["event"]["dataset"] == "model.prediction":
                self._predictions.setdefault(identifier, event)
            else:
                self._errors.setdefault(identifier, event)

    def cycle(self, now: datetime) -> None:
        """Do the work of an agent at `now`."""
        self._join(now)
        self._decide()
        events = [*self._predictions.values(), *self._errors.values()]
        with_events = {(event["model"]["name"], self._base(time_of(event))) for event in events}
        with_orphans = {(event["model"]["name"], self._base(prediction_time(event))) for event in self._orphans()}
        for model, start in with_events | with_orphans:
            if not self._closed(model, start, now):
                groups = self._count(model, start, now)
                # A group that was once counted stays: a document is never deleted.
                for group in self._windows.get((model, start), {}):
                    groups.setdefault(group, GroupCounts())
                self._windows[model, start] = groups
        self._cycled = now

    def possible_statuses(self) -> dict[tuple[str, str], set[str]]:
        """Return the possible statuses of every feedback document, by the ids of its event and its prediction.

        An event that waits, although its prediction came too late to be counted, may become `too_late` at any time.
        """
        return {identifier: self._possible_statuses(state) for identifier, state in self._feedback.items()}

    def _possible_statuses(self, state: FeedbackState) -> set[str]:
        if state.status != "refused":
            return {state.status}
        assert self._cycled is not None
        patient = state.since is not None and self._cycled - state.since < self._rules.horizon
        return {"too_late", "waiting"} if patient else {"too_late"}

    def documents(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """Return (model, version, segment, size, start) -> the fields of every document."""
        totals: dict[tuple[Group, str, datetime], GroupCounts] = {}
        for (_, start), groups in self._windows.items():
            for group, counts in groups.items():
                for size in (self._rules.base, *self._rules.larger):
                    window = self._rules.window(size, start)[0]
                    totals.setdefault((group, size, window), GroupCounts()).add(counts)
        return {
            (*group, size, start.isoformat()): {
                **fields(counts, self._rules.count_early),
                "state": self._state(size, start),
            }
            for (group, size, start), counts in totals.items()
        }

    def _join(self, now: datetime) -> None:
        for state in self._feedback.values():
            if state.status not in ("new", "waiting"):
                continue
            prediction = self._predictions.get(state.event["prediction"]["id"])
            if prediction:
                closed = self._closed(prediction["model"]["name"], self._base(time_of(prediction)), now)
                state.status = "refused" if closed else "joined"
            elif state.since is None:
                state.status, state.since = "waiting", now
            elif now - state.since >= self._rules.horizon:
                state.status = "orphan"

    def _decide(self) -> None:
        for identifier, states in self._by_prediction().items():
            distinct = _distinct(states)
            by_kind: dict[str, list[FeedbackState]] = {}
            for state in distinct:
                in_time = self._in_time(state.event, self._predictions[identifier])
                state.status = "duplicate" if in_time else "too_late"
                if in_time:
                    by_kind.setdefault(state.event["feedback"]["type"], []).append(state)
            for of_kind in by_kind.values():
                of_kind.sort(key=lambda state: (time_of(state.event), _event_id(state)))
                for state in _counted(of_kind):
                    state.status = "matched"
            decided = {_event_id(state): state.status for state in distinct}
            for state in states:
                state.status = decided[_event_id(state)]

    def _by_prediction(self) -> dict[str, list[FeedbackState]]:
        by_prediction: dict[str, list[FeedbackState]] = {}
        for state in self._feedback.values():
            if state.status in ("joined", "matched", "duplicate", "too_late"):
                by_prediction.setdefault(state.event["prediction"]["id"], []).append(state)
        return by_prediction

    def _in_time(self, event: Event, prediction: Event) -> bool:
        return -self._rules.skew <= time_of(event) - time_of(prediction) <= self._rules.attribution

    def _orphans(self) -> list[Event]:
        return [state.event for state in self._feedback.values() if state.status == "orphan"]

    def _closed(self, model: str, start: datetime, now: datetime) -> bool:
        if self._cycled is None:
            return False
        # A base window without events has been final since a larger window that holds it was.
        sizes = [self._rules.base] if (model, start) in self._windows else self._stored_around(model, start)
        ends = [self._final_at(self._rules.window(size, start)[1]) for size in sizes]
        final_at = self._final_at(self._rules.window(self._rules.base, start)[1])
        return any(self._cycled >= end for end in ends) and now - final_at > self._rules.limit

    def _stored_around(self, model: str, start: datetime) -> list[str]:
        """Return the sizes of the larger windows that hold a base window and have a document."""
        return [
            size
            for size in self._rules.larger
            if any(
                name == model and self._rules.window(size, stored) == self._rules.window(size, start)
                for name, stored in self._windows
            )
        ]

    def _final_at(self, end: datetime) -> datetime:
        return end + self._rules.attribution + self._rules.grace

    def _state(self, size: str, start: datetime) -> str:
        end = self._rules.window(size, start)[1]
        assert self._cycled is not None
        if self._cycled < end:
            return "open"
        return "final" if self._cycled >= self._final_at(end) else "provisional"

    def _base(self, moment: datetime) -> datetime:
        return self._rules.window(self._rules.base, moment)[0]

    def _count(self, model: str, start: datetime, now: datetime) -> dict[Group, GroupCounts]:
        groups: dict[Group, GroupCounts] = {}
        states = {identifier: _distinct(documents) for identifier, documents in self._by_prediction().items()}

        def in_window(event: Event, moment: Callable[[Event], datetime]) -> bool:
            return event["model"]["name"] == model and self._base(moment(event)) == start

        for prediction in self._predictions.values():
            if in_window(prediction, time_of):
                counts = self._counts_of(prediction, states.get(prediction["event"]["id"], []), now)
                for group in _groups(prediction):
                    groups.setdefault(group, GroupCounts()).add(counts)
        for event, kind in ranked_lists(self._items(model, states, now)):
            if self._base(time_of(event)) == start:
                for group in _groups(event):
                    groups[group].lists[kind] += 1
        errors = [error for error in self._errors.values() if in_window(error, time_of)]
        named = [(group, "errors") for error in errors for group in _groups(error)]
        for orphan in self._orphans():
            if in_window(orphan, prediction_time):
                named += [((model, version, "all"), "orphan") for version in (orphan["model"]["version"], "all")]
        for group, name in named:
            groups.setdefault(group, GroupCounts()).counts[name] += 1
        return groups

    def _counts_of(self, prediction: Event, states: Sequence[FeedbackState], now: datetime) -> GroupCounts:
        fields = prediction["prediction"]
        statuses = Counter(state.status for state in states)
        matched, is_impression, is_old = self._label_facts(prediction, states, now)
        words = {feedback["type"]: _says_yes(feedback) for feedback in matched}
        truth = self._truth(words) if is_impression and (is_old or self._rules.count_early) else None
        counts = GroupCounts()
        counts.counts.update(
            {"shown": is_impression},
            predictions=1,
            mature=is_impression and is_old,
            n=truth is not None,
            matched=statuses["matched"],
            duplicate=statuses["duplicate"],
            too_late=statuses["too_late"],
            clicks=is_impression and is_old and words.get("click", False),
            conversions=is_impression and is_old and words.get("purchase", False),
            converted_clicks=is_impression and is_old and words.get("click", False) and words.get("purchase", False),
            requests=fields["rank"] == 1,
        )
        if is_impression and is_old:
            counts.values += [feedback.get("value", 0.0) for feedback in matched if feedback.get("label") != 0]
        if fields["rank"] == 1:
            counts.times.append(prediction["event"]["duration"] / 1e6)
        if is_impression:
            counts.displayed[fields["label"]].append(fields["score"])
        if truth is not None:
            counts.counts[("t" if truth == fields["label"] else "f") + ("p" if fields["label"] else "n")] += 1
            counts.scores[truth].append(fields["score"])
            likely = min(max(fields["score"], 1e-7), 1 - 1e-7)
            counts.losses.append(-math.log(likely if truth else 1 - likely))
        return counts

    def _items(self, model: str, states: Mapping[str, Sequence[FeedbackState]], now: datetime) -> list[SeenItem]:
        items = []
        for prediction in self._predictions.values():
            if prediction["model"]["name"] == model and "ranking" in prediction:
                feedback = states.get(prediction["event"]["id"], [])
                matched, is_impression, is_old = self._label_facts(prediction, feedback, now)
                words = {entry["type"]: _says_yes(entry) for entry in matched}
                at = milliseconds(time_of(prediction))
                items.append(SeenItem(prediction, at, is_impression, is_old, self._truth(words)))
        return items

    def _label_facts(
        self, prediction: Event, states: Sequence[FeedbackState], now: datetime
    ) -> tuple[list[Event], bool, bool]:
        """Return the feedback that counts, whether the prediction was shown, and whether it is old."""
        matched = [state.event["feedback"] for state in states if state.status == "matched"]
        was_displayed = any(feedback["type"] != "label" and _says_yes(feedback) for feedback in matched)
        is_impression = self._rules.impressions == "implied" or was_displayed
        # Elasticsearch compares times in whole milliseconds.
        is_old = milliseconds(time_of(prediction)) <= milliseconds(now - self._rules.attribution)
        return matched, is_impression and not prediction["prediction"].get("shadow"), is_old

    def _truth(self, words: Mapping[str, bool]) -> int | None:
        judged = self._rules.judged_by
        if words.get(judged):
            return 1
        return 0 if self._rules.silence == "negative" or judged in words else None


def time_of(event: Event) -> datetime:
    """Return an event's own time."""
    return datetime.fromisoformat(event["@timestamp"].replace("Z", "+00:00"))


def prediction_time(event: Event) -> datetime:
    """Return the time of a feedback event's prediction: as it is named, else as a UUIDv7 tells, else its own time."""
    named, identifier = event["prediction"].get("timestamp"), event["prediction"]["id"]
    if named:
        return datetime.fromisoformat(named.replace("Z", "+00:00"))
    if len(identifier) == 36 and identifier[14] == "7":
        return EPOCH + timedelta(milliseconds=int(identifier.replace("-", "")[:12], 16))
    return time_of(event)


def _event_id(state: FeedbackState) -> str:
    identifier: str = state.event["event"]["id"].lower()
    return identifier


def _distinct(states: Sequence[FeedbackState]) -> list[FeedbackState]:
    """Return one document of each event."""
    return list({_event_id(state): state for state in states}.values())


def _says_yes(feedback: Mapping[str, Any]) -> bool:
    return feedback.get("label") == 1 if feedback["type"] == "label" else feedback.get("label") != 0


def _counted(states: Sequence[FeedbackState]) -> Sequence[FeedbackState]:
    """Return the events that count among those of one type, which are in order of time."""
    words = [_says_yes(state.event["feedback"]) for state in states]
    last_word = [state for number, state in enumerate(states) if len(set(words[number:])) == 1]
    kind = states[0].event["feedback"]["type"]
    if kind == "purchase" and words[-1]:
        return last_word
    return last_word[-1:] if kind == "label" else last_word[:1]


def _groups(event: Event) -> Iterator[Group]:
    scene = event.get("labels", {}).get("scene")
    segments = ["all", *([f"labels.scene={scene}"] if scene else [])]
    for version, segment in product((event["model"]["version"], "all"), segments):
        yield event["model"]["name"], version, segment


def fields(group: GroupCounts, count_early: bool) -> dict[str, Any]:
    """Return the fields of a document; a ratio of nothing is None."""
    counts = {name: group.counts[name] for name in COUNTS}
    tp, fp, tn, fn, n = (counts[name] for name in ("tp", "fp", "tn", "fn", "n"))
    pos, neg = group.scores[1], group.scores[0]
    squares = sum((1 - score) ** 2 for score in pos) + sum(score**2 for score in neg)
    pairs = [1.0 if high > low else 0.5 if high == low else 0.0 for high in pos for low in neg]
    return {
        **counts,
        "maturity": _share(counts["mature"], counts["shown"]),
        "coverage": _share(n, counts["shown" if count_early else "mature"]),
        "accuracy": _share(tp + tn, n),
        "precision": _share(tp, tp + fp),
        "recall": _share(tp, tp + fn),
        "f1": _share(2 * tp, 2 * tp + fp + fn),
        "log_loss": _share(sum(group.losses), n),
        "brier": _share(squares, n),
        "auc": _share(sum(pairs), len(pairs)),
        **_estimates(group.displayed[1], group.displayed[0]),
        "conversion_rate": _share(group.counts["converted_clicks"], counts["clicks"]),
        "value_per_thousand": _share(1000 * math.fsum(group.values), counts["mature"]),
        "error_rate": _share(counts["errors"], counts["errors"] + counts["requests"]),
        "response_time": _share(sum(group.times), len(group.times)),
        **list_fields(group.lists),
    }


def _estimates(positive: Sequence[float], negative: Sequence[float]) -> dict[str, float | None]:
    """Return the estimates from the scores of shown predictions, by their predicted label."""
    tp, fn = math.fsum(positive), math.fsum(negative)
    total = len(positive) + len(negative)
    return {
        "estimated_accuracy": _share(tp + len(negative) - fn, total),
        "estimated_precision": _share(tp, len(positive)),
        "estimated_recall": _share(tp, tp + fn),
        "estimated_f1": _share(2 * tp, len(positive) + tp + fn),
        "estimated_ctr": _share(tp + fn, total),
    }


def _share(count: float, total: float) -> float | None:
    return count / total if total else None


def differences(document: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Return a message for each field that differs from the expected value."""
    messages = []
    for name, value in expected.items():
        # Without predictions, a document has the metrics of no kind.
        is_left_out = not document["predictions"] and name not in document
        actual = (0 if isinstance(value, int) else None) if is_left_out else document[name]
        actual = "final" if name == "state" and actual == "restated" else actual
        if isinstance(value, float) and isinstance(actual, (int, float)):
            slack = document["auc_error_bound"] if name == "auc" else 0.0
            equal = math.isclose(actual, value, rel_tol=1e-9, abs_tol=slack + 1e-12)
        else:
            equal = actual == value
        if not equal:
            messages.append(f"{name}: {actual} instead of {value}")
    return messages
