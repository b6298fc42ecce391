"""The score histogram: scores cut to three significant digits, as a sparse mapping of bin to count.

Most scores of a click model are below 0.02: bins of equal width would put them all into a few bins. So each decade has
bins that are 1/1000 of its end wide: 0.000001 below 0.001, 0.00001 below 0.01, 0.0001 below 0.1, 0.001 up to 1. The
width of a bin is at most 1 % of its scores (below 0.0001 it is 0.000001), and all decimals of three digits are edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Counts = Mapping[int, int]
"""A sparse histogram: bin index to a positive count. It is never changed in place."""


class Histogram(Mapping[int, int]):
    """A sparse histogram as arrays: bins in rising order and their counts, int64 of shape (n,).

    >>> Histogram.of({7: 2, 3: 1})
    Histogram({3: 1, 7: 2})
    """

    __slots__ = ("bins", "counts")

    def __init__(self, bins: Ints, counts: Ints) -> None:
        self.bins, self.counts = bins, counts

    @classmethod
    def of(cls, counts: Counts) -> Histogram:
        """Return the histogram as arrays; a `Histogram` is returned unchanged."""
        if isinstance(counts, cls):
            return counts
        bins = np.array(sorted(counts), dtype=np.int64)
        return cls(bins, np.array([counts[key] for key in bins.tolist()], dtype=np.int64))

    def __getitem__(self, key: int) -> int:
        place = int(np.searchsorted(self.bins, key))
        if place == len(self.bins) or self.bins[place] != key:
            raise KeyError(key)
        return int(self.counts[place])

    def __iter__(self) -> Iterator[int]:
        return iter(self.bins.tolist())

    def __len__(self) -> int:
        return len(self.bins)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        if len(self) != len(other):
            return False
        if not isinstance(other, Histogram):
            return self._pairs() == other
        return np.array_equal(self.bins, other.bins) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Histogram({self._pairs()})"

    def _pairs(self) -> dict[int, int]:
        return dict(zip(self.bins.tolist(), self.counts.tolist(), strict=True))


@dataclass(frozen=True)
class ScoreDecade:
    """The bins of one decade, as a histogram aggregation counts them.

    Attributes
    ----------
    number : 0 for the scores below 0.001, 3 for those from 0.1 on.
    interval : width of a bin, slightly below the decimal, so that a score such as 0.29 is the start of its bin.
    low, high : ``hard_bounds``: the keys of the decade's bins are between them.
    """

    number: int
    interval: float
    low: float
    high: float


_INTERVALS = (9.999999999999997e-07, 9.999999999999997e-06, 9.999999999999998e-05, 0.0009999999999999998)
# Found by experiment: each decimal of three digits is the key of a bin, and each score is in exactly one decade.

DECADES: tuple[ScoreDecade, ...] = tuple(
    ScoreDecade(number, interval, (99.5 if number else 0.0) * interval, (999.5 if number < 3 else 1000.5) * interval)
    for number, interval in enumerate(_INTERVALS)
)

SCORE_BINS = 3700
"""Number of bins. Stored states depend on it: another number needs another version of the blob."""

EDGES: Floats = np.concatenate(
    [np.arange(1000) / 1e6, *(np.arange(100, 1000) / 10 ** (6 - number) for number in (1, 2, 3)), [1.0]]
)
"""The bins' edges, shape (3701,): bin ``i`` holds the scores in ``[EDGES[i], EDGES[i + 1])``, the last also 1.0."""

MIDDLES: Floats = (EDGES[:-1] + EDGES[1:]) / 2

REFINEMENT = 100
"""Refined bins of one bin: scores of five digits. The refined bin ``p`` of bin ``i`` is ``i * REFINEMENT + p``."""

REFINED_LOWS: Floats = (
    EDGES[:-1, np.newaxis] + np.diff(EDGES)[:, np.newaxis] * (np.arange(REFINEMENT) / REFINEMENT)
).ravel()
"""The lower end of each refined bin."""


