"""The log-spaced histogram of times: mergeable counts from which means and quantiles are read.

Times are cut to two significant digits: bucket ``i`` holds ``edges[i - 1] <= value < edges[i]``; bucket 0 what is
below the first edge and bucket ``len(edges)`` what is at or above the last. Successive edges differ by a tenth at most,
so that a quantile, read as a bucket's geometric middle, is within `RELATIVE_ERROR` (4.9 %) of the exact order
statistic. Below the first and above the last edge the error is bounded by the kept minimum and maximum only.

Each decade is a plain histogram of its own for a search engine, which answers only the buckets that hold something:
a few dozen, where one aggregation over all ranges would answer hundreds, mostly empty.
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

    Sum, minimum and maximum are exact in a search engine's float64 up to 2**53 ns, 104 days.

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
        """How many values it holds."""
        return sum(self.counts.values())

    @classmethod
    def from_values(cls, values: Iterable[int], edges: tuple[int, ...]) -> LogHistogram:
        """The histogram of single values in nanoseconds."""
        counts: dict[int, int] = {}
        seen = list(values)
        for value in seen:
            index = bisect.bisect_right(edges, value)
            counts[index] = counts.get(index, 0) + 1
        return cls(counts, sum(seen), min(seen, default=None), max(seen, default=None))

    def mean(self) -> float | None:
        """The exact mean in nanoseconds; None when empty."""
        return self.total / self.count if self.counts else None

    def quantile(self, q: float, edges: tuple[int, ...]) -> float | None:
        """The value of rank ceil(q * count) in nanoseconds; None when empty.

        The definition is numpy's ``inverted_cdf``. ``edges`` are those that the histogram was filled with.
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
        # Without extremes (an aggregation may not have asked for them) the open ends fall back to their edge.
        low = edges[index - 1] if index else min(self.minimum or 0, edges[0])
        high = edges[index] if index < len(edges) else max(self.maximum or edges[-1], edges[-1])
        middle = math.sqrt(low * high) if low > 0 else (low + high) / 2
        if self.minimum is not None:
            middle = max(middle, float(self.minimum))
        if self.maximum is not None:
            middle = min(middle, float(self.maximum))
        return middle


def merge_log_histograms(parts: Iterable[LogHistogram]) -> LogHistogram:
    """The histogram of all values of the parts; exact, in any order."""
    counts: dict[int, int] = {}
    total = 0
    minima: list[int] = []
    maxima: list[int] = []
    for part in parts:
        for index, count in part.counts.items():
            counts[index] = counts.get(index, 0) + count
        total += part.total
        if part.minimum is not None:
            minima.append(part.minimum)
        if part.maximum is not None:
            maxima.append(part.maximum)
    return LogHistogram(counts, total, min(minima, default=None), max(maxima, default=None))
