"""Events of models of other kinds than click models, and what a metrics document of a model judged by labels holds."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from elasticsearch import Elasticsearch

from monitor_agent.metrics import WindowState
from monitor_agent.pipeline.documents import CountedState, MetricsKey, planned_writes
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings
from tests.factories import START, Document, make_feedback, make_prediction

MINUTE = timedelta(minutes=1)
CLASSES = ("boots", "hats", "sandals", "socks")
SCENES = ("search", "ad")
SHOES, PRICE, CASES = "shoes", "price", "cases"
"""A multiclass model, a regression, and a binary model that is judged by labels."""


def of_class(
    number: int, predicted: str, scores: Mapping[str, float] | None, start: datetime = START, **fields: Any
) -> Document:
    """Return a multiclass prediction `number` minutes after a start, as a Python service logs it."""
    event = make_prediction(start + number * MINUTE, kind="multiclass", **{"class": predicted}, **fields)
    return _without_score(event, {} if scores is None else {"scores": dict(scores)})


def of_number(number: int, value: float, start: datetime = START, **fields: Any) -> Document:
    """Return a regression `number` minutes after a start."""
    return _without_score(make_prediction(start + number * MINUTE, kind="regression", value=value, **fields), {})


def _without_score(event: Document, more: dict[str, Any]) -> Document:
    names = ("score", "label", "threshold", "log_loss_1", "log_loss_0")
    event["prediction"] = {name: value for name, value in event["prediction"].items() if name not in names} | more
    return event


def truth_of(prediction: Document, delay: timedelta = MINUTE, **fields: Any) -> Document:
    """Return feedback with the true class or number."""
    return make_feedback(prediction, delay, "label", **fields)


@dataclasses.dataclass(frozen=True)
class JudgedEvent:
    """A prediction of a multiclass model or of a regression with its truth; None = the truth is unknown."""

    prediction: Document
    truth: str | float | None

    @property
    def scene(self) -> str:
        """The segment of the prediction."""
        return str(self.prediction["labels"]["scene"])

    def feedback(self) -> Document:
        """Return the event that says the truth."""
        name = "class" if isinstance(self.truth, str) else "truth"
        return truth_of(self.prediction, **{name: self.truth})


def judged_events(start: datetime) -> list[JudgedEvent]:
    """Return four hours of events of a multiclass model and of a regression; a sixth of the truths is unknown."""
    chance = random.Random(5)
    events = []
    for number in range(120):
        scene, true = SCENES[number % 2], CLASSES[number % len(CLASSES)]
        weights = {name: chance.random() + (0.5 if name == true else 0.0) for name in CLASSES}
        scores = {name: weight / sum(weights.values()) for name, weight in weights.items()}
        best = max(scores, key=lambda name: scores[name])
        shoe = of_class(2 * number, best, scores, start, model=SHOES, version=str(1 + number % 2), scene=scene)
        price = chance.uniform(10.0, 90.0)
        value = price + chance.gauss(2.0, 4.0 if scene == "search" else 12.0)
        number_event = of_number(2 * number, value, start, model=PRICE, scene=scene)
        is_known = number % 6 != 5
        events += [
            JudgedEvent(shoe, true if is_known else None),
            JudgedEvent(number_event, price if is_known else None),
        ]
    return events


def events_of_kinds(start: datetime) -> list[Document]:
    """Return the predictions of `judged_events` with their feedback."""
    rows = judged_events(start)
    return [row.prediction for row in rows] + [row.feedback() for row in rows if row.truth is not None]


CASES_STATE = WindowState(predictions=40, impressions=40, mature=40, tp=6, fp=2, tn=8, fn=4)
"""An hour of the binary model: labels for half of the cases, of which half are positive."""


def store_cases(admin: Elasticsearch, start: datetime, settings: AgentSettings) -> None:
    """Store the documents of an hour of the binary model that is judged by labels, as its agent writes them."""
    judged = dataclasses.replace(settings, feedback_type="label", absent_feedback="unknown")
    calendar = Calendar(judged)
    windows = [calendar.window(size, start) for size in (calendar.base, "1h")]
    for window, version in product(windows, ("all", "1")):
        for segment in ("all", "labels.scene=search"):
            counted = CountedState(MetricsKey(CASES, version, segment, window), CASES_STATE)
            for write in planned_writes(counted, None, calendar, window.end + timedelta(days=1), judged):
                admin.index(index=write.index, id=write.id, document=write.document, refresh=True)
