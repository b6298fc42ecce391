"""AUC: the share of pairs in which the positive scores above the negative, from the score histograms."""

from __future__ import annotations

import numpy as np

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.auc_interval import auc_interval
from monitor_agent.metrics.score_histogram import REFINEMENT, Counts, Histogram, dense
from monitor_agent.metrics.window_state import WindowState

NOTHING: Counts = {}


def roc_auc(pos: Counts, neg: Counts, fine_pos: Counts = NOTHING, fine_neg: Counts = NOTHING) -> float | Undefined:
    """Return the share of (positive, negative) pairs in the right order; a pair in one bin counts half.

    If both scores of a pair are in refined bins, the refined bins give the order.

    The value differs from the exact value by `roc_auc_error_bound` at most, and equals it if no bin holds both classes.

    Parameters
    ----------
    pos, neg : score histograms of the positives and of the negatives.
    fine_pos, fine_neg : the scores among them that are counted in refined bins (see `REFINEMENT`).

    Undefined (``one_class``) if a histogram is empty.

    Source: `sklearn.metrics.roc_auc_score`; J. Hanley, B. McNeil, "The meaning and use of the area under a ROC
    curve", Radiology 143 (1982).

    >>> roc_auc({900: 1, 200: 1}, {100: 2, 200: 2})
    0.875
    >>> roc_auc({500: 3}, {})
    Undefined(reason='one_class')
    >>> roc_auc({500: 2}, {500: 2}, {50010: 1, 50030: 1}, {50020: 2})
    0.5
    """
    if not pos or not neg:
        return Undefined("one_class")
    positives, negatives = dense(pos), dense(neg)
    below = np.cumsum(negatives) - negatives
    pairs = float(np.sum(positives * (2 * below + negatives))) + _refined_pairs(fine_pos, fine_neg)[0]
    # Rounding at the edge of a bin may put a score into a refined bin of the next bin.
    return min(1.0, max(0.0, pairs / (2 * float(positives.sum()) * float(negatives.sum()))))


def roc_auc_error_bound(
    pos: Counts, neg: Counts, fine_pos: Counts = NOTHING, fine_neg: Counts = NOTHING
) -> float | Undefined:
    """Return the largest change of `roc_auc` that binning can cause: half the share of pairs in one (refined) bin.

    Undefined (``one_class``) if a histogram is empty.

    >>> roc_auc_error_bound({900: 1, 200: 1}, {100: 2, 200: 2})
    0.125
    """
    if not pos or not neg:
        return Undefined("one_class")
    positives, negatives = dense(pos), dense(neg)
    shared = float(np.sum(positives * negatives)) - _refined_pairs(fine_pos, fine_neg)[1]
    return max(0.0, shared) / (2 * float(positives.sum()) * float(negatives.sum()))


def _refined_pairs(fine_pos: Counts, fine_neg: Counts) -> tuple[float, float]:
    """Return what refined bins add to the doubled number of ordered pairs, and the pairs that they separate."""
    if not fine_pos or not fine_neg:
        return 0.0, 0.0
    bins = np.array(sorted(fine_pos.keys() | fine_neg.keys()))
    positives, negatives = np.zeros(len(bins)), np.zeros(len(bins))
    for counts, histogram in ((positives, Histogram.of(fine_pos)), (negatives, Histogram.of(fine_neg))):
        counts[np.searchsorted(bins, histogram.bins)] = histogram.counts
    starts = np.flatnonzero(np.diff(bins // REFINEMENT, prepend=-1))
    sizes = np.diff(starts, append=len(bins))
    per_bin = [np.add.reduceat(counts, starts) for counts in (positives, negatives)]
    below = np.cumsum(negatives) - negatives
    below -= np.repeat(below[starts], sizes)
    half = float(per_bin[0] @ per_bin[1])
    ordered = float(np.sum(positives * (2 * below + negatives)))
    return ordered - half, half - float(positives @ negatives)


def _interval(state: WindowState) -> ConfidenceInterval | Undefined:
    area = roc_auc(state.scores_pos, state.scores_neg, state.fine_pos, state.fine_neg)
    return area if isinstance(area, Undefined) else auc_interval(area, state.scores_pos, state.scores_neg)


SPEC = MetricSpec(
    "auc",
    "ratio",
    "share of pairs of a positive and a negative that the score puts in the right order",
    lambda s: roc_auc(s.scores_pos, s.scores_neg, s.fine_pos, s.fine_neg),
    _interval,
    bigger_is_better=True,
    source="sklearn.metrics.roc_auc_score",
)

ERROR_BOUND_SPEC = MetricSpec(
    "auc_error_bound",
    "ratio",
    "largest possible error of auc: it is computed from scores of three digits (five in refined bins)",
    lambda s: roc_auc_error_bound(s.scores_pos, s.scores_neg, s.fine_pos, s.fine_neg),
    bigger_is_better=False,
    range=(0.0, 0.5),
    source="half the share of pairs in one bin or refined bin",
)
