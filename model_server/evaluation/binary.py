"""Evaluates a model that gives the probability of a positive (pure)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.cards.card_file import table
from model_server.evaluation.analysis import Analysis, calibration_table, log_losses, metric, metrics_of, of_mean
from model_server.evaluation.running_mean import RunningMean
from model_server.evaluation.score_counts import MOST_DISTINCT, ScoreCounts, predicted_labels
from monitor_agent.contracts.prediction import LOG_LOSS_CLIP
from monitor_agent.metrics import Undefined, WindowState
from monitor_agent.metrics.log_loss import log_loss
from monitor_agent.metrics.threshold_sweep import best_f1

NAMES = (
    "accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "mcc", "predicted_positive_rate",
    "auc", "pr_auc", "log_loss", "brier", "ece", "calibration_ratio", "score_mean", "best_f1", "best_f1_threshold",
)  # fmt: skip
ERROR_BOUNDS = ("auc_error_bound", "pr_auc_error_bound", "ece_error_bound", "best_f1_error_bound")


class BinaryEvaluation:
    """The confusion at a threshold, ranking, losses and calibration of scores."""

    def __init__(self, threshold: float, most_distinct: int = MOST_DISTINCT) -> None:
        self._threshold = threshold
        self._counts = ScoreCounts(most_distinct)
        self._loss, self._brier = RunningMean(), RunningMean()

    def add(self, scores: npt.NDArray[np.floating[Any]], truth: npt.NDArray[Any]) -> None:
        """Count scores in [0, 1] with their labels, 0 or 1; both of shape (n,)."""
        labels = np.asarray(truth) > 0
        numbers = scores.astype(np.float64)
        self._counts.add(scores, labels, predicted_labels(scores, self._threshold))
        self._loss.add(log_losses(np.where(labels, numbers, 1 - numbers), LOG_LOSS_CLIP))
        self._brier.add((numbers - labels) ** 2)

    @property
    def state(self) -> WindowState:
        """The counts so far, as the agent has them."""
        return self._counts.state()

    def analysis(self) -> Analysis:
        """Return the metrics so far; those of the agent have its names, values and intervals."""
        state = self.state
        metrics = metrics_of(state, NAMES)
        for name, mean in (("log_loss", self._loss), ("brier", self._brier)):
            metrics[name] |= {end: value for end, value in of_mean(mean).items() if end != "value"}
        positive_rate = {"positive_rate": metrics_of(state, ["ctr"])["ctr"]}
        base_rate = {"log_loss_of_base_rate": metric(_loss_of_base_rate(state))}
        bounds = {} if state.is_exact else metrics_of(state, ERROR_BOUNDS)
        return Analysis({**positive_rate, **metrics, **base_rate, **bounds}, self._tables(state))

    def _tables(self, state: WindowState) -> list[dict[str, Any]]:
        rows = [["the threshold", self._threshold, state.tp, state.fp, state.tn, state.fn]]
        best = best_f1(state.cells)
        if not isinstance(best, Undefined):
            rows.append(["the best F1 on these data", best.threshold, best.tp, best.fp, best.tn, best.fn])
        confusion = table("confusion", ["at", "threshold", "tp", "fp", "tn", "fn"], rows)
        return [confusion, calibration_table(state)]


def _loss_of_base_rate(state: WindowState) -> float | Undefined:
    """Return the log loss of a model that gives the rate of positives to every instance."""
    if not state.n:
        return Undefined("no_samples")
    rate = np.array([state.positives, state.negatives]) / state.n
    losses = log_losses(rate, LOG_LOSS_CLIP)
    return log_loss(float(np.array([state.positives, state.negatives]) @ losses), state.n)
