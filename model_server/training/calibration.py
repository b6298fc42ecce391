"""From raw logits to calibrated probabilities and a threshold (pure).

The logits come from models that were not fitted to these examples (cross-fitting).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

MIN_SLOPE = 0.05
MIN_RECALL = 0.25
MAX_FLAGGED = 0.5
NEWTON_STEPS = 100
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Platt:
    """A calibration of logits: probability = sigmoid(slope * logit + offset)."""

    slope: float
    offset: float

    def __call__(self, logits: Floats) -> npt.NDArray[np.float64]:
        return sigmoid(self.slope * logits.astype(np.float64) + self.offset)


def sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def fit_platt(logits: Floats, labels: Floats) -> Platt:
    """Return the calibration that fits labels best.

    The slope is at least ``MIN_SLOPE``: a model without skill gets scores close to the base rate, but their order stays
    visible. Source: Platt 1999, Probabilistic outputs for support vector machines (with its
    smoothed targets); Newton's method as in Lin, Lin and Weng 2007, https://doi.org/10.1007/s10994-007-5018-6.

    Parameters
    ----------
    logits, labels : arrays of shape (n,); labels 0 or 1, both present.
    """
    positives = float(labels.sum())
    negatives = len(labels) - positives
    targets = np.where(labels > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    start = Platt(1.0, math.log((positives + 1) / (negatives + 1)) - float(np.mean(logits)))
    fitted = _newton(logits.astype(np.float64), targets, start, fixed_slope=False)
    if fitted.slope >= MIN_SLOPE:
        return fitted
    return _newton(logits.astype(np.float64), targets, Platt(MIN_SLOPE, start.offset), fixed_slope=True)


def _newton(x: npt.NDArray[np.float64], targets: npt.NDArray[np.float64], start: Platt, *, fixed_slope: bool) -> Platt:
    design = np.stack([x, np.ones_like(x)], axis=1)
    free = design[:, 1:] if fixed_slope else design
    values = np.array([start.slope, start.offset])
    loss = _cross_entropy(design @ values, targets)
    for _ in range(NEWTON_STEPS):
        scores = sigmoid(design @ values)
        gradient = free.T @ (scores - targets)
        curvature = (free * (scores * (1 - scores))[:, np.newaxis]).T @ free + 1e-9 * np.eye(free.shape[1])
        step = np.zeros(2)
        step[2 - free.shape[1] :] = np.linalg.solve(curvature, gradient)
        size = 1.0
        while (tried := _cross_entropy(design @ (values - size * step), targets)) > loss and size > TOLERANCE:
            size /= 2
        values, improvement, loss = values - size * step, loss - tried, min(loss, tried)
        if improvement < TOLERANCE * max(loss, 1.0):
            break
    return Platt(float(values[0]), float(values[1]))


def _cross_entropy(logits: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0.0, logits) - targets * logits))


def best_f1_threshold(scores: Floats, labels: Floats) -> float:
    """Return the threshold with the best F1 that finds enough positives and does not flag most examples.

    If positives are rare, the F1 of a few hits is chance, and a model without skill reaches its best F1 if it flags
    everything. So the recall must be at least ``MIN_RECALL``, and the flagged share at most ``MAX_FLAGGED`` if any
    threshold meets both limits. An example is predicted positive if its score is at or above the threshold; the
    threshold lies between two scores.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order].astype(np.float64), np.cumsum(labels[order], dtype=np.float64)
    flagged = np.arange(1, len(scores) + 1)
    f1 = 2 * hits / (flagged + hits[-1])
    usable = np.append(ranked[:-1] > ranked[1:], True) & (hits >= MIN_RECALL * hits[-1])
    few = usable & (flagged <= max(MAX_FLAGGED * len(scores), hits[-1]))
    best = int(np.argmax(np.where(few if few.any() else usable, f1, -1.0)))
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
