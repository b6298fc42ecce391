"""PR AUC (average precision): the area under precision over recall, from the score histograms."""

from __future__ import annotations

import numpy as np

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.score_cells import ScoreCells
from monitor_agent.metrics.score_histogram import Floats


def average_precision(cells: ScoreCells) -> float | Undefined:
    """Return the sum over thresholds of (rise in recall) x precision; the scores in a cell count as equal.

    It differs from the exact value by `average_precision_error_bound` at most.

    Undefined (``no_actual_positive``) without positives; scikit-learn returns 0 and warns.

    Source: `sklearn.metrics.average_precision_score`.

    >>> from monitor_agent.metrics.score_cells import LabelScores, score_cells
    >>> average_precision(score_cells(LabelScores({900: 1, 200: 1}), LabelScores({500: 1})))
    0.8333333333333333
    """
    if not cells.positives.any():
        return Undefined("no_actual_positive")
    positives, negatives = cells.positives[::-1], cells.negatives[::-1]
    tp, fp = np.cumsum(positives), np.cumsum(negatives)
    return _mean(positives, tp / np.maximum(tp + fp, 1.0))


def average_precision_error_bound(cells: ScoreCells) -> float | Undefined:
    """Return the largest change of `average_precision` that cells can cause.

    The value is highest if the positives of each cell come first, with equal scores. It is lowest if the negatives of
    each cell come first, then its positives one by one; a logarithm bounds that harmonic sum. Cells of equal scores
    cause no error.

    Undefined (``no_actual_positive``) without positives.

    >>> from monitor_agent.metrics.score_cells import LabelScores, score_cells
    >>> round(average_precision_error_bound(score_cells(LabelScores({900: 1, 200: 3}), LabelScores({200: 1}))), 9)
    0.15
    """
    middle = average_precision(cells)
    if isinstance(middle, Undefined):
        return middle
    positives, negatives, unordered = cells.positives[::-1], cells.negatives[::-1], cells.unordered[::-1]
    tp, fp = np.cumsum(positives), np.cumsum(negatives)
    best = _mean(positives, tp / np.maximum(tp + fp - negatives * unordered, 1.0))
    # The sum of k / (k + fp) for k in (before, tp] is tp - before - fp (H(tp + fp) - H(before + fp)).
    before = tp - positives
    one_by_one = positives - fp * np.log((tp + fp + 0.5) / (before + fp + 0.5))
    together = positives * tp / np.maximum(tp + fp, 1.0)
    worst = float(np.sum(np.where(unordered > 0, one_by_one, together))) / float(tp[-1])
    return max(best - middle, middle - worst, 0.0)


def _mean(positives: Floats, precisions: Floats) -> float:
    return float(np.dot(positives, precisions)) / float(positives.sum())


SPEC = MetricSpec(
    "pr_auc",
    "ratio",
    "average precision: area under precision over recall",
    lambda s: average_precision(s.cells),
    bigger_is_better=True,
    source="sklearn.metrics.average_precision_score",
)

ERROR_BOUND_SPEC = MetricSpec(
    "pr_auc_error_bound",
    "ratio",
    "largest possible error of pr_auc: if there are many distinct scores, it is computed from three to five digits",
    lambda s: average_precision_error_bound(s.cells),
    bigger_is_better=False,
    source="best and worst order within each cell",
)
