"""Calibration: reliability bins of equal mass, and their expected error (ECE)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.score_histogram import EDGES, Counts, bin_means, dense
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


def reliability(pos: Counts, neg: Counts, score_sum: float, bins: int = BINS) -> list[ReliabilityBin]:
    """Return at most ``bins`` reliability bins, lowest scores first, each with about n / ``bins`` predictions.

    Parameters
    ----------
    pos, neg : score histograms of the positives and of the negatives.
    score_sum : exact sum of all scores; it corrects the means that the histogram gives.

    Source: C. Guo et al., "On calibration of modern neural networks", ICML (2017), for P(y = 1) and equal-mass bins.

    >>> pos, neg = {2800: 1, 3500: 3}, {2800: 3, 3500: 1}
    >>> [(point.low, point.high, point.n, point.rate) for point in reliability(pos, neg, 3.6, 2)]
    [(0.1, 0.101, 4, 0.25), (0.8, 0.801, 4, 0.75)]
    """
    positives = dense(pos)
    counts = positives + dense(neg)
    means = bin_means(counts, score_sum)
    below = np.cumsum(counts)
    total = float(below[-1])
    # The mass up to the middle of a score bin decides its group, so groups are balanced and never split a score bin.
    group = np.minimum(((below - counts / 2) * bins / max(total, 1.0)).astype(np.int64), bins - 1)
    points = []
    for index in range(bins):
        inside = np.flatnonzero((group == index) & (counts > 0))
        if not inside.size:
            continue
        n, hits = int(counts[inside].sum()), int(positives[inside].sum())
        interval = wilson_interval(hits, n)
        assert isinstance(interval, ConfidenceInterval)  # n > 0
        mean = float(np.dot(counts[inside], means[inside])) / n
        low, high = float(EDGES[inside[0]]), float(EDGES[inside[-1] + 1])
        points.append(ReliabilityBin(low, high, n, hits, mean, hits / n, interval))
    return points


def expected_calibration_error(points: list[ReliabilityBin]) -> float | Undefined:
    """Return the sum over bins of (share of predictions) x abs(rate of positives - mean score).

    Chance alone makes the value positive: about sqrt(rate x bins / n) for small n.

    Undefined (``no_samples``) without bins.

    >>> expected_calibration_error(reliability({2800: 1, 3500: 3}, {2800: 3, 3500: 1}, 3.6, 2)).__round__(6)
    0.1
    """
    n = sum(point.n for point in points)
    if not n:
        return Undefined("no_samples")
    return sum(point.n * abs(point.rate - point.mean_score) for point in points) / n


def reliability_of(state: WindowState, bins: int = BINS) -> list[ReliabilityBin]:
    """Return the reliability bins of a window's labelled predictions."""
    score_sum = from_fixed_point(state.score_sum_pos + state.score_sum_neg)
    return reliability(state.scores_pos, state.scores_neg, score_sum, bins)


SPEC = MetricSpec(
    "ece",
    "ratio",
    "expected calibration error: mean distance of score and rate of positives over 10 bins of equal mass",
    lambda s: expected_calibration_error(reliability_of(s)),
    bigger_is_better=False,
    source="Guo et al. 2017, equal-mass bins",
)
