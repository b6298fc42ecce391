"""Calibration: reliability bins of equal mass, and their expected error (ECE)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.score_cells import ScoreCells
from monitor_agent.metrics.score_histogram import EDGES, Floats, score_bins
from monitor_agent.metrics.wilson import wilson_interval
from monitor_agent.metrics.window_state import WindowState, from_fixed_point

BINS = 10
"""Number of reliability bins; there are fewer bins if single scores are too frequent."""


@dataclass(frozen=True)
class ReliabilityBin:
    """One point of the reliability diagram: scores in [low, high), their mean, and the rate of positives."""

    low: float
    high: float
    n: int
    positives: int
    mean_score: float
    rate: float
    interval: ConfidenceInterval


def reliability(cells: ScoreCells, score_sum: float, bins: int = BINS) -> list[ReliabilityBin]:
    """Return at most ``bins`` reliability bins, lowest scores first, each with about n / ``bins`` predictions.

    A cell belongs to the bin floor(``bins`` x (predictions below the cell + half of those in it) / n). So equal scores
    are never divided.

    Parameters
    ----------
    score_sum : exact sum of all scores; it corrects the means that cells give.

    Source: C. Guo et al., "On calibration of modern neural networks", ICML (2017), for P(y = 1) and equal-mass bins.

    >>> from monitor_agent.metrics.score_cells import LabelScores, score_cells
    >>> cells = score_cells(LabelScores({2800: 1, 3500: 3}), LabelScores({2800: 3, 3500: 1}))
    >>> [(point.low, point.high, point.n, point.rate) for point in reliability(cells, 3.6, 2)]
    [(0.1, 0.101, 4, 0.25), (0.8, 0.801, 4, 0.75)]
    """
    counts = cells.positives + cells.negatives
    means = _means(cells, score_sum)
    group = _groups(np.cumsum(counts) - counts / 2, counts, bins)
    points = []
    for index in range(bins):
        inside = np.flatnonzero(group == index)
        if not inside.size:
            continue
        n, hits = int(counts[inside].sum()), int(cells.positives[inside].sum())
        interval = wilson_interval(hits, n)
        assert isinstance(interval, ConfidenceInterval)  # n > 0
        mean = float(np.dot(counts[inside], means[inside])) / n
        last = int(inside[-1])
        high = cells.highs[last]
        if high == cells.lows[last]:
            high = cells.lows[last + 1] if last + 1 < len(counts) else EDGES[score_bins(high) + 1]
        points.append(ReliabilityBin(float(cells.lows[inside[0]]), float(high), n, hits, mean, hits / n, interval))
    return points


def _means(cells: ScoreCells, score_sum: float) -> Floats:
    """Return the estimated mean score of each cell: all middles are moved by the same share of the cell's width."""
    counts, widths = cells.positives + cells.negatives, cells.highs - cells.lows
    middles = (cells.lows + cells.highs) / 2
    reach = float(counts @ widths)
    if not reach:
        return middles
    share = (score_sum - float(counts @ middles)) / reach
    return middles + max(-0.5, min(0.5, share)) * widths


def _groups(below: Floats, counts: Floats, bins: int) -> npt.NDArray[np.int64]:
    return np.clip((below * bins / max(float(counts.sum()), 1.0)).astype(np.int64), 0, bins - 1)


def expected_calibration_error(points: list[ReliabilityBin]) -> float | Undefined:
    """Return the sum over bins of (share of predictions) x abs(rate of positives - mean score).

    Chance alone makes the value positive: about sqrt(rate x bins / n) for small n.

    Undefined (``no_samples``) without bins.

    >>> from monitor_agent.metrics.score_cells import LabelScores, score_cells
    >>> cells = score_cells(LabelScores({2800: 1, 3500: 3}), LabelScores({2800: 3, 3500: 1}))
    >>> expected_calibration_error(reliability(cells, 3.6, 2)).__round__(6)
    0.1
    """
    n = sum(point.n for point in points)
    if not n:
        return Undefined("no_samples")
    return sum(point.n * abs(point.rate - point.mean_score) for point in points) / n


def calibration_error_bound(cells: ScoreCells, score_sum: float, bins: int = BINS) -> float | Undefined:
    """Return how far `expected_calibration_error` can be from the value of the single scores.

    Two things are not known of a cell with different scores: its mean score, and, if it lies at the end of a
    reliability bin, which of its scores belong to the next bin. Scores that change the bin change the error by twice
    the sum of their abs(label - score) at most.

    Undefined (``no_samples``) without predictions.
    """
    counts = cells.positives + cells.negatives
    n = float(counts.sum())
    if not n:
        return Undefined("no_samples")
    means = _means(cells, score_sum)
    distance = float(counts @ np.maximum(cells.highs - means, means - cells.lows))
    end = np.cumsum(counts)
    spans = (_groups(end - 0.5, counts, bins) - _groups(end - counts + 0.5, counts, bins)) * cells.unordered
    too_low, too_high = cells.positives * (1 - cells.lows), cells.negatives * cells.highs
    moved = np.where(spans > 1, too_low + too_high, np.maximum(too_low, too_high)) * (spans > 0)
    return min(1.0, (distance + 2 * float(moved.sum())) / n)


def reliability_of(state: WindowState, bins: int = BINS) -> list[ReliabilityBin]:
    """Return the reliability bins of a window's labelled predictions."""
    return reliability(state.cells, _score_sum(state), bins)


def _score_sum(state: WindowState) -> float:
    return from_fixed_point(state.score_sum_pos + state.score_sum_neg)


SPEC = MetricSpec(
    "ece",
    "ratio",
    "expected calibration error: mean distance of score and rate of positives over 10 bins of equal mass",
    lambda s: expected_calibration_error(reliability_of(s)),
    bigger_is_better=False,
    source="Guo et al. 2017, equal-mass bins",
)

ERROR_BOUND_SPEC = MetricSpec(
    "ece_error_bound",
    "ratio",
    "largest possible error of ece: if there are many distinct scores, it is computed from three to five digits",
    lambda s: calibration_error_bound(s.cells, _score_sum(s)),
    bigger_is_better=False,
    source="largest change of the mean scores and of the ends of the bins",
)
