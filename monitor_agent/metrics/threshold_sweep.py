"""The threshold sweep: the confusion counts at any threshold, and the threshold with the best F1."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.f1 import f1
from monitor_agent.metrics.precision import precision
from monitor_agent.metrics.recall import recall
from monitor_agent.metrics.score_histogram import EDGES, SCORE_BINS, Counts, dense, total
from monitor_agent.metrics.window_state import WindowState

CURVE_THRESHOLDS = (
    0.0,
    *(step / scale for scale in (10_000, 1000) for step in range(10, 100, 5)),
    *(step / 50 for step in range(5, 51)),
)
"""The thresholds of the stored curve: dense in the range of click models' scores. The histogram has the counts at any
threshold of three digits."""


@dataclass(frozen=True)
class SweepPoint:
    """The counts at one threshold; a score at or above it is predicted positive."""

    threshold: float
    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def precision(self) -> float | Undefined:
        """See `monitor_agent.metrics.precision.precision`."""
        return precision(self.tp, self.fp)

    @property
    def recall(self) -> float | Undefined:
        """See `monitor_agent.metrics.recall.recall`."""
        return recall(self.tp, self.fn)

    @property
    def f1(self) -> float | Undefined:
        """See `monitor_agent.metrics.f1.f1`."""
        return f1(self.tp, self.fp, self.fn)


def threshold_sweep(pos: Counts, neg: Counts, thresholds: Iterable[float] = CURVE_THRESHOLDS) -> list[SweepPoint]:
    """Return the confusion counts at each threshold, exact for thresholds of three significant digits.

    Parameters
    ----------
    pos, neg : score histograms of the positives and of the negatives.
    thresholds : numbers in [0, 1]; a threshold with more digits is moved to the nearest edge of a bin, which is the
        threshold of the point. At 1 nothing is predicted positive.

    >>> from monitor_agent.metrics.score_histogram import from_scores
    >>> threshold_sweep(from_scores([0.35, 0.35, 0.1]), from_scores([0.35, *[0.2999] * 5]), [0.3])
    [SweepPoint(threshold=0.3, tp=2, fp=1, tn=5, fn=1)]
    """
    above_pos, above_neg = _at_or_above(pos), _at_or_above(neg)
    positives, negatives = total(pos), total(neg)
    points = []
    for threshold in thresholds:
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"a threshold lies in [0, 1], not {threshold}")
        edge = _nearest_edge(threshold)
        tp, fp = int(above_pos[edge]), int(above_neg[edge])
        points.append(SweepPoint(float(EDGES[edge]), tp, fp, negatives - fp, positives - tp))
    return points


def best_f1(pos: Counts, neg: Counts) -> SweepPoint | Undefined:
    """Return the point with the highest F1 over thresholds of three digits; of equal ones, the highest threshold.

    Undefined (``no_actual_positive``) without positives.

    >>> from monitor_agent.metrics.score_histogram import from_scores
    >>> best_f1(from_scores([0.8, 0.8, 0.8, 0.3]), from_scores([0.3] * 4 + [0.1] * 90)).threshold
    0.8
    """
    if not pos:
        return Undefined("no_actual_positive")
    tp, fp = _at_or_above(pos), _at_or_above(neg)
    scores = 2 * tp / (tp + fp + total(pos))
    edge = SCORE_BINS - int(np.argmax(scores[::-1]))
    return threshold_sweep(pos, neg, [float(EDGES[edge])])[0]


def _nearest_edge(threshold: float) -> int:
    right = min(int(np.searchsorted(EDGES, threshold)), SCORE_BINS)
    left = max(right - 1, 0)
    return left if threshold - EDGES[left] < EDGES[right] - threshold else right


def _at_or_above(histogram: Counts) -> npt.NDArray[np.float64]:
    above = np.zeros(SCORE_BINS + 1)
    above[:SCORE_BINS] = np.cumsum(dense(histogram)[::-1])[::-1]
    return above


def _best_f1(state: WindowState) -> float | Undefined:
    best = best_f1(state.scores_pos, state.scores_neg)
    return best if isinstance(best, Undefined) else best.f1


def _best_threshold(state: WindowState) -> float | Undefined:
    best = best_f1(state.scores_pos, state.scores_neg)
    return best if isinstance(best, Undefined) else best.threshold


SPECS = (
    MetricSpec(
        "best_f1",
        "ratio",
        "highest f1 of all thresholds on this window: too optimistic if clicks are few",
        _best_f1,
        bigger_is_better=True,
        source="maximum of sklearn.metrics.f1_score over thresholds",
    ),
    MetricSpec(
        "best_f1_threshold",
        "ratio",
        "the threshold of best_f1",
        _best_threshold,
        source="thresholds of three digits",
    ),
)
