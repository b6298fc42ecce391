"""Stories: events of all kinds in any order and any batches, and the moments of the cycles between them."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from monitor_agent.contracts import uuid7
from monitor_agent.durations import parse_duration
from monitor_agent.settings import AgentSettings
from tests.factories import Document, make_error, make_feedback, make_prediction
from tests.integration.brute_force import Rules

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EVENING = datetime(2026, 3, 28, 22, 0, tzinfo=timezone.utc)
"""The evening before the clocks of Berlin change: an hour later the next day begins there, two hours later in UTC."""

SCENES = (None, "search", "ad", "home")
TYPES = ("click", "click", "purchase", "impression", "label")
DELAYS = (-6 * MINUTE, -2 * MINUTE, MINUTE, 5 * MINUTE, 29 * MINUTE, 31 * MINUTE, 40 * HOUR)
PAUSES = (MINUTE, 17 * MINUTE, 40 * MINUTE, 3 * HOUR, 25 * HOUR, 9 * DAY)


@dataclass(frozen=True)
class Story:
    """The events that are delivered before each cycle, and the moment of the cycle."""

    rules: Rules
    steps: list[tuple[list[Document], datetime]] = field(default_factory=list)

    def settings(self) -> AgentSettings:
        """Return the settings of an agent that follows the rules."""
        return AgentSettings(
            base_window=parse_duration(self.rules.base),
            larger_windows=tuple(parse_duration(size) for size in self.rules.larger),
            time_zone=self.rules.zone,
            feedback_type=self.rules.judged_by,
            impressions=self.rules.impressions,
            absent_feedback=self.rules.silence,
            retention=False,
            page_size=8,
        )


rules = st.builds(
    Rules,
    base=st.sampled_from(["15m", "1h"]),
    larger=st.just(("1d",)),
    zone=st.sampled_from(["UTC", "Europe/Berlin"]),
    judged_by=st.sampled_from(["click", "label", "purchase"]),
    impressions=st.sampled_from(["implied", "explicit"]),
    silence=st.sampled_from(["negative", "unknown"]),
)


def _made_at(draw: tuple[int, int]) -> datetime:
    slot, second = draw
    return EVENING + slot * 20 * MINUTE + timedelta(seconds=second, milliseconds=second % 7, microseconds=second % 3)


_moments = st.tuples(st.integers(0, 9), st.integers(0, 1199)).map(_made_at)
_predictions = st.builds(
    make_prediction,
    at=_moments,
    score=st.one_of(st.integers(0, 20).map(lambda n: n / 20), st.floats(0, 1).map(lambda x: round(x, 5))),
    model=st.sampled_from(["click", "click", "click", "conversion"]),
    version=st.sampled_from(["1", "2"]),
    scene=st.sampled_from(SCENES),
    duration_ms=st.floats(0.02, 900),
    shadow=st.sampled_from([False, False, False, True]),
    rank=st.sampled_from([1, 1, 2]),
)
_errors = st.builds(
    make_error, at=_moments, version=st.sampled_from(["1", "2", "3"]), scene=st.sampled_from([*SCENES, "cart"])
)


@st.composite
def stories(draw: st.DrawFn, most: int = 40) -> Story:
    """Return a story of up to `most` predictions."""
    story = Story(draw(rules))
    dice = draw(st.randoms(use_true_random=False))
    predictions = draw(st.lists(_predictions, min_size=8, max_size=most))
    for prediction in predictions:
        if dice.random() < 0.25:
            _name_elsewhere(prediction, dice)
        if dice.random() < 0.7:
            # A few ids over three hours: lists over the edges of windows, ids that are used again, double ranks.
            prediction["ranking"] = {"id": dice.choice("abc"), "rank": dice.choice((1, 1, 2, 3, 7)), "size": 7}
    drawn_feedback = draw(
        st.lists(
            st.tuples(st.integers(0, len(predictions) - 1), st.sampled_from(DELAYS), st.sampled_from(TYPES)),
            min_size=8,
            max_size=2 * most,
        )
    )
    feedback = [_feedback(predictions[number], delay, kind, dice) for number, delay, kind in drawn_feedback]
    if draw(st.booleans()):
        # One user clicks again and again, more often than earlier releases could count.
        restless = dice.choice(predictions)
        feedback += [_feedback(restless, timedelta(seconds=number), "click", dice) for number in range(40)]
    _share_ids(feedback, dice)
    lost = {prediction["event"]["id"] for prediction in predictions if dice.random() < 0.15}
    # An orphan is counted if its day has predictions.
    first = [make_prediction(EVENING, 0.3), make_prediction(EVENING + 3 * HOUR, 0.6)]
    rest = [prediction for prediction in predictions if prediction["event"]["id"] not in lost]
    pauses = draw(st.lists(st.sampled_from(PAUSES), min_size=2, max_size=5))
    events = [*rest, *feedback, *draw(st.lists(_errors, max_size=5))]
    story.steps.extend(_steps(first, events, pauses, dice))
    return story


def _name_elsewhere(prediction: Document, dice: random.Random) -> None:
    """Give a prediction an id that tells no time, or another program's time."""
    number = uuid.UUID(int=dice.getrandbits(128), version=4)
    of_another_day = dice.choice([EVENING - DAY, EVENING + 2 * HOUR, EVENING.replace(year=1970)])
    names = [f"order-{dice.getrandbits(40)}", str(number), str(number).upper(), uuid7.make(of_another_day)]
    prediction["event"]["id"] = prediction["prediction"]["id"] = dice.choice(names)


def _share_ids(feedback: list[Document], dice: random.Random) -> None:
    """Let some feedback on several predictions have one id, such as the number of an order."""
    used = set()
    for event in feedback:
        order = f"order-{dice.randint(1, 3)}"
        if dice.random() < 0.2 and (order, event["prediction"]["id"]) not in used:
            used.add((order, event["prediction"]["id"]))
            event["event"]["id"] = order


def _feedback(prediction: Document, delay: timedelta, kind: str, dice: random.Random) -> Document:
    """Return feedback; some of it takes back what was said before, some purchases are refunds."""
    fields: dict[str, Any] = {"label": dice.randint(0, 1)} if kind == "label" else {}
    if kind != "label" and dice.random() < 0.25:
        fields["label"] = 0
    if kind == "purchase":
        fields["value"] = dice.randint(-20, 50) / 4
    feedback = make_feedback(prediction, delay, kind, **fields)
    if dice.random() < 0.4:
        del feedback["prediction"]["timestamp"]
    elif "-7" not in prediction["event"]["id"]:
        # The model server does not know the time of such a prediction.
        feedback["prediction"]["timestamp"] = feedback["@timestamp"]
    return feedback


def _steps(
    first: list[Document], events: list[Document], pauses: list[timedelta], dice: random.Random
) -> list[tuple[list[Document], datetime]]:
    batches: list[list[Document]] = [[] for _ in pauses]
    for event in events:
        batch = dice.choice(batches)
        batch.append(event)
        if dice.random() < 0.1:
            batches[dice.randrange(len(batches))].append(event)
        is_uuid = not event["event"]["id"].startswith("order-")
        if event["event"]["dataset"] == "model.feedback" and is_uuid and dice.random() < 0.1:
            # Another writer sends the event too, with another form of its id.
            batch.append({**event, "event": {**event["event"], "id": event["event"]["id"].upper()}})
    steps, now = [], EVENING + 30 * MINUTE
    for number, (batch, pause) in enumerate(zip(batches, pauses, strict=True)):
        dice.shuffle(batch)
        steps.append((first + batch if not number else batch, now))
        now += pause
    return steps
