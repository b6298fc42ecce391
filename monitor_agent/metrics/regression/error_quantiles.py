"""Quantiles of the errors of predicted numbers, and of the errors without their signs, from errors of three digits."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.regression.error_bins import Floats, Ints, sorted_errors
from monitor_agent.metrics.regression.error_means import known_truths
from monitor_agent.metrics.wilson import Z_95
from monitor_agent.metrics.window_state import WindowState
from monitor_agent.vocabulary.prediction_kinds import REGRESSION

_ERROR_PERCENTS, _ABSOLUTE_PERCENTS = (5, 50, 95), (50, 90, 95, 99)


def quantile(errors: Floats, counts: Ints, q: float) -> float:
    """Return the error of rank ceil(q n).

    Parameters
    ----------
    errors, counts : distinct errors in order, and how many predictions have each; shape (n,).

    Source: `numpy.quantile` with ``method="inverted_cdf"``.

    >>> quantile(np.array([-1.0, 2.0]), np.array([3, 1]), 0.75)
    -1.0
    """
    return _of_rank(errors, counts, math.ceil(q * int(counts.sum())))


def _of_rank(errors: Floats, counts: Ints, rank: int) -> float:
    return float(errors[int(np.searchsorted(np.cumsum(counts), max(1, rank)))])


def _value(state: WindowState, q: float, absolute: bool) -> float | Undefined:
    errors, counts = sorted_errors(state.error_bins, absolute)
    return quantile(errors, counts, q) if len(errors) else Undefined("no_samples")


def _interval(state: WindowState, q: float, absolute: bool) -> ConfidenceInterval | Undefined:
    """Return the errors between which the true quantile lies; undefined if there are too few errors on one side.

    The number of errors below the true quantile is binomial; the ranks come from its normal approximation.

    Source: W. Conover, "Practical Nonparametric Statistics", 3rd edition, section 3.2.
    """
    errors, counts = sorted_errors(state.error_bins, absolute)
    n = int(counts.sum())
    half = Z_95 * math.sqrt(n * q * (1 - q))
    low, high = math.floor(n * q - half), math.ceil(n * q + half) + 1
    if low < 1 or high > n:
        return Undefined("insufficient_data")
    return ConfidenceInterval(_of_rank(errors, counts, low), _of_rank(errors, counts, high))


SPECS = tuple(
    MetricSpec(
        f"{'absolute_' if absolute else ''}error_p{percent:02}",
        "float",
        f"{percent} % of the {'errors without their signs' if absolute else 'errors (predicted - true number)'} are at "
        "most this (within 0.5 %)",
        partial(_value, q=percent / 100, absolute=absolute),
        partial(_interval, q=percent / 100, absolute=absolute),
        unit="truth",
        bigger_is_better=False if absolute else None,
        range=(0.0 if absolute else None, None),
        source="numpy.quantile, inverted_cdf, from errors of three digits",
        samples=known_truths,
        of_kind=REGRESSION,
    )
    for percents, absolute in ((_ERROR_PERCENTS, False), (_ABSOLUTE_PERCENTS, True))
    for percent in percents
)
