"""Windows one after another beside what they are compared with, and the likelihood that they have fallen (pure).

A series knows the log-likelihood ratio of a fall over any run of its windows: how much more likely the counts are if
these windows have a lower level of their own than if they have the level of the reference. The uncertainty of the
reference is part of the ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor_agent.metrics.wilson import Z_95

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]

_SMALLEST = 1e-12
_SMALLEST_RATIO = 0.01
"""A rate that has fallen to nothing is taken as a hundredth of its reference, so that one click is no proof."""


@dataclass(frozen=True)
class Level:
    """The level of a run of windows beside that of its reference.

    Attributes
    ----------
    value, reference : the level of the windows and that of the reference.
    drop, low, high : reference minus value, with its 95 % interval.
    samples : what the windows counted.
    """

    value: float
    reference: float
    drop: float
    low: float
    high: float
    samples: float


class ComparedSeries(Protocol):
    """Windows in order of time, with their reference."""

    @property
    def length(self) -> int:
        """The number of windows."""

    def log_likelihood_ratio(self, first: Positions, end: Positions) -> Floats:
        """Return the log-likelihood ratio of a fall over each run [first, end); 0 where nothing has fallen."""

    def recovery(self, fallen: Positions, first: Positions) -> Floats:
        """Return the log-likelihood ratio of the reference's level to the fallen one, over the last windows.

        Parameters
        ----------
        fallen : first and end of the run that has fallen.
        first : starts of the runs that reach to the end of the series.
        """

    def level(self, first: int) -> Level:
        """Return the level of the windows from `first` on."""


class RateSeries:
    """Shares of positives: a likelihood ratio of two binomial distributions with exact counts.

    Parameters
    ----------
    hits, trials : positives and predictions of each window; shape (n,).
    reference : the share in the reference of each window; shape (n,).
    reference_trials : how many independent predictions this share is from; shape (n,).
    dispersion : how much more the counts vary than independent predictions do: 1 or more.
    """

    def __init__(
        self, hits: Floats, trials: Floats, reference: Floats, reference_trials: Floats, dispersion: float = 1.0
    ) -> None:
        spread = np.divide(trials**2, reference_trials, out=np.zeros_like(trials), where=trials > 0)
        self._sums = [_cumulative(row) for row in (hits, trials, trials * reference, spread)]
        self._dispersion = max(1.0, dispersion)

    @property
    def length(self) -> int:
        """The number of windows."""
        return len(self._sums[0]) - 1

    def log_likelihood_ratio(self, first: Positions, end: Positions) -> Floats:
        """Return the log-likelihood ratio of a fall over each run [first, end); 0 where nothing has fallen."""
        hits, trials, expected, spread = (sums[end] - sums[first] for sums in self._sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate, reference = hits / trials, expected / trials
            weight = trials**2 / spread
            pooled = (hits + weight * reference) / (trials + weight)
            ratio = trials * _divergence(rate, pooled) + weight * _divergence(reference, pooled)
        return np.where((trials > 0) & (rate < reference), np.nan_to_num(ratio), 0.0) / self._dispersion

    def recovery(self, fallen: Positions, first: Positions) -> Floats:
        """Return the log-likelihood ratio of the reference's level to the fallen one, from each start to the end."""
        start, end = fallen
        hits, _, expected, _ = (sums[end] - sums[start] for sums in self._sums)
        ratio = max(_SMALLEST_RATIO, hits / expected) if expected else 1.0
        new_hits, _, new_expected, _ = (sums[-1] - sums[first] for sums in self._sums)
        result: Floats = (-np.log(ratio) * new_hits - (1 - ratio) * new_expected) / self._dispersion
        return result

    def level(self, first: int) -> Level:
        """Return the level of the windows from `first` on."""
        hits, trials, expected, spread = (float(sums[-1] - sums[first]) for sums in self._sums)
        rate, reference = hits / trials, expected / trials
        variance = (rate * (1 - rate) / trials + reference * (1 - reference) * spread / trials**2) * self._dispersion
        half = Z_95 * float(np.sqrt(max(0.0, variance)))
        return Level(rate, reference, reference - rate, reference - rate - half, reference - rate + half, trials)


class ValueSeries:
    """Values with known variances, such as AUCs: a likelihood ratio of two normal distributions.

    Parameters
    ----------
    values, variances : of each window; shape (n,).
    references, reference_variances : of what each window is compared with; shape (n,).
    """

    def __init__(
        self, values: Floats, variances: Floats, references: Floats, reference_variances: Floats, samples: Floats
    ) -> None:
        weight = 1 / np.maximum(variances + reference_variances, _SMALLEST)
        rows = (weight * (references - values), weight, weight * values, weight * references, samples)
        self._sums = [_cumulative(row) for row in rows]

    @property
    def length(self) -> int:
        """The number of windows."""
        return len(self._sums[0]) - 1

    def log_likelihood_ratio(self, first: Positions, end: Positions) -> Floats:
        """Return the log-likelihood ratio of a fall over each run [first, end); 0 where nothing has fallen."""
        drop, weight = (sums[end] - sums[first] for sums in self._sums[:2])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = drop**2 / (2 * weight)
        return np.where((weight > 0) & (drop > 0), np.nan_to_num(ratio), 0.0)

    def recovery(self, fallen: Positions, first: Positions) -> Floats:
        """Return the log-likelihood ratio of the reference's level to the fallen one, from each start to the end."""
        start, end = fallen
        drop, weight = (sums[end] - sums[start] for sums in self._sums[:2])
        size = drop / weight if weight else 0.0
        new_drop, new_weight = (sums[-1] - sums[first] for sums in self._sums[:2])
        result: Floats = size**2 * new_weight / 2 - size * new_drop
        return result

    def level(self, first: int) -> Level:
        """Return the level of the windows from `first` on."""
        drop, weight, values, references, samples = (float(sums[-1] - sums[first]) for sums in self._sums)
        half, size = Z_95 / float(np.sqrt(weight)), drop / weight
        return Level(values / weight, references / weight, size, size - half, size + half, samples)


def _cumulative(row: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(row, dtype=np.float64)))


def _divergence(share: Floats, other: Floats) -> Floats:
    """Return the Kullback-Leibler divergence of two Bernoulli distributions."""
    share, other = np.clip(share, 0.0, 1.0), np.clip(other, _SMALLEST, 1 - _SMALLEST)
    return _entropy(share, other) + _entropy(1 - share, 1 - other)


def _entropy(share: Floats, other: Floats) -> Floats:
    return np.where(share > 0, share * np.log(np.maximum(share, _SMALLEST) / other), 0.0)
