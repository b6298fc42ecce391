"""Multiclass predictions and regressions: the agent's numbers equal scikit-learn's, however the truth arrives."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World, moved
from tests.integration.kinds_world import MINUTE, of_class, of_number, truth_of
from tests.unit.monitor_agent.metrics.kind_states import CLASSES, by_class, class_data

BINARY_COUNTS = ("tp", "fp", "tn", "fn")
FINAL = START + MUCH_LATER
DAYS: dict[str, Any] = {
    "base_window": timedelta(hours=1),
    "larger_windows": (timedelta(days=1),),
    "segments": ("scene",),
}


@pytest.fixture(scope="module")
def shoes() -> tuple[list[Document], list[str], list[str], Any]:
    """Return 240 predictions of two versions with their true classes, predicted classes and scores."""
    true, predicted, scores = class_data(4, 240)
    rows = by_class(scores)
    events = []
    for number, name in enumerate(predicted):
        scene = "b" if number % 3 == 0 else "a"
        events.append(of_class(number, name, rows[number], model="shoes", version=str(1 + number % 2), scene=scene))
    return events, true, predicted, scores


def test_classes_equal_the_oracle(world: World, shoes: Any) -> None:
    """Truths that come late, twice, restated, before their prediction, or too late: the last word in time counts."""
    events, true, predicted, scores = shoes
    labelled = [number for number in range(len(events)) if number % 5]
    feedback = [truth_of(events[number], **{"class": true[number]}) for number in labelled]
    feedback += [truth_of(events[number], 0.5 * MINUTE, **{"class": "hats"}) for number in labelled[:60]]
    feedback += [truth_of(events[number], 2 * MINUTE, **{"class": true[number]}) for number in labelled[30:50]]
    feedback += [truth_of(event, timedelta(days=1), **{"class": "hats"}) for event in events[:20]]
    random.Random(3).shuffle(feedback)
    world.deliver(*feedback[:100])
    world.cycle(START + timedelta(hours=1), **DAYS)
    world.deliver(*events, *feedback[100:])

    world.cycle(FINAL, **DAYS)

    document = world.window("1d")
    actual, chosen = [true[number] for number in labelled], [predicted[number] for number in labelled]
    rows = scores[labelled]
    expected = {
        "accuracy": oracle.accuracy_score(actual, chosen),
        "balanced_accuracy": oracle.balanced_accuracy_score(actual, chosen),
        "mcc": oracle.matthews_corrcoef(actual, chosen),
        "log_loss": oracle.log_loss(actual, rows, labels=CLASSES),
        "top_3_accuracy": oracle.top_k_accuracy_score(actual, rows, k=3, labels=CLASSES),
        "f1_macro": oracle.f1_score(actual, chosen, average="macro"),
        "precision_weighted": oracle.precision_score(actual, chosen, average="weighted"),
        "recall_micro": oracle.recall_score(actual, chosen, average="micro"),
    }
    assert {name: document[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    area = oracle.roc_auc_score(actual, rows, multi_class="ovr", labels=CLASSES)
    assert abs(document["roc_auc_ovr"] - area) <= document["roc_auc_ovr_error_bound"] < 0.02
    counts = {name: document[name] for name in ("prediction_kind", "predictions", "n", "state", "too_late")}
    assert counts == {
        "prediction_kind": "multiclass",
        "predictions": 240,
        "n": len(labelled),
        "state": "final",
        "too_late": 20,
    }
    assert document["coverage"] == len(labelled) / 240
    assert document["without_metrics_of"] == ["binary", "regression"]
    assert document.keys().isdisjoint({*BINARY_COUNTS, "f1", "f1_undefined", "auc_low", "mae", "mae_undefined"})
    of_scene = world.window("1d", segment="labels.scene=b", version="2")
    hits = [true[row] == predicted[row] for row in labelled if row % 3 == 0 and row % 2]
    assert of_scene["accuracy"] == pytest.approx(np.mean(hits), abs=1e-12)
    assert world.cycle(FINAL, **DAYS).tally.written == 0


def test_a_restated_class_changes_its_windows_only(world: World, shoes: Any) -> None:
    """A truth of a final window that changes restates the windows of its own prediction."""
    events, true, *_ = shoes
    labels = [truth_of(event, **{"class": name}) for event, name in zip(events, true, strict=True)]
    world.deliver(*events, *labels)
    world.cycle(FINAL, **DAYS)
    before = world.documents()
    other = next(name for name in CLASSES if name != true[70])
    world.deliver(truth_of(events[70], 5 * MINUTE, **{"class": other}))

    world.cycle(FINAL, **DAYS)

    written = moved(before, world.documents())
    assert {(row["window_size"], row["window_start"][11:13], row["state"]) for row in written} == {
        ("1h", "11", "restated"),
        ("1d", "00", "restated"),
    }
    assert {row["n"] for row in written if row["model_version"] == "all" and row["segment"] == "all"} == {60, 240}
    assert sorted(set(world.statuses())) == ["duplicate", "matched"]


def test_numbers_equal_the_oracle(world: World) -> None:
    """Regressions with truths of any sign, some of them 0 and some unknown."""
    generator = np.random.default_rng(8)
    truth = generator.normal(20.0, 40.0, 200).round(2)
    truth[:3] = 0.0
    value = truth + generator.gamma(2.0, 4.0, 200) - 6.0
    events = [of_number(number, row, model="price") for number, row in enumerate(value.tolist())]
    labelled = [number for number in range(200) if number % 3]
    world.deliver(*events, *(truth_of(events[number], truth=float(truth[number])) for number in labelled))

    world.cycle(FINAL, **DAYS)

    document = world.window("1d")
    actual, guess = truth[labelled], value[labelled]
    nonzero = actual != 0
    expected = {
        "mae": oracle.mean_absolute_error(actual, guess),
        "rmse": oracle.root_mean_squared_error(actual, guess),
        "r2": oracle.r2_score(actual, guess),
        "mape": oracle.mean_absolute_percentage_error(actual[nonzero], guess[nonzero]),
        "bias": float(np.mean(guess - actual)),
        "value_mean": float(np.mean(value)),
    }
    assert {name: document[name] for name in expected} == pytest.approx(expected, rel=1e-9)
    for name, percent in {"error_p05": 5, "error_p50": 50, "error_p95": 95}.items():
        assert document[name] == pytest.approx(
            np.quantile(guess - actual, percent / 100, method="inverted_cdf"), rel=0.005
        )
    assert (document["prediction_kind"], document["without_metrics_of"]) == ("regression", ["binary", "multiclass"])
    assert document.keys().isdisjoint({*BINARY_COUNTS, "accuracy", "accuracy_undefined", "f1_macro"})
    assert document["mae_low"] < document["mae"] < document["mae_high"]
    hours = [row for row in world.documents().values() if row["window_size"] == "1h" and row["segment"] == "all"]
    assert sum(row["n"] for row in hours if row["model_version"] == "all") == document["n"] == len(labelled)
    assert world.cycle(FINAL, **DAYS).tally.written == 0


def test_two_kinds_in_a_window_are_said_and_not_mixed(world: World) -> None:
    """The day has the reason; its hours, each of one kind, have their values."""
    binary = [make_prediction(START + number * MINUTE, 0.9, model="mixed") for number in range(10)]
    classes = [of_class(60 + number, "a", None, model="mixed") for number in range(10)]
    world.deliver(*binary, *classes, *(truth_of(event, **{"class": "a"}) for event in classes))

    world.cycle(FINAL, **DAYS)

    day = world.window("1d")
    assert (day["prediction_kind"], day["predictions"]) == ("mixed_kinds", 20)
    assert day["without_metrics_of"] == ["binary", "multiclass", "regression"]
    assert day.keys().isdisjoint({*BINARY_COUNTS, "accuracy", "f1_macro", "mae"})
    hours = {
        row["window_start"][11:13]: (row["prediction_kind"], row["accuracy"])
        for row in world.documents().values()
        if row["window_size"] == "1h" and row["model_version"] == "all" and row["segment"] == "all"
    }
    assert hours == {"10": ("binary", 0.0), "11": ("multiclass", 1.0)}


def test_a_model_of_four_classes_has_no_binary_accuracy(world: World) -> None:
    """Its events say a class beside a score and a label, but no kind: they are set aside, not counted as binary."""
    events = [make_prediction(START + number * MINUTE, 0.7, **{"class": name}) for number, name in enumerate(CLASSES)]
    world.deliver(*events, *(make_feedback(event, type_="label", label=1) for event in events))

    report = world.cycle(FINAL, feedback_type="label", **DAYS)

    assert report.not_counted == {"no prediction.kind": 4}
    assert world.documents() == {}


def test_classes_beyond_the_cap_are_one(world: World) -> None:
    """The fifty most frequent classes are counted apart; accuracy is exact for all."""
    names = [f"class {number:02}" for number in range(70)]
    events, truths = [], []
    for number, name in enumerate(names):
        for row in range(2 if number < 50 else 1):
            events.append(of_class(len(events) % 60, name, None, model="many"))
            truths.append(truth_of(events[-1], **{"class": name if row == 0 else names[0]}))
    world.deliver(*events, *truths)

    world.cycle(FINAL, **DAYS)

    document = world.window("1d")
    pairs = [
        (event["prediction"]["class"], label["feedback"]["class"]) for event, label in zip(events, truths, strict=True)
    ]
    assert document["accuracy"] == pytest.approx(np.mean([chosen == true for chosen, true in pairs]), abs=1e-12)
    assert document["roc_auc_ovr_undefined"] == "no_scores"


def test_the_class_of_a_label_may_be_the_positive(world: World) -> None:
    """`positive_label` names it: a label with another class says 0."""
    events = [make_prediction(START + number * MINUTE, 0.9) for number in range(4)]
    names = ["fraud", "fine", "fraud", "fraud"]
    world.deliver(*events, *(truth_of(event, **{"class": name}) for event, name in zip(events, names, strict=True)))

    world.cycle(FINAL, feedback_type="label", positive_label="fraud", **DAYS)

    document = world.window("1d")
    assert (document["tp"], document["fp"], document["positive_rate"]) == (3, 1, 0.75)


def test_only_the_kind_of_the_settings_counts(world: World) -> None:
    """Predictions of other kinds are set aside with their kind as the reason."""
    binary = [make_prediction(START + number * MINUTE, 0.9, model="shoes") for number in range(3)]
    classes = [of_class(number, "a", None, model="shoes") for number in range(5)]
    world.deliver(*binary, *classes, *(truth_of(event, **{"class": "a"}) for event in classes))

    report = world.cycle(FINAL, kind="multiclass", **DAYS)

    document = world.window("1d")
    assert report.not_counted == {"kind binary": 3}
    assert (document["predictions"], document["prediction_kind"], document["accuracy"]) == (5, "multiclass", 1.0)
    assert world.cycle(FINAL, kind="multiclass", **DAYS).tally.windows == 0
