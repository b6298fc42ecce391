"""Two versions side by side: the numbers, and when the optimised one is refused."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from model_server.evaluation.binary import BinaryEvaluation
from model_server.evaluation.multiclass import MulticlassEvaluation
from model_server.evaluation.regression import RegressionEvaluation
from model_server.exporting.comparison import Tolerance, VersionComparing, VersionComparison

RANDOM = np.random.default_rng(5)
TRUTH = RANDOM.integers(0, 2, 400)
SCORES = np.clip(0.3 * TRUTH + RANDOM.random(400) * 0.7, 0.01, 0.99).astype(np.float32)


def evaluation_of(kind: str) -> Any:
    """Return an empty evaluation of a model with three classes, if it has any."""
    if kind == "multiclass":
        return MulticlassEvaluation(("a", "b", "c"))
    return RegressionEvaluation() if kind == "regression" else BinaryEvaluation(0.5)


def comparison_of(before: Any, after: Any, truth: Any, kind: str = "binary") -> VersionComparison:
    """Return the comparison of scores that come in two parts."""
    before_and_after = (evaluation_of(kind), evaluation_of(kind))
    comparing = VersionComparing(kind, 0.5, before_and_after)
    for rows in (slice(0, 150), slice(150, None)):
        comparing.add(before[rows], after[rows], None if truth is None else truth[rows])
    return comparing.result()


def test_the_numbers_are_those_of_scikit_learn() -> None:
    """AUC, log loss, flipped labels and the largest difference."""
    after = (SCORES + np.where(np.arange(400) < 40, np.float32(0.2), np.float32(0))).clip(0, 1)
    result = comparison_of(SCORES, after, TRUTH)

    assert result.before["auc"] == pytest.approx(roc_auc_score(TRUTH, SCORES), abs=1e-9)
    assert result.after["auc"] == pytest.approx(roc_auc_score(TRUTH, after), abs=1e-9)
    assert result.after["log_loss"] == pytest.approx(log_loss(TRUTH, np.float64(after)), rel=1e-6)
    assert result.flipped == np.mean((SCORES >= 0.5) != (after >= 0.5))
    assert result.largest == pytest.approx(0.2, rel=1e-5)


def test_the_same_scores_are_always_good_enough() -> None:
    """Even if nothing may change."""
    assert comparison_of(SCORES, SCORES, TRUTH).problem(Tolerance(0, 0, 0, 0)) == ""
    assert comparison_of(SCORES, SCORES, None).problem(Tolerance(0, 0, 0, 0)) == ""


def test_a_worse_version_is_refused_with_the_numbers() -> None:
    """Each measure that is beyond its tolerance is named, with what is allowed."""
    after = RANDOM.permutation(SCORES)
    result = comparison_of(SCORES, after, TRUTH)

    problem = result.problem(Tolerance())

    assert problem.startswith(
        f"AUC {result.after['auc']:.4f} instead of {result.before['auc']:.4f} (allowed: 0.005 less)"
    )
    assert "log loss " in problem
    assert f"{result.flipped:.1%} other labels (allowed: 2.0%)" in problem
    assert result.problem(Tolerance(1, 10, 1)) == ""
    unlabelled = comparison_of(SCORES, after, None)
    assert unlabelled.problem(Tolerance()) == f"{result.flipped:.1%} other labels (allowed: 2.0%)"


def test_classes_and_numbers_have_measures_of_their_own() -> None:
    """Other classes count as flipped; numbers are compared by their spread and their error."""
    three = RANDOM.dirichlet((1, 1, 1), 300).astype(np.float32)
    turned = three[:, [1, 2, 0]]
    numbers = RANDOM.standard_normal(300).astype(np.float32) * 50

    of_classes = comparison_of(three, turned, three.argmax(axis=1), "multiclass")
    of_numbers = comparison_of(numbers, numbers + 10, numbers.astype(float), "regression")

    assert of_classes.flipped == 1.0
    assert "100.0% other classes" in of_classes.problem(Tolerance())
    assert of_numbers.flipped is None
    assert of_numbers.difference == pytest.approx(10 / numbers.std(ddof=1), rel=1e-4)
    assert "root mean squared error 10 instead of 0" in of_numbers.problem(Tolerance())


@pytest.mark.parametrize("text", ["auc", "auc=x", "auc=-1", "speed=1", "auc=nan", "0.01"])
def test_a_malformed_tolerance_is_refused(text: str) -> None:
    """The message lists what may be written."""
    with pytest.raises(argparse.ArgumentTypeError, match="auc=NUMBER, log_loss=NUMBER, flipped=NUMBER"):
        Tolerance.parse(text)
