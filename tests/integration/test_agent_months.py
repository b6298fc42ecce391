"""Labels that come weeks or months later, for a part of the cases: windows of ninety days, with the least retention."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from scipy.stats import binomtest
from sklearn import metrics as oracle

from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings
from monitor_agent.settings.contradictions import contradictions_of_agent
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import World
from tests.integration.kinds_world import CLASSES, SHOES, of_class

DAY = timedelta(days=1)
ATTRIBUTION, WINDOW = 80 * DAY, 90 * DAY
LONGEST = {
    "base_window": DAY,
    "larger_windows": (WINDOW,),
    "curve_windows": (),
    "feedback_type": "label",
    "absent_feedback": "unknown",
    "attribution_window": ATTRIBUTION,
    "retention": True,
    "retention_events": 81 * DAY,
}
DISTANCE = 9
"""Days from one case to the next; a case is a binary prediction and one of several classes."""
STEP = 40 * DAY
"""Time between two cycles."""


@dataclass(frozen=True)
class Case:
    """A patient: two predictions, and what a doctor says weeks later; None = nothing.

    Attributes
    ----------
    delay : time from the predictions to the labels.
    """

    binary: Document
    multiclass: Document
    is_ill: bool | None
    class_name: str | None
    delay: timedelta

    def labels(self) -> list[Document]:
        """Return the doctor's labels."""
        events = []
        if self.is_ill is not None:
            events.append(make_feedback(self.binary, self.delay, "label", label=int(self.is_ill)))
        if self.class_name is not None:
            events.append(make_feedback(self.multiclass, self.delay, "label", **{"class": self.class_name}))
        return events


def cases(first: datetime) -> list[Case]:
    """Return the cases of ninety days; a third has labels, 20 to 79 days later.

    The doctor looks at the third with the highest scores, and says the class of every third case.
    """
    chance = random.Random(17)
    days = range(0, WINDOW // DAY, DISTANCE)
    scores = [chance.random() for _ in days]
    least = sorted(scores)[-len(scores) // 3]
    entries: list[Case] = []
    for number, (day, score) in enumerate(zip(days, scores, strict=True)):
        at = first + day * DAY + timedelta(hours=9)
        predicted, true = chance.choice(CLASSES), chance.choice(CLASSES[:2])
        is_ill = chance.random() < 0.5
        entries.append(
            Case(
                make_prediction(at, score, model="doctor", scene=None),
                of_class(0, predicted, None, at, model=SHOES, scene=None),
                is_ill if score >= least else None,
                true if number % 3 == 0 else None,
                chance.randrange(20, 79) * DAY,
            )
        )
    return entries


def interval(hits: int, n: int) -> tuple[float, float]:
    """Return Wilson's interval."""
    ends = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return float(ends.low), float(ends.high)


def test_windows_of_ninety_days_outlive_their_events(world: World) -> None:
    """Labels count as they come; events go when no label can come any more, and no window loses them."""
    settings: dict[str, Any] = LONGEST
    assert not contradictions_of_agent(AgentSettings(**settings))
    assert contradictions_of_agent(AgentSettings(**settings | {"retention_events": ATTRIBUTION}))
    first = Calendar(AgentSettings(**settings)).window("90d", START).start
    events = sorted(
        [event for case in cases(first) for event in (case.binary, case.multiclass, *case.labels())],
        key=lambda event: event["@timestamp"],
    )
    now, come = first, 0
    while now < first + WINDOW + ATTRIBUTION + STEP:
        now += STEP
        arrived = [event for event in events if event["@timestamp"] < now.isoformat()]
        events = events[len(arrived) :]
        if arrived:
            world.deliver(*arrived)
        world.cycle(now, **settings)
        indices = sorted(world.admin.indices.get(index="model-predictions-*", ignore_unavailable=True))
        oldest = max(first, now - 82 * DAY)
        days = [name.rpartition("-")[2] for name in indices]
        assert min(days, default="9") >= f"{oldest:%Y.%m.%d}", "an event is kept for longer than the settings say"
        document = documents_of(world, "doctor")["90d"]
        come += sum("feedback" in event and event["model"]["name"] == "doctor" for event in arrived)
        assert document["n"] == come, "each label counts as soon as it comes, and none is forgotten"
        assert document["coverage"] == come / document["shown"]

    assert len(indices) < 5
    _check_doctor(document, cases(first))
    _check_shoes(documents_of(world, SHOES)["90d"], cases(first))
    assert sum(row["n"] for row in every_day(world, "doctor")) == document["n"]


def documents_of(world: World, model: str) -> dict[str, dict[str, Any]]:
    """Return the newest document of each size over all versions and segments."""
    rows = [
        row
        for row in world.documents().values()
        if (row["model_name"], row["model_version"], row["segment"]) == (model, "all", "all")
    ]
    return {row["window_size"]: row for row in sorted(rows, key=lambda row: row["window_start"])}


def every_day(world: World, model: str) -> list[dict[str, Any]]:
    """Return the documents of the days of a model."""
    return [
        row
        for row in world.documents().values()
        if (row["model_name"], row["model_version"], row["window_size"]) == (model, "all", "1d")
    ]


def _check_doctor(document: dict[str, Any], rows: list[Case]) -> None:
    """Compare the binary model with scikit-learn over the known labels, and its intervals with SciPy."""
    labelled = [case for case in rows if case.is_ill is not None]
    truth = [bool(case.is_ill) for case in labelled]
    label = [case.binary["prediction"]["label"] for case in labelled]
    hits = sum(int(a) == b for a, b in zip(truth, label, strict=True))
    expected = {
        "predictions": len(rows),
        "n": len(labelled),
        "coverage": len(labelled) / len(rows),
        "positive_rate": sum(truth) / len(labelled),
        "accuracy": oracle.accuracy_score(truth, label),
        "auc": oracle.roc_auc_score(truth, [case.binary["prediction"]["score"] for case in labelled]),
        "maturity": 1.0,
    }
    assert {name: document[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    ends = {"positive_rate": interval(sum(truth), len(labelled)), "accuracy": interval(hits, len(labelled))}
    for name, (low, high) in ends.items():
        assert (document[f"{name}_low"], document[f"{name}_high"]) == pytest.approx((low, high), abs=1e-6)
    assert (document["state"], document["judged_by"]) == ("final", "label")
    assert document["selection_warning"] == "selected_labels"
    assert document["labelled_score_shift"] > 1.0
    assert (document["ctr"], document["ctr_undefined"]) == (None, "judged_by_label")


def _check_shoes(document: dict[str, Any], rows: list[Case]) -> None:
    """Compare the model of several classes, which has no scores to compare the labelled cases by."""
    labelled = [case for case in rows if case.class_name is not None]
    hits = sum(case.class_name == case.multiclass["prediction"]["class"] for case in labelled)
    expected = {"predictions": len(rows), "n": len(labelled), "coverage": len(labelled) / len(rows)}
    assert {name: document[name] for name in expected} == expected
    assert document["accuracy"] == pytest.approx(hits / len(labelled), abs=1e-12)
    ends = (document["accuracy_low"], document["accuracy_high"])
    assert ends == pytest.approx(interval(hits, len(labelled)), abs=1e-6)
    assert (document["state"], document["selection_warning"]) == ("final", "partial_labels")
