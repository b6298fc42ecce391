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
from monitor_agent.metrics.score_cells import ScoreCells
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


def best_f1(cells: ScoreCells) -> SweepPoint | Undefined:
    """Return the point with the highest F1 over the lower ends of the cells; of equal ones, the highest threshold.

    Undefined (``no_actual_positive``) without positives.

    >>> from monitor_agent.metrics.score_cells import LabelScores, score_cells
    >>> from monitor_agent.metrics.score_histogram import from_scores
    >>> pos, neg = from_scores([0.8, 0.8, 0.8, 0.3]), from_scores([0.3] * 4 + [0.1] * 90)
    >>> best_f1(score_cells(LabelScores(pos), LabelScores(neg))).threshold
    0.8
    """
    positives, negatives = cells.positives[::-1], cells.negatives[::-1]
    if not positives.any():
        return Undefined("no_actual_positive")
    tp, fp = np.cumsum(positives), np.cumsum(negatives)
    best = int(np.argmax(2 * tp / (tp + fp + tp[-1])))
    reached, wrong = int(tp[best]), int(fp[best])
    return SweepPoint(float(cells.lows[::-1][best]), reached, wrong, int(fp[-1]) - wrong, int(tp[-1]) - reached)


def best_f1_error_bound(cells: ScoreCells) -> float | Undefined:
    """Return how far the highest F1 of all thresholds can be above `best_f1`.

    A threshold inside a cell is best if it divides the positives of the cell from its negatives. Cells of equal scores
    cannot be divided. Undefined (``no_actual_positive``) without positives.

    >>> from monitor_agent.metrics.score_cells import LabelScores, score_cells
    >>> best_f1_error_bound(score_cells(LabelScores({200: 1}), LabelScores({200: 2})))
    0.5
    """
    best = best_f1(cells)
    if isinstance(best, Undefined):
        return best
    positives, negatives = cells.positives[::-1], cells.negatives[::-1]
    tp, fp = np.cumsum(positives), np.cumsum(negatives)
    divided = 2 * tp / (tp + fp - negatives * cells.unordered[::-1] + tp[-1])
    reached = best.f1
    return reached if isinstance(reached, Undefined) else max(0.0, float(divided.max()) - reached)


def _nearest_edge(threshold: float) -> int:
    right = min(int(np.searchsorted(EDGES, threshold)), SCORE_BINS)
    left = max(right - 1, 0)
    return left if threshold - EDGES[left] < EDGES[right] - threshold else right


def _at_or_above(histogram: Counts) -> npt.NDArray[np.float64]:
    above = np.zeros(SCORE_BINS + 1)
    above[:SCORE_BINS] = np.cumsum(dense(histogram)[::-1])[::-1]
    return above


def _best_f1(state: WindowState) -> float | Undefined:
    best = best_f1(state.cells)
    return best if isinstance(best, Undefined) else best.f1


def _best_threshold(state: WindowState) -> float | Undefined:
    best = best_f1(state.cells)
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
        "best_f1_error_bound",
        "ratio",
        "how much higher the highest f1 of all thresholds can be; 0 = best_f1 is exact",
        lambda s: best_f1_error_bound(s.cells),
        bigger_is_better=False,
        source="best order within each cell",
    ),
    MetricSpec(
        "best_f1_threshold",
        "ratio",
        "the threshold of best_f1: a score, or the lower end of a cell of scores",
        _best_threshold,
        source="of equal ones, the highest",
    ),
)
