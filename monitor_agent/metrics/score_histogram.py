"""The score histogram: 1,000 equal bins over [0, 1], kept as a sparse mapping of bin to count.

Bin ``i`` holds the scores in ``[i / 1000, (i + 1) / 1000)``; the last one also holds 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

SCORE_BINS = 1000
"""Number of bins. Part of the stored state: another number would be another state version."""

SCORE_INTERVAL = 1.0 / SCORE_BINS
"""Width of a bin: the ``interval`` to ask a histogram aggregation for."""

Counts = Mapping[int, int]
"""A sparse histogram: bin index to a positive count. Never changed in place."""


def score_bin(score: float) -> int:
    """The bin of one score.

    >>> score_bin(0.0), score_bin(0.25), score_bin(0.9999), score_bin(1.0)
    (0, 250, 999, 999)
    """
    if not 0.0 <= score <= 1.0:
        raise ValueError(f"a score lies in [0, 1], not {score}")
    return min(int(score * SCORE_BINS), SCORE_BINS - 1)


def from_scores(scores: npt.ArrayLike) -> dict[int, int]:
    """The histogram of scores: float array of shape (n,), in [0, 1].

    >>> from_scores([0.1, 0.1, 0.5])
    {100: 2, 500: 1}
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.size and not (values.min() >= 0.0 and values.max() <= 1.0):
        raise ValueError("scores lie in [0, 1]")
    bins = np.minimum((values * SCORE_BINS).astype(np.int64), SCORE_BINS - 1)
    found, counts = np.unique(bins, return_counts=True)
    return {int(index): int(count) for index, count in zip(found, counts, strict=True)}


def from_buckets(buckets: Iterable[tuple[float, int]]) -> dict[int, int]:
    """The histogram of (lower edge, count) pairs, as a histogram aggregation answers them.

    An edge is a multiple of `SCORE_INTERVAL` up to rounding; empty buckets are dropped, 1.0 joins the last bin.

    >>> from_buckets([(0.003, 2), (0.004, 0), (0.999, 1), (1.0, 1)])
    {3: 2, 999: 2}
    """
    found: dict[int, int] = {}
    for edge, count in buckets:
        index = min(round(edge * SCORE_BINS), SCORE_BINS - 1)
        if count:
            found[index] = found.get(index, 0) + count
    return found


def dense(histogram: Counts) -> npt.NDArray[np.float64]:
    """The counts as a float64 array of shape (1000,): exact below 2**53.

    >>> dense({2: 5})[:4].tolist()
    [0.0, 0.0, 5.0, 0.0]
    """
    counts = np.zeros(SCORE_BINS, dtype=np.float64)
    if histogram:
        counts[list(histogram.keys())] = list(histogram.values())
    return counts


def bin_means(counts: npt.NDArray[np.float64], score_sum: float) -> npt.NDArray[np.float64]:
    """The estimated mean score of each bin: float64 array of shape (1000,).

    The middles of the bins, moved together so that their weighted sum is the exact ``score_sum`` as far as the bins
    allow; each is within 0.001 of the true mean.

    >>> float(bin_means(dense({4: 2}), 0.0084)[4].round(6))
    0.0042
    """
    middles = (np.arange(SCORE_BINS) + 0.5) / SCORE_BINS
    total = float(counts.sum())
    if not total:
        return middles
    shift = (score_sum - float(np.dot(counts, middles))) / total
    return middles + max(-0.5 / SCORE_BINS, min(0.5 / SCORE_BINS, shift))