def score_bins(scores: npt.ArrayLike) -> Ints:
    """Return the bins of scores: int64 of the shape of ``scores``, float in [0, 1].

    >>> score_bins([0.0, 0.0012345, 0.25, 1.0]).tolist(), EDGES[[0, 1023, 2950, 3699]].tolist()
    ([0, 1023, 2950, 3699], [0.0, 0.00123, 0.25, 0.999])
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.size and not (values.min() >= 0.0 and values.max() <= 1.0):
        raise ValueError("scores lie in [0, 1]")
    bins = np.zeros(values.shape, dtype=np.int64)
    for decade in DECADES:
        digits = np.floor(values / decade.interval)
        keys = digits * decade.interval
        inside = (keys >= decade.low) & (keys <= decade.high)
        bins[inside] = np.minimum(digits[inside], 999) + 900 * decade.number
    return bins


def from_scores(scores: npt.ArrayLike) -> Histogram:
    """Return the histogram of scores: float array of shape (n,), in [0, 1].

    >>> from_scores([0.1, 0.1, 0.5])
    Histogram({2800: 2, 3200: 1})
    """
    return Histogram(*np.unique(score_bins(scores), return_counts=True))


def from_scores_refined(scores: npt.ArrayLike, counts: npt.ArrayLike | None = None) -> Histogram:
    """Return the histogram of refined bins of scores: float array of shape (n,), in [0, 1].

    Parameters
    ----------
    counts : how often each score occurs; None = once.

    >>> from_scores_refined([0.35012, 0.35012, 1.0])
    Histogram({305012: 2, 369999: 1})
    """
    values = np.asarray(scores, dtype=np.float64)
    bins = score_bins(values)
    # Rounding at the edge of a bin may put a score into a refined bin of the next bin.
    places = np.searchsorted(REFINED_LOWS, values, side="right") - 1 - bins * REFINEMENT
    refined, rows = np.unique(bins * REFINEMENT + np.clip(places, 0, REFINEMENT - 1), return_inverse=True)
    totals = np.zeros(len(refined), dtype=np.int64)
    np.add.at(totals, rows, np.ones(values.shape, np.int64) if counts is None else np.asarray(counts, np.int64))
    return Histogram(refined, totals)


def unrefined(refined: Counts) -> Histogram:
    """Return the histogram of the bins of refined bins.

    >>> unrefined({305012: 2, 305099: 1})
    Histogram({3050: 3})
    """
    histogram = Histogram.of(refined)
    counts = np.zeros(SCORE_BINS, dtype=np.int64)
    np.add.at(counts, histogram.bins // REFINEMENT, histogram.counts)
    return _sparse(counts)


def from_buckets(decades: Iterable[Sequence[Mapping[str, float]]]) -> Histogram:
    """Return the histogram of the aggregations over `DECADES`, in their order: buckets with ``key`` and ``doc_count``.

    >>> from_buckets([[], [], [], [{"key": 0.25, "doc_count": 2}, {"key": 0.999, "doc_count": 1}]])
    Histogram({2950: 2, 3699: 1})
    """
    counts = np.zeros(SCORE_BINS, dtype=np.int64)
    for decade, buckets in zip(DECADES, decades, strict=True):
        if buckets:
            digits = np.rint(np.array([bucket["key"] for bucket in buckets]) / decade.interval).astype(np.int64)
            documents = np.array([bucket["doc_count"] for bucket in buckets], dtype=np.int64)
            np.add.at(counts, np.minimum(digits, 999) + 900 * decade.number, documents)
    return _sparse(counts)


def refined_decade(decade: ScoreDecade, first: int, last: int) -> ScoreDecade:
    """Return the refined bins of neighbouring bins of one decade, as a histogram aggregation counts them.

    >>> refined = refined_decade(DECADES[3], 3050, 3051)
    >>> round(refined.interval, 7), round(refined.low, 6), round(refined.high, 6)
    (1e-05, 0.349995, 0.351995)
    """
    interval = decade.interval / REFINEMENT
    start, end = ((bin_ - 900 * decade.number) * REFINEMENT for bin_ in (first, last + 1))
    return ScoreDecade(decade.number, interval, (start - 0.5) * interval, (end - 0.5) * interval)


def from_refined_buckets(decades: Iterable[tuple[ScoreDecade, Sequence[Mapping[str, float]]]]) -> Histogram:
    """Return the histogram of refined bins from the aggregations over `refined_decade`.

    >>> from_refined_buckets([(refined_decade(DECADES[3], 3050, 3050), [{"key": 0.35012, "doc_count": 2}])])
    Histogram({305012: 2})
    """
    counts: dict[int, int] = {}
    for decade, buckets in decades:
        for bucket in buckets:
            refined_bin = round(bucket["key"] / decade.interval) + 900 * REFINEMENT * decade.number
            counts[refined_bin] = int(bucket["doc_count"])
    return Histogram.of(counts)


def add(histograms: Iterable[Counts]) -> Histogram:
    """Return the histogram of all scores together.

    >>> add([{1: 2}, {1: 1, 5: 1}, {}])
    Histogram({1: 3, 5: 1})
    """
    summands = [Histogram.of(histogram) for histogram in histograms if histogram]
    if len(summands) == 1:
        return summands[0]
    if any(summand.bins[-1] >= SCORE_BINS for summand in summands):
        bins, places = np.unique(np.concatenate([summand.bins for summand in summands]), return_inverse=True)
        sums = np.zeros(len(bins), dtype=np.int64)
        np.add.at(sums, places, np.concatenate([summand.counts for summand in summands]))
        return Histogram(bins, sums)
    total = np.zeros(SCORE_BINS, dtype=np.int64)
    for summand in summands:
        total[summand.bins] += summand.counts
    return _sparse(total)


def _sparse(counts: Ints) -> Histogram:
    bins = np.flatnonzero(counts)
    return Histogram(bins, counts[bins])


def dense(histogram: Counts) -> Floats:
    """Return the counts as a float64 array of shape (3700,): exact below 2**53.

    >>> dense({2: 5})[:4].tolist()
    [0.0, 0.0, 5.0, 0.0]
    """
    counts = np.zeros(SCORE_BINS)
    if histogram:
        arrays = Histogram.of(histogram)
        counts[arrays.bins] = arrays.counts
    return counts


def total(histogram: Counts) -> int:
    """Return the number of scores.

    >>> total({2: 5, 7: 1})
    6
    """
    return int(Histogram.of(histogram).counts.sum())


def bin_means(counts: Floats, score_sum: float) -> Floats:
    """Return the estimated mean score of each bin: float64 array of shape (3700,).

    All middles are moved by the same share of the bin's width, so that their weighted sum is the exact ``score_sum``
    if the bins allow it. Each mean stays in its bin.

    >>> float(bin_means(dense(from_scores([0.35, 0.35])), 0.7004)[score_bins(0.35)].round(6))
    0.3502
    """
    widths = np.diff(EDGES)
    reach = float(counts @ widths)
    if not reach:
        return MIDDLES
    share = (score_sum - float(counts @ MIDDLES)) / reach
    return MIDDLES + max(-0.5, min(0.5, share)) * widths
