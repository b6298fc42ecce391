"""The mean of values that come in batches, with its confidence interval (pure)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics import ConfidenceInterval
from monitor_agent.metrics.wilson import Z_95

Floats = npt.NDArray[np.floating[Any]]


class RunningMean:
    """Number, mean and sum of squared deviations of values.

    Source: T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance", The American Statistician 37
    (1983), for the merge of two parts.

    >>> values = RunningMean()
    >>> values.add(np.array([1.0, 2.0]))
    >>> values.add(np.array([6.0]))
    >>> values.n, values.mean, values.squares
    (3, 3.0, 14.0)
    """

    def __init__(self) -> None:
        self.n = 0
        self.mean = 0.0
        self.squares = 0.0

    def add(self, values: Floats) -> None:
        """Add values of shape (n,)."""
        if not len(values):
            return
        numbers = values.astype(np.float64)
        mean = float(numbers.mean())
        distance, total = mean - self.mean, self.n + len(numbers)
        self.squares += float(np.sum((numbers - mean) ** 2)) + distance**2 * self.n * len(numbers) / total
        self.mean += distance * len(numbers) / total
        self.n = total

    @property
    def deviation(self) -> float:
        """The standard deviation of the sample; 0 below two values."""
        return math.sqrt(self.squares / (self.n - 1)) if self.n > 1 else 0.0

    def interval(self, z: float = Z_95) -> ConfidenceInterval | None:
        """Return the normal interval of the mean, 95 % by default; None below two values."""
        if self.n < 2:
            return None
        half = z * self.deviation / math.sqrt(self.n)
        return ConfidenceInterval(self.mean - half, self.mean + half)
