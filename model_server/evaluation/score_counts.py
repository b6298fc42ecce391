"""Counts scores and labels in bounded memory, as the state of which the agent's metrics are made (pure)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor_agent.contracts.prediction import LOG_LOSS_CLIP
from monitor_agent.metrics import FixedPoint, WindowState, to_fixed_point
from monitor_agent.metrics.exact_scores import from_exact_scores, scores_of
from monitor_agent.metrics.score_histogram import Histogram, add, from_scores_refined, unrefined

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

MOST_DISTINCT = 1 << 20
"""Up to so many distinct scores, all are counted singly, and the metrics of their order are exact."""

BUFFERED = 1 << 18
SUMS = ("score_sum", "score_square_sum", "log_loss")
LABELS = ("neg", "pos")


class ScoreCounts:
    """The scores of a binary model, with their labels and predicted labels.

    Beyond `most_distinct` distinct scores, they are counted with five digits; the error bounds of the metrics say what
    this can change.
    """

    def __init__(self, most_distinct: int = MOST_DISTINCT) -> None:
        self._most_distinct = most_distinct
        self._confusion = np.zeros((2, 2), np.int64)  # label, predicted label
        self._sums = {f"{name}_{label}": 0 for name in SUMS for label in LABELS}
        self._is_exact = True
        self._scores = {label: Histogram.of({}) for label in LABELS}
        self._waiting: list[tuple[Floats, Bools, Bools]] = []
        self._waiting_count = 0

    def add(self, scores: Floats, labels: Bools, predicted: Bools) -> None:
        """Count scores in [0, 1], their labels and their predicted labels; all of shape (n,)."""
        self._waiting.append((scores, labels, predicted))
        self._waiting_count += len(scores)
        if self._waiting_count >= BUFFERED:
            self._count()

    def state(self) -> WindowState:
        """Return the counts so far."""
        self._count()
        (tn, fp), (fn, tp) = self._confusion.tolist()
        sums = {name: FixedPoint(total) for name, total in self._sums.items()}
        scores, bins = self._scores, self._scores
        if self._is_exact:
            bins = {label: _refined(histogram) for label, histogram in scores.items()}
        return WindowState(
            predictions=tn + fp + fn + tp,
            tp=tp,
            fp=fp,
            tn=tn,
            fn=fn,
            predicted_positive=tp + fp,
            score_sum=FixedPoint(sums["score_sum_pos"] + sums["score_sum_neg"]),
            score_square_sum=FixedPoint(sums["score_square_sum_pos"] + sums["score_square_sum_neg"]),
            score_sum_pos=sums["score_sum_pos"],
            score_sum_neg=sums["score_sum_neg"],
            score_square_sum_pos=sums["score_square_sum_pos"],
            score_square_sum_neg=sums["score_square_sum_neg"],
            log_loss_pos=sums["log_loss_pos"],
            log_loss_neg=sums["log_loss_neg"],
            scores_pos=unrefined(bins["pos"]),
            scores_neg=unrefined(bins["neg"]),
            fine_pos=bins["pos"],
            fine_neg=bins["neg"],
            exact_pos=scores["pos"] if self._is_exact else {},
            exact_neg=scores["neg"] if self._is_exact else {},
        )

    def _count(self) -> None:
        if not self._waiting:
            return
        scores, labels, predicted = (np.concatenate(columns) for columns in zip(*self._waiting, strict=True))
        self._waiting, self._waiting_count = [], 0
        scores = scores.astype(np.float64)
        np.add.at(self._confusion, (labels.astype(np.int64), predicted.astype(np.int64)), 1)
        clipped = np.clip(scores, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
        for label, rows, losses in (("neg", ~labels, -np.log1p(-clipped)), ("pos", labels, -np.log(clipped))):
            chosen = scores[rows]
            for name, values in zip(SUMS, (chosen, chosen**2, losses[rows]), strict=True):
                self._sums[f"{name}_{label}"] += to_fixed_point(math.fsum(values.tolist()))
            counted = from_exact_scores(chosen) if self._is_exact else from_scores_refined(chosen)
            self._scores[label] = add([self._scores[label], counted])
        if self._is_exact and sum(map(len, self._scores.values())) > self._most_distinct:
            self._is_exact = False
            self._scores = {label: _refined(histogram) for label, histogram in self._scores.items()}


def _refined(exact: Histogram) -> Histogram:
    return from_scores_refined(scores_of(exact), exact.counts)


def predicted_labels(scores: Floats, threshold: float) -> Bools:
    """Return whether scores are at or above the threshold, compared as float32, as the server does.

    >>> predicted_labels(np.array([0.2, 0.3]), 0.3).tolist()
    [False, True]
    """
    labels: Bools = scores.astype(np.float32) >= np.float32(threshold)
    return labels
