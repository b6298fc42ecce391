"""The log-spaced histogram of times: mergeable counts that give means and quantiles.

Times are cut to two significant digits: bucket ``i`` holds ``edges[i - 1] <= value < edges[i]``. Successive edges
differ by 10 % at most. A quantile is the geometric middle of its bucket, so it is within `RELATIVE_ERROR` (4.9 %) of
the exact order statistic.

Further buckets lie outside the edges, because states of earlier releases count everything outside in one bucket:

- Below the first edge, one decade has buckets of two digits (keys -90 to -1), and the rest down to zero has a hundred
  buckets of equal width (keys -190 to -91). In these, a quantile is the lower end of its bucket, so that zero stays
  zero and the error is below a thousandth of the first edge.
- Above the last edge, one decade has buckets of two digits (keys from ``len(edges) + 1`` on).
- Bucket 0 holds all other values below the first edge, bucket ``len(edges)`` all others at or above the last edge. A
  quantile there is known only if it is the minimum or the maximum.

Each decade is a separate histogram for the search engine, which then returns only buckets with values: a few dozen. One
aggregation over all ranges would return hundreds, most of them empty.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PER_DECADE = 90

RELATIVE_ERROR = math.sqrt(1.1) - 1
"""Largest relative error of a quantile inside the edges."""

LINEAR = 100
"""Number of buckets of equal width above zero."""

DURATION_DECADES, DELAY_DECADES = range(4, 11), range(8, 16)
"""Powers of ten, in nanoseconds: 10 microseconds to 100 seconds; 100 milliseconds to 10 million seconds (116 days)."""


def _edges(decades: range) -> tuple[int, ...]:
    inner = [digits * 10 ** (power - 1) for power in decades for digits in range(10, 100)]
    return (*inner, 10**decades.stop)


DURATION_EDGES = _edges(DURATION_DECADES)
"""Edges for durations, in nanoseconds."""

DELAY_EDGES = _edges(DELAY_DECADES)
"""Edges for feedback delays, in nanoseconds."""


def outer_decades(decades: range) -> range:
    """Return the powers of ten of all decades with buckets of two digits.

    >>> outer_decades(DURATION_DECADES)
    range(3, 12)
    """
    return range(decades.start - 1, decades.stop + 1)


def linear_step(decades: range) -> int:
    """Return the width of the buckets of equal width, in nanoseconds.

    >>> linear_step(DURATION_DECADES), linear_step(DELAY_DECADES)
    (10, 100000)
    """
    return int(10 ** (decades.start - 3))


def bucket_of(value: int, edges: tuple[int, ...]) -> int:
    """Return the key of the bucket that holds a time in nanoseconds.

    >>> [bucket_of(value, DURATION_EDGES) for value in (-1, 0, 19, 1_600, 10_000, 10**11, 10**12)]
    [0, -190, -189, -84, 1, 632, 631]
    """
    first, last = edges[0], edges[-1]
    if not 0 <= value < 10 * last:
        return 0 if value < 0 else len(edges)
    if value < first:
        return value // (first // 1000) - LINEAR - PER_DECADE if value < first // 10 else _digits(value, first) - 100
    return bisect.bisect_right(edges, value) if value < last else len(edges) + _digits(value, 10 * last) - 9


def _digits(value: int, end: int) -> int:
    """Return the first two digits of a value in the decade below ``end``."""
    return value // (end // 100)


@dataclass(frozen=True)
class LogHistogram:
    """Counts by bucket, with the exact sum and extremes; times in integer nanoseconds.

    Sum, minimum and maximum are exact in the float64 of a search engine up to 2**53 ns, 104 days.

    >>> times = LogHistogram.from_values([2_000_000, 4_000_000, 9_000_000], DURATION_EDGES)
    >>> times.count, times.mean()
    (3, 5000000.0)
    >>> abs(times.quantile(0.5, DURATION_EDGES) / 4_000_000 - 1) < RELATIVE_ERROR
    True
    """

    counts: Mapping[int, int] = field(default_factory=dict)
    total: int = 0
    minimum: int | None = None
    maximum: int | None = None

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.counts.values())

    @classmethod
    def from_values(cls, values: Iterable[int], edges: tuple[int, ...]) -> LogHistogram:
        """Return the histogram of single values in nanoseconds."""
        counts: dict[int, int] = {}
        times = list(values)
        for value in times:
            key = bucket_of(value, edges)
            counts[key] = counts.get(key, 0) + 1
        return cls(counts, sum(times), min(times, default=None), max(times, default=None))

    def mean(self) -> float | None:
        """Return the exact mean in nanoseconds; None if empty."""
        return self.total / self.count if self.counts else None

    def quantile(self, q: float, edges: tuple[int, ...]) -> float | None:
        """Return the value of rank ceil(q * count) in nanoseconds; None if empty.

        The definition is numpy's ``inverted_cdf``. ``edges`` must be the edges that the values were counted with. The
        result is ``-math.inf`` if only an upper limit of the value is known, the first edge; and ``math.inf`` if only
        a lower limit is known, the last edge.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a quantile lies in [0, 1], not {q}")
        count = self.count
        rank = max(1, math.ceil(q * count))
        low = sum(n for key, n in self.counts.items() if key <= 0)
        high = sum(n for key, n in self.counts.items() if key >= len(edges))
        if self.counts.get(0) and rank <= low:
            return self._extreme(rank, self.minimum, 1, -math.inf)
        if self.counts.get(len(edges)) and rank > count - high:
            return self._extreme(rank, self.maximum, count, math.inf)
        below = 0
        for key in sorted(self.counts):
            below += self.counts[key]
            if below >= rank:
                return self._middle(key, edges)
        return None

    def count_above(self, value: int, edges: tuple[int, ...]) -> int:
        """Return how many values are greater than a value in nanoseconds; those of its bucket are not.

        >>> times = LogHistogram.from_values([2_000_000, 4_000_000, 9_000_000], DURATION_EDGES)
        >>> times.count_above(3_000_000, DURATION_EDGES), times.count_above(9_000_000, DURATION_EDGES)
        (2, 0)
        """
        bucket = _order(bucket_of(value, edges), len(edges))
        return sum(count for key, count in self.counts.items() if _order(key, len(edges)) > bucket)

    @staticmethod
    def _extreme(rank: int, extreme: int | None, rank_of_extreme: int, limit: float) -> float:
        return float(extreme) if rank == rank_of_extreme and extreme is not None else limit

    def _middle(self, key: int, edges: tuple[int, ...]) -> float:
        first, last, count = edges[0], edges[-1], len(edges)
        if key < -PER_DECADE:
            middle = float((key + LINEAR + PER_DECADE) * (first // 1000))
        elif key < 0:
            middle = _geometric(key + 100, key + 101, first // 100)
        elif key > count:
            middle = _geometric(key - count + 9, key - count + 10, last // 10)
        else:
            middle = _geometric(edges[key - 1], edges[key])
        # An aggregation may return no extremes.
        return min(max(middle, self.minimum or 0.0), math.inf if self.maximum is None else self.maximum)


def _order(key: int, count: int) -> float:
    """Return where a bucket stands in the order of values: two buckets know one limit of their values only."""
    return {0: -math.inf, count: math.inf}.get(key, float(key))


def _geometric(low: int, high: int, step: int = 1) -> float:
    return math.sqrt(low * high) * step


def merge_log_histograms(histograms: Iterable[LogHistogram]) -> LogHistogram:
    """Return the histogram of all values together; exact, in any order."""
    counts: dict[int, int] = {}
    total = 0
    minima: list[int] = []
    maxima: list[int] = []
    for histogram in histograms:
        for index, count in histogram.counts.items():
            counts[index] = counts.get(index, 0) + count
        total += histogram.total
        if histogram.minimum is not None:
            minima.append(histogram.minimum)
        if histogram.maximum is not None:
            maxima.append(histogram.maximum)
    return LogHistogram(counts, total, min(minima, default=None), max(maxima, default=None))
