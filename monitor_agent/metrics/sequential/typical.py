"""What is typical of an hour: a robust mean of the same hours of past weeks (pure).

A week whose hour differs from the same hour of the other weeks by more than chance is left out: an outage or a fall in
one week does not become the measure of the next. The mean of the remaining weeks is exact for small numbers too; the
median of hours with two clicks would not be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor_agent.metrics.sequential.series import Floats

OUTLIER = 3.0
"""Standard errors from which on a week is left out."""

_MEDIAN_OF_SQUARES = 0.4549
"""The median of the square of a standard normal variable."""

_MEDIAN_VARIANCE = np.pi / 2
"""The variance of a median, in variances of a mean."""

_FEWEST_RESIDUALS = 24


@dataclass(frozen=True)
class TypicalRates:
    """The typical share of positives of each hour.

    Attributes
    ----------
    rates : NaN where no week has predictions; shape (n,).
    trials : the predictions that they are from; shape (n,).
    dispersion : how much more the weeks differ than independent predictions would: 1 or more.
    """

    rates: Floats
    trials: Floats
    dispersion: float


def typical_rates(hits: Floats, trials: Floats) -> TypicalRates:
    """Return the typical rates of hours.

    Parameters
    ----------
    hits, trials : positives and predictions by week and hour; 0 where there are none; shape (weeks, n).

    >>> typical_rates(np.array([[40.0], [44.0], [2.0], [36.0]]), np.full((4, 1), 400.0)).rates
    array([0.1])
    """
    used = trials > 0
    residuals = _residuals(hits, trials, used)
    squares = residuals[np.isfinite(residuals)] ** 2
    enough = len(squares) >= _FEWEST_RESIDUALS
    dispersion = max(1.0, float(np.median(squares)) / _MEDIAN_OF_SQUARES) if enough else 1.0
    for _ in range(max(0, len(trials) - 2)):
        worst = np.nanargmax(np.where(np.isfinite(residuals), np.abs(residuals), -1.0), axis=0)
        columns = np.arange(trials.shape[1])
        far = np.abs(residuals[worst, columns]) > OUTLIER * np.sqrt(dispersion)
        dropped = far & (used.sum(axis=0) > 2)
        if not dropped.any():
            break
        used[worst[dropped], columns[dropped]] = False
        residuals = _residuals(hits, trials, used)
    hits_kept, trials_kept = (hits * used).sum(axis=0), (trials * used).sum(axis=0)
    rates = np.divide(hits_kept, trials_kept, out=np.full_like(trials_kept, np.nan), where=trials_kept > 0)
    return TypicalRates(rates, trials_kept, dispersion)


def _residuals(hits: Floats, trials: Floats, used: np.ndarray) -> Floats:
    """Return how many standard errors each kept week is from the mean of the others; NaN without others."""
    used_hits, used_trials = hits * used, trials * used
    other_hits, other_trials = used_hits.sum(axis=0) - used_hits, used_trials.sum(axis=0) - used_trials
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = used_hits.sum(axis=0) / used_trials.sum(axis=0)
        error = np.sqrt(pooled * (1 - pooled) * (1 / used_trials + 1 / other_trials))
        residuals = (used_hits / used_trials - other_hits / other_trials) / error
    return np.where(used & (other_trials > 0), residuals, np.nan)


def typical_values(values: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """Return the medians over the weeks, and their variances; NaN where no week has a value.

    Parameters
    ----------
    values, variances : by week and hour, NaN where there is none; shape (weeks, n).
    """
    measured = np.isfinite(values) & np.isfinite(variances)
    count = measured.sum(axis=0)
    none = np.full(values.shape[1], np.nan)
    if not measured.any():
        return none, none
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_variance = np.where(measured, variances, 0.0).sum(axis=0) / count
        factor = np.where(count > 2, _MEDIAN_VARIANCE, 1.0)
        medians = np.array([np.median(column[mask]) if mask.any() else np.nan
                            for column, mask in zip(values.T, measured.T, strict=True)])  # fmt: skip
        return medians, mean_variance * factor / count
