"""PR AUC (average precision): the area under precision over recall, from the score histograms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.score_histogram import Counts, dense


def average_precision(pos: Counts, neg: Counts) -> float | Undefined:
    """Return the sum over thresholds of (rise in recall) x precision; the scores in a bin count as equal.

    It equals scikit-learn's value for scores that are rounded down to the bins, and differs from the exact value by
    `average_precision_error_bound` at most.

    Parameters
    ----------
    pos, neg : score histograms of the positives and of the negatives.

    Undefined (``no_actual_positive``) without positives; scikit-learn returns 0 and warns.

    Source: `sklearn.metrics.average_precision_score`.

    >>> average_precision({900: 1, 200: 1}, {500: 1})
    0.8333333333333333
    """
    if not pos:
        return Undefined("no_actual_positive")
    positives, negatives = _from_the_top(pos), _from_the_top(neg)
    tp, fp = np.cumsum(positives), np.cumsum(negatives)
    return _sum(positives, tp / np.maximum(tp + fp, 1.0))


def average_precision_error_bound(pos: Counts, neg: Counts) -> float | Undefined:
    """Return the largest change of `average_precision` that binning can cause.

    The value is highest if the positives of each bin come first, with equal scores. It is lowest if the negatives of
    each bin come first, then its positives one by one; a logarithm bounds that harmonic sum.

    Undefined (``no_actual_positive``) without positives.

    >>> round(average_precision_error_bound({900: 1, 200: 3}, {200: 1}), 9)
    0.15
    """
    middle = average_precision(pos, neg)
    if isinstance(middle, Undefined):
        return middle
    positives, negatives = _from_the_top(pos), _from_the_top(neg)
    tp, fp = np.cumsum(positives), np.cumsum(negatives)
    best = _sum(positives, tp / np.maximum(tp + fp - negatives, 1.0))
    # The sum of k / (k + fp) for k in (before, tp] is tp - before - fp (H(tp + fp) - H(before + fp)).
    before = tp - positives
    worst = float(np.sum(positives - fp * np.log((tp + fp + 0.5) / (before + fp + 0.5)))) / float(tp[-1])
    return max(best - middle, middle - worst, 0.0)


def _from_the_top(histogram: Counts) -> npt.NDArray[np.float64]:
    return dense(histogram)[::-1]


def _sum(positives: npt.NDArray[np.float64], precisions: npt.NDArray[np.float64]) -> float:
    return float(np.dot(positives, precisions)) / float(positives.sum())


SPEC = MetricSpec(
    "pr_auc",
    "ratio",
    "average precision: area under precision over recall",
    lambda s: average_precision(s.scores_pos, s.scores_neg),
    bigger_is_better=True,
    source="sklearn.metrics.average_precision_score",
)

ERROR_BOUND_SPEC = MetricSpec(
    "pr_auc_error_bound",
    "ratio",
    "largest possible error of pr_auc: it is computed from scores of three digits",
    lambda s: average_precision_error_bound(s.scores_pos, s.scores_neg),
    bigger_is_better=False,
    source="best and worst order within each bin",
)
