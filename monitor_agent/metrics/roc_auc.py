"""AUC: how often a positive scores above a negative, read from the score histograms."""

from __future__ import annotations

import numpy as np

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.auc_interval import auc_interval
from monitor_agent.metrics.score_histogram import REFINEMENT, Counts, Histogram, dense
from monitor_agent.metrics.window_state import WindowState

NOTHING: Counts = {}


def roc_auc(pos: Counts, neg: Counts, fine_pos: Counts = NOTHING, fine_neg: Counts = NOTHING) -> float | Undefined:
    """The share of (positive, negative) pairs in the right order, pairs in one bin counting half.

    Where both of a pair are in the parts of a crowded bin, their parts tell the order.

    It differs from the exact value by `roc_auc_error_bound` at most, and equals it where no bin holds both classes.

    Parameters
    ----------
    pos, neg : score histograms of the positives and of the negatives.
    fine_pos, fine_neg : those of them that are in parts of bins (see `REFINEMENT`).

    Undefined (``one_class``) when either is empty.

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
    pairs = float(np.sum(positives * (2 * below + negatives))) + _in_parts(fine_pos, fine_neg)[0]
    # Rounding at the edge of a bin may put a score into a part of the next one.
    return min(1.0, max(0.0, pairs / (2 * float(positives.sum()) * float(negatives.sum()))))


def roc_auc_error_bound(
    pos: Counts, neg: Counts, fine_pos: Counts = NOTHING, fine_neg: Counts = NOTHING
) -> float | Undefined:
    """The most that binning can have moved `roc_auc`: half the share of pairs that lie in one bin, or part of one.

    Undefined (``one_class``) when either is empty.

    >>> roc_auc_error_bound({900: 1, 200: 1}, {100: 2, 200: 2})
    0.125
    """
    if not pos or not neg:
        return Undefined("one_class")
    positives, negatives = dense(pos), dense(neg)
    shared = float(np.sum(positives * negatives)) - _in_parts(fine_pos, fine_neg)[1]
    return max(0.0, shared) / (2 * float(positives.sum()) * float(negatives.sum()))


def _in_parts(fine_pos: Counts, fine_neg: Counts) -> tuple[float, float]:
    """What the parts add to the doubled pairs in the right order, and how many pairs they take out of one bin."""
    if not fine_pos or not fine_neg:
        return 0.0, 0.0
    parts = np.array(sorted(fine_pos.keys() | fine_neg.keys()))
    positives, negatives = np.zeros(len(parts)), np.zeros(len(parts))
    for counts, known in ((positives, Histogram.of(fine_pos)), (negatives, Histogram.of(fine_neg))):
        counts[np.searchsorted(parts, known.bins)] = known.counts
    starts = np.flatnonzero(np.diff(parts // REFINEMENT, prepend=-1))
    sizes = np.diff(starts, append=len(parts))
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
    "the most by which auc, read from scores of three digits (five where they crowd), can differ from the exact value",
    lambda s: roc_auc_error_bound(s.scores_pos, s.scores_neg, s.fine_pos, s.fine_neg),
    bigger_is_better=False,
    range=(0.0, 0.5),
    source="half the share of pairs within one bin or part",
)
