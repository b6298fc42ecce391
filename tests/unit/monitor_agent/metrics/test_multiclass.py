"""The metrics of multiclass predictions, compared with scikit-learn's; their merging, and what they leave undefined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from sklearn import metrics as oracle

from monitor_agent.metrics import CATALOGUE, WindowState, measure, merge, merge_all
from monitor_agent.metrics.document import measure_with
from monitor_agent.metrics.kinds import MIXED
from monitor_agent.metrics.multiclass.class_averages import AVERAGES

from .kind_states import CLASSES, by_class, class_data, class_state, number_state
from .states import Floats, clicks_and_scores, state_of

Names = list[str]
Oracle = Callable[[Names, Names, Floats], float]


def _average(score: Callable[..., Any], average: str) -> Oracle:
    return lambda true, predicted, _: float(score(true, predicted, average=average, zero_division=0))


ORACLES: dict[str, Oracle] = {
    "accuracy": lambda true, predicted, _: oracle.accuracy_score(true, predicted),
    "balanced_accuracy": lambda true, predicted, _: oracle.balanced_accuracy_score(true, predicted),
    "mcc": lambda true, predicted, _: oracle.matthews_corrcoef(true, predicted),
    "log_loss": lambda true, _, scores: oracle.log_loss(true, scores, labels=CLASSES),
    "top_3_accuracy": lambda true, _, scores: oracle.top_k_accuracy_score(true, scores, k=3, labels=CLASSES),
    **{
        f"{name}_{average}": _average(score, average)
        for name, score in (
            ("precision", oracle.precision_score),
            ("recall", oracle.recall_score),
            ("f1", oracle.f1_score),
        )
        for average in ("macro", "micro", "weighted")
    },
}


@pytest.mark.parametrize("n", [40, 3000])
@pytest.mark.parametrize("name", ORACLES)
def test_equals_the_oracle(name: str, n: int) -> None:
    """A metric equals scikit-learn's value to 1e-12."""
    true, predicted, scores = class_data(n, n)

    expected = pytest.approx(ORACLES[name](true, predicted, scores), rel=1e-12)
    assert measure(class_state(true, predicted, by_class(scores)))[name] == expected


@pytest.mark.parametrize("seed", range(4))
def test_the_area_is_within_its_bound(seed: int) -> None:
    """One-vs-rest AUC differs from scikit-learn's by its error bound at most."""
    true, predicted, scores = class_data(seed, 2000)
    fields = measure(class_state(true, predicted, by_class(scores)))

    expected = oracle.roc_auc_score(true, scores, multi_class="ovr", labels=CLASSES)
    assert abs(fields["roc_auc_ovr"] - expected) <= fields["roc_auc_ovr_error_bound"] < 0.01
    assert fields["roc_auc_ovr_low"] < expected < fields["roc_auc_ovr_high"]


def test_equal_scores_are_ranked_as_by_the_oracle() -> None:
    """Of equal scores, the class that comes later in the order of names is the higher one."""
    rows = np.array([[0.25, 0.25, 0.25, 0.25]] * 4)
    true = list(CLASSES)

    expected = oracle.top_k_accuracy_score(true, rows, k=3, labels=CLASSES)
    assert measure(class_state(true, true, by_class(rows)))["top_3_accuracy"] == expected == 0.75


rows = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), max_size=30)


def _state(pairs: list[tuple[str, str]]) -> WindowState:
    scores = [{name: (0.7 if name == predicted else 0.1) for name in CLASSES} for _, predicted in pairs]
    return class_state([true for true, _ in pairs], [predicted for _, predicted in pairs], scores)


class TestMerge:
    @hypothesis.settings(max_examples=60, deadline=None)
    @hypothesis.given(rows, rows, rows)
    def test_any_grouping_gives_the_bytes_of_the_whole(
        self, a: list[tuple[str, str]], b: list[tuple[str, str]], c: list[tuple[str, str]]
    ) -> None:
        """Merged windows equal all predictions counted together, whatever their order, down to the stored bytes."""
        whole = _state(a + b + c).to_blob()

        assert whole == merge(merge(_state(a), _state(b)), _state(c)).to_blob()
        assert whole == merge_all([_state(c), _state(a), _state(b)]).to_blob()
        assert WindowState.from_blob(whole) == _state(c + b + a)

    @hypothesis.settings(max_examples=60, deadline=None)
    @hypothesis.given(rows)
    def test_any_pairs_give_the_averages_of_the_oracle(self, pairs: list[tuple[str, str]]) -> None:
        """Averages equal scikit-learn's also if classes are missing, and each lies in its interval."""
        fields = measure(_state(pairs))
        true, predicted = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

        for spec in AVERAGES:
            if not pairs:
                assert fields[f"{spec.name}_undefined"] == "no_samples"
                continue
            assert fields[spec.name] == pytest.approx(ORACLES[spec.name](true, predicted, np.array([])), abs=1e-12)
            assert fields[f"{spec.name}_low"] - 1e-12 <= fields[spec.name] <= fields[f"{spec.name}_high"] + 1e-12


