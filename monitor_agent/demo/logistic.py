"""Logistic regression by Newton's method, for the small models of the scenarios (pure)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

STEPS = 50


def fit(rows: Floats, labels: Floats, penalty: float) -> Floats:
    """Return the weights with the highest penalised likelihood, shape (columns + 1,); the first is the intercept.

    Parameters
    ----------
    rows : shape (n, columns).
    labels : 1 or 0, shape (n,).
    penalty : of the squared weights, without the intercept.
    """
    columns = np.column_stack([np.ones(len(rows)), rows])
    weights = np.zeros(columns.shape[1])
    weights[0] = np.log(labels.mean() / (1 - labels.mean()))
    ridge = penalty * np.diag([0.0, *[1.0] * rows.shape[1]])
    for _ in range(STEPS):
        probability = logistic(columns @ weights)
        gradient = columns.T @ (probability - labels) + ridge @ weights
        curvature = (columns.T * (probability * (1 - probability))) @ columns + ridge
        weights = weights - np.linalg.solve(curvature, gradient)
    return weights


def predict(rows: Floats, weights: Floats) -> Floats:
    """Return the probabilities of rows, shape (n,)."""
    return logistic(weights[0] + rows @ weights[1:])


def logistic(logit: Floats) -> Floats:
    """Return 1 / (1 + exp(-logit))."""
    result: Floats = 1.0 / (1.0 + np.exp(-np.clip(logit, -35.0, 35.0)))
    return result
