"""AUC: the share of pairs in which the positive scores above the negative, from the score histograms."""

from __future__ import annotations

import numpy as np

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.auc_interval import auc_interval
from monitor_agent.metrics.score_cells import ScoreCells
from monitor_agent.metrics.score_histogram import REFINEMENT, Counts, Histogram
from monitor_agent.metrics.window_state import WindowState


def roc_auc(cells: ScoreCells) -> float | Undefined:
    """Return the share of (positive, negative) pairs in the right order; a pair in one cell counts half.

    The value differs from the exact value by `roc_auc_error_bound` at most, and equals it if no cell with different
    scores holds both labels.

    Undefined (``one_class``) if a label is missing.

    Source: `sklearn.metrics.roc_auc_score`; J. Hanley, B. McNeil, "The meaning and use of the area under a ROC
    curve", Radiology 143 (1982).

    >>> from monitor_agent.metrics.score_cells import LabelScores, score_cells
    >>> roc_auc(score_cells(LabelScores({900: 1, 200: 1}), LabelScores({100: 2, 200: 2})))
    0.875
    >>> roc_auc(score_cells(LabelScores({500: 3}), LabelScores()))
    Undefined(reason='one_class')
    """
    if cells.one_class:
        return Undefined("one_class")
    positives, negatives = cells.positives, cells.negatives
    below = np.cumsum(negatives) - negatives
    pairs = float(np.sum(positives * (2 * below + negatives)))
    pairs += _refined_pairs(cells.refined_pos, cells.refined_neg)[0]
    # Rounding at the edge of a bin may put a score into a refined bin of the next bin.
    return min(1.0, max(0.0, pairs / (2 * float(positives.sum()) * float(negatives.sum()))))


def roc_auc_error_bound(cells: ScoreCells) -> float | Undefined:
    """Return the largest change of `roc_auc` that cells can cause: half the share of pairs of one cell.

    Pairs of equal scores cause no error. Undefined (``one_class``) if a label is missing.

    >>> from monitor_agent.metrics.score_cells import LabelScores, score_cells
    >>> roc_auc_error_bound(score_cells(LabelScores({900: 1, 200: 1}), LabelScores({100: 2, 200: 2})))
    0.125
    """
    if cells.one_class:
        return Undefined("one_class")
    positives, negatives = cells.positives, cells.negatives
    shared = float(np.sum(positives * negatives * cells.unordered))
    shared -= _refined_pairs(cells.refined_pos, cells.refined_neg)[1]
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
    area = roc_auc(state.cells)
    return area if isinstance(area, Undefined) else auc_interval(area, state.cells.positives, state.cells.negatives)


SPEC = MetricSpec(
    "auc",
    "ratio",
    "share of pairs of a positive and a negative that the score puts in the right order",
    lambda s: roc_auc(s.cells),
    _interval,
    bigger_is_better=True,
    source="sklearn.metrics.roc_auc_score",
)

ERROR_BOUND_SPEC = MetricSpec(
    "auc_error_bound",
    "ratio",
    "largest possible error of auc: if there are many distinct scores, it is computed from three to five digits",
    lambda s: roc_auc_error_bound(s.cells),
    bigger_is_better=False,
    range=(0.0, 0.5),
    source="half the share of pairs in one cell",
)
