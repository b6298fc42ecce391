"""The log-spaced histogram of times: mergeable counts that give means and quantiles.

Times are cut to two significant digits: bucket ``i`` holds ``edges[i - 1] <= value < edges[i]``, bucket 0 the values
below the first edge, and bucket ``len(edges)`` the values at or above the last edge. Successive edges differ by 10 % at
most. A quantile is the geometric middle of its bucket, so it is within `RELATIVE_ERROR` (4.9 %) of the exact order
statistic. Below the first edge and above the last edge, only the minimum and the maximum bound the error.

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

DURATION_DECADES, DELAY_DECADES = range(4, 11), range(8, 16)
"""Powers of ten, in nanoseconds: 10 microseconds to 100 seconds; 100 milliseconds to 10 million seconds (116 days)."""


def _edges(decades: range) -> tuple[int, ...]:
    inner = [digits * 10 ** (power - 1) for power in decades for digits in range(10, 100)]
    return (*inner, 10**decades.stop)


DURATION_EDGES = _edges(DURATION_DECADES)
"""Edges for durations, in nanoseconds."""

DELAY_EDGES = _edges(DELAY_DECADES)
"""Edges for feedback delays, in nanoseconds."""


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
            index = bisect.bisect_right(edges, value)
            counts[index] = counts.get(index, 0) + 1
        return cls(counts, sum(times), min(times, default=None), max(times, default=None))

    def mean(self) -> float | None:
        """Return the exact mean in nanoseconds; None if empty."""
        return self.total / self.count if self.counts else None

    def quantile(self, q: float, edges: tuple[int, ...]) -> float | None:
        """Return the value of rank ceil(q * count) in nanoseconds; None if empty.

        The definition is numpy's ``inverted_cdf``. ``edges`` must be the edges that the values were counted with.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a quantile lies in [0, 1], not {q}")
        rank = max(1, math.ceil(q * self.count))
        below = 0
        for index in sorted(self.counts):
            below += self.counts[index]
            if below >= rank:
                return self._middle(index, edges)
        return None

    def _middle(self, index: int, edges: tuple[int, ...]) -> float:
        # Without extremes (an aggregation may not return them) the open ends fall back to their edge.
        low = edges[index - 1] if index else min(self.minimum or 0, edges[0])
        high = edges[index] if index < len(edges) else max(self.maximum or edges[-1], edges[-1])
        middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
        if self.minimum is not None:
            middle = max(middle, float(self.minimum))
        if self.maximum is not None:
            middle = min(middle, float(self.maximum))
        return middle


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
