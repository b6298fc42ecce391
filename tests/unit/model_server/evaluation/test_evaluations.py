"""The quality of scores on labelled data: scikit-learn's numbers and the agent's intervals, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from model_server.evaluation.analysis import Evaluation
from model_server.evaluation.binary import BinaryEvaluation
from model_server.evaluation.multiclass import MulticlassEvaluation
from model_server.evaluation.regression import RegressionEvaluation
from monitor_agent.contracts.prediction import LOG_LOSS_CLIP
from monitor_agent.metrics.wilson import wilson_interval

THRESHOLD = 0.3


def make_scores(rows: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 scores of which about half occur often, and labels with these probabilities."""
    random = np.random.default_rng(11)
    scores = random.beta(0.6, 3.0, rows).astype(np.float32)
    scores[::2] = np.round(scores[::2], 2)
    return scores, (random.random(rows) < scores).astype(np.int64)


def in_batches(evaluation: Evaluation, scores: np.ndarray, truth: np.ndarray) -> Any:
    """Count in batches of different sizes, and return the analysis."""
    for rows in np.array_split(np.arange(len(scores)), [1, 700, 2000]):
        evaluation.add(scores[rows], truth[rows])
    return evaluation.analysis()


def test_a_binary_model_has_the_numbers_of_scikit_learn() -> None:
    """Ranking, losses, confusion and the best threshold; the intervals hold the values."""
    scores, labels = make_scores()
    predicted = scores >= np.float32(THRESHOLD)

    analysis = in_batches(BinaryEvaluation(THRESHOLD), scores, labels)

    exact = scores.astype(np.float64)
    clipped = np.clip(exact, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    precisions, recalls, _ = metrics.precision_recall_curve(labels, exact)
    expected: dict[str, float] = {
        "positive_rate": labels.mean(),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "precision": metrics.precision_score(labels, predicted),
        "recall": metrics.recall_score(labels, predicted),
        "specificity": metrics.recall_score(labels, predicted, pos_label=0),
        "f1": metrics.f1_score(labels, predicted),
        "mcc": metrics.matthews_corrcoef(labels, predicted),
        "predicted_positive_rate": predicted.mean(),
        "auc": metrics.roc_auc_score(labels, scores),
        "pr_auc": metrics.average_precision_score(labels, scores),
        "log_loss": metrics.log_loss(labels, clipped),
        "brier": metrics.brier_score_loss(labels, exact),
        "score_mean": exact.mean(),
        "calibration_ratio": exact.mean() / labels.mean(),
        "log_loss_of_base_rate": metrics.log_loss(labels, np.full(len(labels), labels.mean())),
        "best_f1": (2 * precisions * recalls / (precisions + recalls)).max(),
    }
    for name, value in expected.items():
        assert analysis.metrics[name]["value"] == pytest.approx(value, abs=1e-9), name
    best = analysis.metrics["best_f1_threshold"]["value"]
    assert metrics.f1_score(labels, exact >= best) == analysis.metrics["best_f1"]["value"]
    tn, fp, fn, tp = metrics.confusion_matrix(labels, predicted).ravel().tolist()
    assert analysis.tables[0]["rows"][0] == ["the threshold", THRESHOLD, tp, fp, tn, fn]
    interval = wilson_interval(tp, tp + fp)
    assert analysis.metrics["precision"] == {"value": tp / (tp + fp), **vars(interval)}
    for name in ("auc", "log_loss", "brier", "f1"):
        assert analysis.metrics[name]["low"] < analysis.metrics[name]["value"] < analysis.metrics[name]["high"]
    assert not [name for name in analysis.metrics if name.endswith("_error_bound")]


def test_the_intervals_of_losses_hold_the_truth_as_often_as_they_promise() -> None:
    """Of 200 samples, the 95 % interval of the log loss and of the Brier score hold the expectation in 90 % or more."""
    random = np.random.default_rng(2)
    hits = {"log_loss": 0, "brier": 0}
    for _ in range(200):
        scores = random.uniform(0.1, 0.6, 300)
        evaluation = BinaryEvaluation(0.5)
        evaluation.add(scores, random.random(300) < scores)
        analysis = evaluation.analysis()
        for name, expected in (("log_loss", _expected_log_loss()), ("brier", _expected_brier())):
            hits[name] += analysis.metrics[name]["low"] <= expected <= analysis.metrics[name]["high"]

    assert all(180 <= count <= 199 for count in hits.values()), hits


def _expected_log_loss() -> float:
    scores = np.linspace(0.1, 0.6, 100_001)
    return float(np.mean(-scores * np.log(scores) - (1 - scores) * np.log1p(-scores)))


def _expected_brier() -> float:
    scores = np.linspace(0.1, 0.6, 100_001)
    return float(np.mean(scores * (1 - scores)))


def test_calibration_is_a_table_of_equal_mass() -> None:
    """Ten rows with about the same number of instances; each has its mean score and rate, as NumPy counts them."""
    scores, labels = make_scores()

    rows = in_batches(BinaryEvaluation(THRESHOLD), scores, labels).tables[1]["rows"]

    assert len(rows) == 10
    for low, high, n, positives, mean_score, rate, (rate_low, rate_high) in rows:
        inside = (scores >= low) & (scores < high)
        assert (n, positives) == (inside.sum(), labels[inside].sum())
        assert mean_score == pytest.approx(scores[inside].mean(), rel=1e-6)
        assert rate_low <= rate == positives / n <= rate_high


def test_memory_is_bounded_and_the_error_bound_is_honest() -> None:
    """With more distinct scores than are counted singly, five digits are; the AUC is within its bound."""
    scores, labels = make_scores(20_000)
    scores = np.where(scores < 0.5, scores / 1000, scores)
    expected = metrics.roc_auc_score(labels, scores)

    analysis = in_batches(BinaryEvaluation(THRESHOLD, most_distinct=1000), scores, labels)
    exact = in_batches(BinaryEvaluation(THRESHOLD), scores, labels)

    bound = analysis.metrics["auc_error_bound"]["value"]
    assert 0 < bound < 2e-3
    assert analysis.metrics["auc"]["value"] == pytest.approx(expected, abs=bound)
    for name in ("log_loss", "brier", "f1"):
        assert analysis.metrics[name] == exact.metrics[name]


def test_one_class_and_no_data_have_reasons() -> None:
    """What is not defined says why, as in the agent's documents."""
    scores = np.array([0.1, 0.2])
    nothing = BinaryEvaluation(THRESHOLD).analysis()
    negatives = in_batches(BinaryEvaluation(THRESHOLD), scores, np.zeros(2))

    assert nothing.metrics["accuracy"] == {"value": None, "undefined": "no_samples"}
    assert negatives.metrics["auc"] == {"value": None, "undefined": "one_class"}
    assert negatives.metrics["precision"] == {"value": None, "undefined": "no_predicted_positive"}


def test_several_classes_have_the_numbers_of_scikit_learn() -> None:
    """Accuracy, macro averages with a class that never comes, the log loss, and each class against all others."""
    random = np.random.default_rng(4)
    scores = random.dirichlet([1.0, 2.0, 0.5, 0.01], 3000).astype(np.float32)
    truth = np.array([random.choice(3, p=row / row.sum()) for row in scores[:, :3].astype(np.float64)])
    classes = ["boots", "hats", "bags", "socks"]
    predicted = scores.argmax(axis=1)

    analysis = in_batches(MulticlassEvaluation(classes), scores, truth)

    exact = np.clip(scores.astype(np.float64), LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    averages = metrics.precision_recall_fscore_support(
        truth, predicted, labels=range(4), average="macro", zero_division=0
    )
    expected = dict(zip(("macro_precision", "macro_recall", "macro_f1"), averages, strict=False))
    expected["accuracy"] = metrics.accuracy_score(truth, predicted)
    expected["log_loss"] = float(-np.log(exact[np.arange(len(truth)), truth]).mean())
    for name, value in expected.items():
        assert analysis.metrics[name]["value"] == pytest.approx(value, abs=1e-9), name
    listed = {entry["title"]: entry for entry in analysis.tables}
    confusion = [row[1:] for row in listed["confusion"]["rows"]]
    assert confusion == metrics.confusion_matrix(truth, predicted, labels=range(4)).tolist()
    hats = listed["classes, each against all others"]["rows"][1]
    assert hats[:2] == ["hats", int((truth == 1).sum())]
    assert hats[2] == pytest.approx(metrics.precision_score(truth == 1, predicted == 1))
    assert hats[8] == pytest.approx(metrics.roc_auc_score(truth == 1, scores[:, 1]))
    assert "calibration of the predicted class" in listed


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("mean_absolute_error", metrics.mean_absolute_error),
        ("root_mean_squared_error", metrics.root_mean_squared_error),
        ("r2", metrics.r2_score),
        ("mean_error", lambda truth, values: float(np.mean(values - truth))),
    ],
)
def test_numbers_have_the_errors_of_scikit_learn(name: str, definition: Callable[..., float]) -> None:
    """Also far from 0, where sums of squares lose digits."""
    random = np.random.default_rng(9)
    truth = 1e6 + random.normal(0, 3, 3000)
    values = truth + random.normal(0.5, 1, 3000)

    analysis = in_batches(RegressionEvaluation(), values, truth)

    entry = analysis.metrics[name]
    assert entry["value"] == pytest.approx(definition(truth, values), rel=1e-9)
    assert name == "r2" or entry["low"] < entry["value"] < entry["high"]
