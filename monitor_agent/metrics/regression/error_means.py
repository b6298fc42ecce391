"""Means of the errors of predicted numbers: bias, MAE, RMSE, MAPE and R2, with intervals.

An error is the predicted number minus the true one. The interval of a mean is the normal one, with the standard error
of the mean; that of RMSE is the normal one of the logarithm of the mean squared error (delta method), whose standard
error comes from errors of three digits. That of R2 is the normal one of the logarithm of 1 - R2: the truths are taken
as normally distributed, and their distance from their mean as independent of the errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.kinds import LABELLED, PREDICTIONS, count_name
from monitor_agent.metrics.regression.error_bins import sorted_errors
from monitor_agent.metrics.wilson import Z_95
from monitor_agent.metrics.window_state import WindowState, from_fixed_point
from monitor_agent.vocabulary.prediction_kinds import REGRESSION

NONZERO = count_name(REGRESSION, "nonzero")
"""Name of a count: predictions whose truth is known and not 0."""

OVER, UNDER, SQUARES, TRUTH_ABOVE, TRUTH_BELOW, TRUTH_SQUARES, SHARES, SHARE_SQUARES, VALUES = (
    count_name(REGRESSION, name)
    for name in (
        "over",
        "under",
        "squared_error",
        "truth_above_zero",
        "truth_below_zero",
        "squared_truth",
        "percentage_error",
        "squared_percentage_error",
        "value",
    )
)
"""Names of sums: of the errors above 0; of those below 0, without their sign; of their squares; of the truths above 0;
of those below 0, without their sign; of their squares; of error / truth without its sign; of its squares; of the
predicted numbers."""

_LEAST_SPREAD = 1e-12
"""Sums of floats cannot tell a smaller variance, as a share of the mean square, from 0."""


_LARGEST_SHARE = 1e15


def percentage_error(value: float, truth: float) -> float | None:
    """Return |error / truth|; None if the truth is 0, or so near to it that the share is above 1e15.

    >>> percentage_error(3.0, 2.0), percentage_error(1.0, 0.0)
    (0.5, None)
    """
    error = abs(value - truth)
    return error / abs(truth) if truth and error <= _LARGEST_SHARE * abs(truth) else None


def known_truths(state: WindowState) -> int:
    """Return the number of predictions whose true number is known."""
    return state.counts.get(count_name(REGRESSION, LABELLED), 0)


def bias(state: WindowState) -> float | Undefined:
    """Return the mean error; above 0 = the predicted numbers are too high."""
    n = known_truths(state)
    return _sum(state, OVER, minus=UNDER) / n if n else Undefined("no_samples")


def mean_absolute_error(state: WindowState) -> float | Undefined:
    """Return the mean of the errors without their signs. Source: `sklearn.metrics.mean_absolute_error`."""
    n = known_truths(state)
    return (_sum(state, OVER) + _sum(state, UNDER)) / n if n else Undefined("no_samples")


def root_mean_squared_error(state: WindowState) -> float | Undefined:
    """Return the root of the mean squared error. Source: `sklearn.metrics.root_mean_squared_error`."""
    n = known_truths(state)
    return math.sqrt(_sum(state, SQUARES) / n) if n else Undefined("no_samples")


def mean_absolute_percentage_error(state: WindowState) -> float | Undefined:
    """Return the mean of `percentage_error` over the predictions that have one.

    Undefined (``zero_truth``) if all truths are 0. Source: `sklearn.metrics.mean_absolute_percentage_error`, which
    divides by a tiny number where the truth is 0.
    """
    n = state.counts.get(NONZERO, 0)
    return _sum(state, SHARES) / n if n else Undefined("zero_truth")


def r2(state: WindowState) -> float | Undefined:
    """Return 1 - sum of squared errors / sum of squared distances of the truths from their mean.

    Undefined: ``insufficient_data`` below two truths; ``constant_truth`` if all truths are equal, or so close together
    that sums of floats cannot tell. Source: `sklearn.metrics.r2_score`, which then returns 1 or 0.
    """
    spread = _spread(state)
    return spread if isinstance(spread, Undefined) else 1 - _sum(state, SQUARES) / spread


def _spread(state: WindowState) -> float | Undefined:
    n = known_truths(state)
    if n < 2:
        return Undefined("insufficient_data")
    squares = state.sums.get(TRUTH_SQUARES, 0)
    total = state.sums.get(TRUTH_ABOVE, 0) - state.sums.get(TRUTH_BELOW, 0)
    # In integers: floats would lose the difference of two large numbers.
    spread = squares * n * (1 << 60) - total * total
    if spread <= _LEAST_SPREAD * squares * n * (1 << 60):
        return Undefined("constant_truth")
    return from_fixed_point(spread // (n * (1 << 60)))


def _bias_interval(state: WindowState) -> ConfidenceInterval | Undefined:
    return _mean_interval(bias(state), _sum(state, SQUARES), known_truths(state), -math.inf)


def _mae_interval(state: WindowState) -> ConfidenceInterval | Undefined:
    return _mean_interval(mean_absolute_error(state), _sum(state, SQUARES), known_truths(state), 0.0)


def _mape_interval(state: WindowState) -> ConfidenceInterval | Undefined:
    mean = mean_absolute_percentage_error(state)
    return _mean_interval(mean, _sum(state, SHARE_SQUARES), state.counts.get(NONZERO, 0), 0.0)


def _mean_interval(mean: float | Undefined, square_sum: float, n: int, least: float) -> ConfidenceInterval | Undefined:
    if isinstance(mean, Undefined):
        return mean
    if n < 2:
        return Undefined("insufficient_data")
    half = Z_95 * math.sqrt(max(0.0, square_sum / n - mean * mean) / (n - 1))
    return ConfidenceInterval(max(least, mean - half), mean + half)


def _rmse_interval(state: WindowState) -> ConfidenceInterval | Undefined:
    value, variance = root_mean_squared_error(state), _variance_of_log(state)
    if isinstance(value, Undefined) or isinstance(variance, Undefined):
        return Undefined("insufficient_data")
    # Half of the logarithm of the mean squared error is the logarithm of RMSE.
    factor = math.exp(Z_95 * math.sqrt(variance) / 2)
    return ConfidenceInterval(value / factor, value * factor)


def _r2_interval(state: WindowState) -> ConfidenceInterval | Undefined:
    value, variance = r2(state), _variance_of_log(state)
    if isinstance(value, Undefined) or isinstance(variance, Undefined):
        return Undefined("insufficient_data")
    factor = math.exp(Z_95 * math.sqrt(variance + 2 / known_truths(state)))
    return ConfidenceInterval(1 - (1 - value) * factor, 1 - (1 - value) / factor)


def _variance_of_log(state: WindowState) -> float | Undefined:
    """Return the variance of the logarithm of the mean squared error, by the delta method."""
    n = known_truths(state)
    if n < 2:
        return Undefined("insufficient_data")
    errors, counts = sorted_errors(state.error_bins)
    squares = errors**2
    mean = float(squares @ counts) / n
    return float(counts @ (squares / mean - 1) ** 2) / (n - 1) / n if mean else 0.0


def _sum(state: WindowState, name: str, minus: str = "") -> float:
    return from_fixed_point(state.sums.get(name, 0) - state.sums.get(minus, 0))


def _mean_value(state: WindowState) -> float | Undefined:
    n = state.counts.get(count_name(REGRESSION, PREDICTIONS), 0)
    return _sum(state, VALUES) / n if n else Undefined("no_predictions")


def _mean_truth(state: WindowState) -> float | Undefined:
    n = known_truths(state)
    return _sum(state, TRUTH_ABOVE, minus=TRUTH_BELOW) / n if n else Undefined("no_samples")


def _spec(
    name: str,
    text: str,
    value: Callable[[WindowState], float | Undefined],
    interval: Callable[[WindowState], ConfidenceInterval | Undefined] | None,
    source: str,
) -> MetricSpec:
    return MetricSpec(
        name,
        "float",
        text,
        value,
        interval,
        unit="1" if name in ("r2", "mape") else "truth",
        bigger_is_better={"r2": True, "mae": False, "rmse": False, "mape": False}.get(name),
        range=(None, 1.0) if name == "r2" else (None if name in ("bias", "truth_mean", "value_mean") else 0.0, None),
        label_free=name == "value_mean",
        source=source,
        samples=known_truths,
        of_kind=REGRESSION,
    )


SPECS = (
    _spec(
        "mae",
        "mean absolute error: mean of |predicted - true number|",
        mean_absolute_error,
        _mae_interval,
        "sklearn.metrics.mean_absolute_error",
    ),
    _spec(
        "rmse",
        "root of the mean squared error",
        root_mean_squared_error,
        _rmse_interval,
        "sklearn.metrics.root_mean_squared_error",
    ),
    _spec("bias", "mean of predicted - true number", bias, _bias_interval, "mean(predicted - true)"),
    _spec(
        "r2",
        "share of the variance of the truth that the predictions explain; below 0 = worse than the mean of the truth",
        r2,
        _r2_interval,
        "sklearn.metrics.r2_score",
    ),
    _spec(
        "mape",
        "mean of |error / truth| over the predictions whose truth is not 0",
        mean_absolute_percentage_error,
        _mape_interval,
        "sklearn.metrics.mean_absolute_percentage_error",
    ),
    _spec("value_mean", "mean of the predicted numbers, with or without a known truth", _mean_value, None, "mean"),
    _spec("truth_mean", "mean of the true numbers", _mean_truth, None, "mean"),
)
