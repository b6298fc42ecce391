"""What metrics documents must say, told event by event from the rules alone: slow, plain, and imports nothing of ours.

The rules: feedback meets its prediction whenever both are there. Within [-clock skew, attribution window] of the
prediction the first event of a type counts, of type `label` the last; further ones are duplicates, others too late.
Feedback without a prediction is an orphan once it has waited for the horizon. Only shown predictions at least as old as
the attribution window have a label. A window that has been final for longer than the restatement limit stays as it is.
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

Event = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)
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
    """What the settings say."""

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
class Heard:
    """One feedback event and what has become of it."""

    event: Event
    fate: str = "new"
    since: datetime | None = None


@dataclass
class Counted:
    """What one base window, version and segment counts."""

    counts: Counter[str] = field(default_factory=Counter)
    scores: dict[int, list[float]] = field(default_factory=lambda: {0: [], 1: []})
    losses: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def add(self, other: Counted) -> None:
        """Take in another one."""
        self.counts.update(other.counts)
        for truth in (0, 1):
            self.scores[truth] += other.scores[truth]
        self.losses += other.losses
        self.times += other.times


Group = tuple[str, str, str]
"""Model, version, segment."""


class BruteForce:
    """An agent that looks at every event in every cycle."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._predictions: dict[str, Event] = {}
        self._errors: dict[str, Event] = {}
        self._heard: dict[str, Heard] = {}
        self._windows: dict[tuple[str, datetime], dict[Group, Counted]] = {}
        self._cycled: datetime | None = None

    def deliver(self, events: Sequence[Event]) -> None:
        """Take events; the first of an id counts."""
        for event in events:
            kept: dict[str, Any] = {
                "model.prediction": self._predictions,
                "model.request_error": self._errors,
                "model.feedback": self._heard,
            }[event["event"]["dataset"]]
            made = Heard(event) if kept is self._heard else event
            kept.setdefault(event["event"]["id"], made)

    def cycle(self, now: datetime) -> None:
        """Do what an agent does at `now`."""
        self._hear(now)
        self._tell_fates()
        everything = [*self._predictions.values(), *self._errors.values()]
        places = {(each["model"]["name"], self._base(time_of(each))) for each in everything}
        lost = {(each["model"]["name"], self._base(_told(each))) for each in self._orphans()}
        for model, start in places | lost:
            if not self._closed(model, start, now):
                found = self._count(model, start, now)
                # What was once counted is kept: a document is never taken back.
                for group in self._windows.get((model, start), {}):
                    found.setdefault(group, Counted())
                self._windows[model, start] = found
        self._cycled = now

    def fates(self) -> dict[str, set[str]]:
        """Return what may have become of every feedback event, by id.

        One that waits in vain, because its prediction came too late to be counted, may be told so any time.
        """
        return {identifier: self._fates(heard) for identifier, heard in self._heard.items()}

    def _fates(self, heard: Heard) -> set[str]:
        if heard.fate != "refused":
            return {heard.fate}
        assert self._cycled is not None
        patient = heard.since is not None and self._cycled - heard.since < self._rules.horizon
        return {"too_late", "waiting"} if patient else {"too_late"}

    def documents(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """Return (model, version, segment, size, start) -> the fields of every document."""
        totals: dict[tuple[Group, str, datetime], Counted] = {}
        for (_, start), groups in self._windows.items():
            for group, counted in groups.items():
                for size in (self._rules.base, *self._rules.larger):
                    window = self._rules.window(size, start)[0]
                    totals.setdefault((group, size, window), Counted()).add(counted)
        return {
            (*group, size, start.isoformat()): {**fields(counted), "state": self._state(size, start)}
            for (group, size, start), counted in totals.items()
        }

    def _hear(self, now: datetime) -> None:
        for heard in self._heard.values():
            if heard.fate not in ("new", "waiting"):
                continue
            prediction = self._predictions.get(heard.event["prediction"]["id"])
            if prediction:
                closed = self._closed(prediction["model"]["name"], self._base(time_of(prediction)), now)
                heard.fate = "refused" if closed else "heard"
            elif heard.since is None:
                heard.fate, heard.since = "waiting", now
            elif now - heard.since >= self._rules.horizon:
                heard.fate = "orphan"

    def _tell_fates(self) -> None:
        for told in self._by_prediction().values():
            prediction = self._predictions[told[0].event["prediction"]["id"]]
            for heard in told:
                heard.fate = "matched" if self._in_time(heard.event, prediction) else "too_late"
            for kind in {heard.event["feedback"]["type"] for heard in told}:
                same = [h for h in told if h.fate == "matched" and h.event["feedback"]["type"] == kind]
                same.sort(key=lambda h: (time_of(h.event), h.event["event"]["id"]))
                for other in same[:-1] if kind == "label" else same[1:]:
                    other.fate = "duplicate"

    def _by_prediction(self) -> dict[str, list[Heard]]:
        found: dict[str, list[Heard]] = {}
        for heard in self._heard.values():
            if heard.fate in ("heard", "matched", "duplicate", "too_late"):
                found.setdefault(heard.event["prediction"]["id"], []).append(heard)
        return found

    def _in_time(self, event: Event, prediction: Event) -> bool:
        return -self._rules.skew <= time_of(event) - time_of(prediction) <= self._rules.attribution

    def _orphans(self) -> list[Event]:
        return [heard.event for heard in self._heard.values() if heard.fate == "orphan"]

    def _closed(self, model: str, start: datetime, now: datetime) -> bool:
        if (model, start) not in self._windows or self._cycled is None:
            return False
        final_at = self._final_at(self._rules.window(self._rules.base, start)[1])
        return self._cycled >= final_at and now - final_at > self._rules.limit

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

    def _count(self, model: str, start: datetime, now: datetime) -> dict[Group, Counted]:
        found: dict[Group, Counted] = {}
        told = self._by_prediction()

        def in_window(event: Event, moment: Callable[[Event], datetime]) -> bool:
            return event["model"]["name"] == model and self._base(moment(event)) == start

        for prediction in self._predictions.values():
            if in_window(prediction, time_of):
                one = self._one(prediction, told.get(prediction["event"]["id"], []), now)
                for group in _groups(prediction):
                    found.setdefault(group, Counted()).add(one)
        for name, events, moment in (("errors", self._errors.values(), time_of), ("orphan", self._orphans(), _told)):
            for event in events:
                if in_window(event, moment):
                    for version in (event["model"]["version"], "all"):
                        found.setdefault((model, version, "all"), Counted()).counts[name] += 1
        return found

    def _one(self, prediction: Event, told: Sequence[Heard], now: datetime) -> Counted:
        own = prediction["prediction"]
        fates = Counter(heard.fate for heard in told)
        types = {h.event["feedback"]["type"]: h.event["feedback"].get("label") for h in told if h.fate == "matched"}
        seen = any(name in types for name in ("impression", "click", "purchase"))
        shown = not own.get("shadow") and (self._rules.impressions == "implied" or seen)
        # Elasticsearch compares times in whole milliseconds.
        old = (time_of(prediction) - EPOCH) // MILLISECOND <= (now - self._rules.attribution - EPOCH) // MILLISECOND
        truth = self._truth(types) if shown and old else None
        one = Counted()
        one.counts.update(
            predictions=1,
            shown=shown,
            mature=shown and old,
            n=truth is not None,
            matched=fates["matched"],
            duplicate=fates["duplicate"],
            too_late=fates["too_late"],
            clicks=shown and old and "click" in types,
            conversions=shown and old and "purchase" in types,
            requests=own["rank"] == 1,
        )
        if own["rank"] == 1:
            one.times.append(prediction["event"]["duration"] / 1e6)
        if truth is not None:
            one.counts[("t" if truth == own["label"] else "f") + ("p" if own["label"] else "n")] += 1
            one.scores[truth].append(own["score"])
            likely = min(max(own["score"], 1e-7), 1 - 1e-7)
            one.losses.append(-math.log(likely if truth else 1 - likely))
        return one

    def _truth(self, types: Mapping[str, int | None]) -> int | None:
        judged = self._rules.judged_by
        if judged in types and (judged != "label" or types["label"] == 1):
            return 1
        if self._rules.silence == "negative":
            return 0
        return 0 if judged in types else None


def time_of(event: Event) -> datetime:
    """Return an event's own time."""
    return datetime.fromisoformat(event["@timestamp"].replace("Z", "+00:00"))


def _told(event: Event) -> datetime:
    return datetime.fromisoformat(event["prediction"]["timestamp"].replace("Z", "+00:00"))


def _groups(prediction: Event) -> Iterator[Group]:
    scene = prediction.get("labels", {}).get("scene")
    segments = ["all", *([f"labels.scene={scene}"] if scene else [])]
    for version, segment in product((prediction["model"]["version"], "all"), segments):
        yield prediction["model"]["name"], version, segment


def fields(counted: Counted) -> dict[str, Any]:
    """Return the fields of a document; a ratio of nothing is None."""
    counts = {name: counted.counts[name] for name in COUNTS}
    tp, fp, tn, fn, n = (counts[name] for name in ("tp", "fp", "tn", "fn", "n"))
    pos, neg = counted.scores[1], counted.scores[0]
    squares = sum((1 - score) ** 2 for score in pos) + sum(score**2 for score in neg)
    pairs = [1.0 if one > other else 0.5 if one == other else 0.0 for one in pos for other in neg]
    return {
        **counts,
        "maturity": _share(counts["mature"], counts["shown"]),
        "coverage": _share(n, counts["mature"]),
        "accuracy": _share(tp + tn, n),
        "precision": _share(tp, tp + fp),
        "recall": _share(tp, tp + fn),
        "f1": _share(2 * tp, 2 * tp + fp + fn),
        "log_loss": _share(sum(counted.losses), n),
        "brier": _share(squares, n),
        "auc": _share(sum(pairs), len(pairs)),
        "error_rate": _share(counts["errors"], counts["errors"] + counts["requests"]),
        "response_time": _share(sum(counted.times), len(counted.times)),
    }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Return what a document says otherwise than expected."""
    wrong = []
    for name, value in expected.items():
        said = "final" if name == "state" and found[name] == "restated" else found[name]
        if isinstance(value, float) and isinstance(said, (int, float)):
            slack = found["auc_error_bound"] if name == "auc" else 0.0
            same = math.isclose(said, value, rel_tol=1e-9, abs_tol=slack + 1e-12)
        else:
            same = said == value
        if not same:
            wrong.append(f"{name}: {said} instead of {value}")
    return wrong
