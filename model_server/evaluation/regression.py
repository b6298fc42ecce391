"""Evaluates a model that gives a number (pure)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.evaluation.analysis import Analysis, Metric, metric, of_mean
from model_server.evaluation.running_mean import RunningMean
from monitor_agent.metrics import ConfidenceInterval, Undefined


class RegressionEvaluation:
    """The errors of numbers: value minus truth."""

    def __init__(self) -> None:
        self._errors, self._distances, self._squares, self._truth = (RunningMean() for _ in range(4))

    def add(self, scores: npt.NDArray[np.floating[Any]], truth: npt.NDArray[Any]) -> None:
        """Count values and the right numbers; both of shape (n,)."""
        errors = scores.astype(np.float64) - truth.astype(np.float64)
        self._errors.add(errors)
        self._distances.add(abs(errors))
        self._squares.add(errors**2)
        self._truth.add(truth)

    def analysis(self) -> Analysis:
        """Return the metrics so far, by scikit-learn's definitions; the intervals are normal.

        The interval of the root mean squared error is that of the mean squared error, under the root.
        """
        metrics = {
            "mean_error": of_mean(self._errors),
            "mean_absolute_error": of_mean(self._distances),
            "root_mean_squared_error": self._root(),
            "r2": metric(self._r2()),
            "truth_mean": of_mean(self._truth),
            "truth_standard_deviation": metric(self._truth.deviation if self._truth.n > 1 else Undefined("no_samples")),
        }
        return Analysis(metrics, [])

    def _root(self) -> Metric:
        if not self._squares.n:
            return metric(Undefined("no_samples"))
        interval = self._squares.interval()
        ends = (
            ConfidenceInterval(*(math.sqrt(max(0.0, end)) for end in (interval.low, interval.high)))
            if interval
            else None
        )
        return metric(math.sqrt(self._squares.mean), ends)

    def _r2(self) -> float | Undefined:
        if not self._truth.squares:
            return Undefined("no_spread")
        return 1 - self._squares.mean * self._squares.n / self._truth.squares
