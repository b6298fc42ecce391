"""AUC: how often a positive scores above a negative, read from the score histograms."""

from __future__ import annotations

import numpy as np

from monitor_agent.metrics._spec import Interval, MetricSpec, Undefined
from monitor_agent.metrics.auc_interval import auc_interval
from monitor_agent.metrics.score_histogram import Counts, dense
from monitor_agent.metrics.state import WindowState


def roc_auc(pos: Counts, neg: Counts) -> float | Undefined:
    """The share of (positive, negative) pairs in the right order, pairs in one bin counting half.

    It differs from the exact value by `roc_auc_error_bound` at most, and equals it where no bin holds both classes.

    Parameters
    ----------
    pos, neg : score histograms of the positives and of the negatives.

    Undefined (``one_class``) when either is empty.

    Source: `sklearn.metrics.roc_auc_score`; J. Hanley, B. McNeil, "The meaning and use of the area under a ROC
    curve", Radiology 143 (1982).

    >>> roc_auc({900: 1, 200: 1}, {100: 2, 200: 2})
    0.875
    >>> roc_auc({500: 3}, {})
    Undefined(reason='one_class')
    """
    if not pos or not neg:
        return Undefined("one_class")
    positives, negatives = dense(pos), dense(neg)
    below = np.cumsum(negatives) - negatives
    pairs = float(np.sum(positives * (2 * below + negatives)))
    return pairs / (2 * float(positives.sum()) * float(negatives.sum()))


def roc_auc_error_bound(pos: Counts, neg: Counts) -> float | Undefined:
    """The most that binning can have moved `roc_auc`: half the share of pairs that lie in one bin.

    Undefined (``one_class``) when either is empty.

    >>> roc_auc_error_bound({900: 1, 200: 1}, {100: 2, 200: 2})
    0.125
    """
    if not pos or not neg:
        return Undefined("one_class")
    positives, negatives = dense(pos), dense(neg)
    shared = float(np.sum(positives * negatives))
    return shared / (2 * float(positives.sum()) * float(negatives.sum()))


def _interval(state: WindowState) -> Interval | Undefined:
    area = roc_auc(state.scores_pos, state.scores_neg)
    return area if isinstance(area, Undefined) else auc_interval(area, state.scores_pos, state.scores_neg)


SPEC = MetricSpec(
    "auc",
    "ratio",
    "share of pairs of a positive and a negative that the score puts in the right order",
    lambda s: roc_auc(s.scores_pos, s.scores_neg),
    _interval,
    bigger_is_better=True,
    source="sklearn.metrics.roc_auc_score",
)

ERROR_BOUND_SPEC = MetricSpec(
    "auc_error_bound",
    "ratio",
    "the most by which auc, read from scores of three digits, can differ from the exact value",
    lambda s: roc_auc_error_bound(s.scores_pos, s.scores_neg),
    bigger_is_better=False,
    range=(0.0, 0.5),
    source="half the share of pairs within one bin",
)
