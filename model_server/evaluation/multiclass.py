"""Evaluates a model that gives the probability of each class (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.cards.card_file import table
from model_server.evaluation.analysis import (
    Analysis,
    Metric,
    calibration_table,
    log_losses,
    metric,
    metrics_of,
    of_mean,
)
from model_server.evaluation.running_mean import RunningMean
from model_server.evaluation.score_counts import MOST_DISTINCT, ScoreCounts
from monitor_agent.contracts.prediction import LOG_LOSS_CLIP
from monitor_agent.metrics import Undefined
from monitor_agent.metrics.wilson import wilson_interval

MOST_LISTED = 50
"""With more classes, neither the confusion matrix nor the metrics of each class are listed."""

OF_CLASS = ("precision", "recall", "f1", "auc")


class MulticlassEvaluation:
    """Accuracy, losses, the metrics of each class against all others, and the calibration of the best class.

    Parameters
    ----------
    classes : names of the columns of the scores, at least two.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        count = len(classes)
        self._classes = tuple(classes)
        self._confusion = np.zeros((count, count), np.int64)  # truth, predicted
        most_of_class = MOST_DISTINCT // (count + 1) if count <= MOST_LISTED else 0
        self._best = ScoreCounts(MOST_DISTINCT // (count + 1))
        self._of_class = [ScoreCounts(most_of_class) for _ in range(count if most_of_class else 0)]
        self._loss = RunningMean()

    def add(self, scores: npt.NDArray[np.floating[Any]], truth: npt.NDArray[Any]) -> None:
        """Count probabilities of shape (n, classes), and the numbers of the right classes, int of shape (n,)."""
        predicted = scores.argmax(axis=1)
        rows = np.arange(len(scores))
        is_right = predicted == truth
        np.add.at(self._confusion, (truth, predicted), 1)
        self._loss.add(log_losses(scores[rows, truth], LOG_LOSS_CLIP))
        self._best.add(np.clip(scores[rows, predicted], 0, 1), is_right, np.ones(len(scores), bool))
        for number, counts in enumerate(self._of_class):
            counts.add(scores[:, number], truth == number, predicted == number)

    def analysis(self) -> Analysis:
        """Return the metrics so far.

        A macro average is the mean over all classes; a metric of a class that is not defined counts as 0. Source:
        `sklearn.metrics.precision_recall_fscore_support` with ``zero_division=0``.
        """
        right, n = int(np.trace(self._confusion)), int(self._confusion.sum())
        best = self._best.state()
        metrics = {
            "accuracy": metric(right / n if n else Undefined("no_samples"), wilson_interval(right, n)),
            **{f"macro_{name}": metric(value) for name, value in self._macro_averages().items()},
            "log_loss": of_mean(self._loss),
            "ece": metrics_of(best, ["ece"])["ece"],
        }
        tables = [calibration_table(best, "calibration of the predicted class")]
        if self._of_class:
            states = [counts.state() for counts in self._of_class]
            rows = [
                [
                    name,
                    state.positives,
                    *(cell for entry in metrics_of(state, OF_CLASS).values() for cell in _cells(entry)),
                ]
                for name, state in zip(self._classes, states, strict=True)
            ]
            columns = [column for name in OF_CLASS for column in (name, f"{name}, 95 % interval")]
            tables.append(table("classes, each against all others", ["class", "n", *columns], rows))
            confusion = [[name, *row] for name, row in zip(self._classes, self._confusion.tolist(), strict=True)]
            tables.append(table("confusion", ["truth \\ predicted", *self._classes], confusion))
        return Analysis(metrics, tables)

    def _macro_averages(self) -> dict[str, float | Undefined]:
        hits = np.diag(self._confusion).astype(np.float64)
        predicted, truth = self._confusion.sum(axis=0), self._confusion.sum(axis=1)
        if not truth.any():
            return dict.fromkeys(("precision", "recall", "f1"), Undefined("no_samples"))
        pairs = {"precision": (hits, predicted), "recall": (hits, truth), "f1": (2 * hits, predicted + truth)}
        return {
            name: float(np.divide(top, bottom, out=np.zeros_like(hits), where=bottom > 0).mean())
            for name, (top, bottom) in pairs.items()
        }


def _cells(entry: Metric) -> list[Any]:
    """Return value and interval of a metric."""
    if entry["value"] is None:
        return [entry["undefined"], None]
    return [entry["value"], [entry["low"], entry["high"]] if "low" in entry else None]