class TestOtherClasses:
    def test_rare_classes_are_one_class(self) -> None:
        """Classes beyond the cap count as `other`; accuracy and log loss do not change."""
        true, predicted, scores = class_data(1, 500)
        whole = measure(class_state(true, predicted, by_class(scores)))
        capped = measure(class_state(true, predicted, by_class(scores), classes=CLASSES[:2]))

        for name in ("accuracy", "recall_micro", "recall_weighted", "log_loss", "top_3_accuracy"):
            assert capped[name] == pytest.approx(whole[name], rel=1e-12)
        rare = [name not in CLASSES[:2] for name in true]
        hits = sum(a == b for a, b, is_rare in zip(true, predicted, rare, strict=True) if is_rare)
        recalls = oracle.recall_score(true, predicted, labels=CLASSES[:2], average=None)
        assert capped["recall_macro"] == pytest.approx((*recalls, hits / sum(rare)) @ np.full(3, 1 / 3), rel=1e-12)

    def test_the_correlation_of_confused_other_classes_is_null(self) -> None:
        """Their sizes are not known; with exact hits and sizes of all of them together, it would be far too low."""
        true, predicted, scores = class_data(1, 500)

        capped = measure(class_state(true, predicted, by_class(scores), classes=CLASSES[:2]))
        apart = measure(class_state(true, predicted, by_class(scores), classes=CLASSES[:3]))

        assert (capped["mcc"], capped["mcc_undefined"]) == (None, "too_many_classes")
        assert apart["mcc"] == pytest.approx(oracle.matthews_corrcoef(true, predicted), rel=1e-12)


class TestUndefined:
    def test_predictions_without_scores_have_no_metrics_of_scores(self) -> None:
        """Null with the reason; what needs no scores has its value."""
        fields = measure(class_state(["a", "b"], ["a", "a"]))

        assert fields["accuracy"] == 0.5
        for name in ("log_loss", "top_3_accuracy", "roc_auc_ovr"):
            assert (fields[name], fields[f"{name}_undefined"]) == (None, "no_scores")

    def test_very_many_scores_have_no_area(self) -> None:
        """The scores of more than 50 classes are not counted by bin."""
        scores = {str(number): 1 / 60 for number in range(60)}
        fields = measure(class_state(["1", "2"], ["1", "1"], [scores, scores]))

        assert fields["roc_auc_ovr_undefined"] == "too_many_classes"
        assert fields["log_loss"] == pytest.approx(np.log(60))

    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            (class_state(["a", "b"], ["a", "a"]), "multiclass"),
            (number_state(np.array([1.0, 2.0]), np.array([1.5, 2.0])), "regression"),
        ],
    )
    def test_what_a_model_is_not_of_is_null_with_its_kind(self, state: WindowState, reason: str) -> None:
        """Metrics of another kind give the kind of the predictions as their reason."""
        fields = measure(state)

        for name in (
            "tp",
            "fn",
            "precision",
            "recall",
            "f1",
            "auc",
            "ctr",
            "brier",
            "score_mean",
            "estimated_accuracy",
        ):
            assert (fields[name], fields[f"{name}_undefined"]) == (None, reason), name
        assert (fields["f1_low"], fields["f1_high"]) == (None, None)

    def test_several_kinds_are_never_one_number(self) -> None:
        """A window with predictions of two kinds has no metric of either."""
        labels, scores = clicks_and_scores(1, 100)
        fields = measure(merge(state_of(labels, scores), class_state(["a", "b"], ["a", "a"])))

        for name in ("accuracy", "f1", "recall_macro", "mae"):
            assert (fields[name], fields[f"{name}_undefined"]) == (None, MIXED)
        assert (fields["n"], fields["predictions"]) == (102, 102)

    def test_binary_predictions_have_no_averages(self) -> None:
        """The metrics of the other kinds name `binary` as their reason."""
        labels, scores = clicks_and_scores(1, 100)
        fields = measure(state_of(labels, scores))

        assert {fields[f"{name}_undefined"] for name in ("recall_macro", "top_3_accuracy", "mae", "r2")} == {"binary"}

    def test_one_class(self) -> None:
        """One true class has no balanced accuracy; one predicted class has no correlation."""
        fields, constant = measure(class_state(["a", "a"], ["a", "b"])), measure(class_state(["a", "b"], ["a", "a"]))

        assert (fields["balanced_accuracy_undefined"], fields["mcc_undefined"]) == ("one_class", "one_class")
        assert constant["mcc_undefined"] == "one_predicted_class"


AVERAGED = ("recall_macro", "precision_macro", "f1_macro", "f1_weighted", "balanced_accuracy")


def test_intervals_hold_the_true_value() -> None:
    """About 95 of 100 samples of 150 predictions have an interval with the value of the whole population."""
    true, predicted, _ = class_data(7, 20_000)
    specs = [spec.for_kind("multiclass") for spec in CATALOGUE if spec.name in AVERAGED]
    whole = measure_with(specs, class_state(true, predicted))
    random, inside = np.random.default_rng(3), Counter[str]()
    for _ in range(200):
        chosen = random.integers(0, len(true), 150)
        state = class_state([true[place] for place in chosen], [predicted[place] for place in chosen])
        fields = measure_with(specs, state)
        inside.update(name for name in AVERAGED if fields[f"{name}_low"] <= whole[name] <= fields[f"{name}_high"])

    assert all(0.9 <= inside[name] / 200 <= 0.99 for name in AVERAGED), inside
