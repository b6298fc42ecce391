"""Brier score: the mean squared difference of score and label."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.window_state import FixedPoint, WindowState, from_fixed_point, to_fixed_point


def brier(positives: int, score_sum_pos: FixedPoint, square_sum: FixedPoint, n: int) -> float | Undefined:
    """Return the mean of (score - label)^2.

    Parameters
    ----------
    positives : predictions with label 1.
    score_sum_pos : sum of their scores, in fixed point.
    square_sum : sum of squared scores over both classes, in fixed point.
    n : predictions of both classes.

    It is sum(p^2) - 2 sum(p y) + sum(y), computed in integers, so that cancellation loses no digits.

    Undefined (``no_samples``) if ``n`` is 0. Source: `sklearn.metrics.brier_score_loss`.

    >>> brier(1, to_fixed_point(0.75), to_fixed_point(0.75**2 + 0.5**2), 2)
    0.15625
    """
    if not n:
        return Undefined("no_samples")
    return max(0.0, from_fixed_point(square_sum - 2 * score_sum_pos + positives * to_fixed_point(1.0)) / n)


def _brier(state: WindowState) -> float | Undefined:
    squares = FixedPoint(state.score_square_sum_pos + state.score_square_sum_neg)
    return brier(state.positives, state.score_sum_pos, squares, state.n)


SPEC = MetricSpec(
    "brier",
    "ratio",
    "mean squared difference of score and label",
    _brier,
    bigger_is_better=False,
    source="sklearn.metrics.brier_score_loss",
)
