"""Scores near 0 and near 1: cells of three significant digits of the score, and of 1 - score.

The bins of `score_histogram` have a width of 0.000001 below 0.001, and of 0.001 from 0.1 on. They put all scores of a
very certain model into one or two bins. The cells of this module divide both tails: the scores below 0.0001, and those
from 0.9 on. Each decade has 900 cells: from 1e-45, the smallest float32, to 0.0001; and from 0.9 to 1 - 1e-13. Exactly
0 and exactly 1 have cells of their own. So have the scores between 0 and 1e-45, and those between 1 - 1e-13 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor_agent.metrics.score_histogram import Floats, Histogram, Ints, score_bins

LOW_TAIL, HIGH_TAIL = slice(0, 100), slice(3600, None)
"""The bins of `score_histogram` that the cells of each tail divide."""

PER_DECADE = 900
_LOWEST, _FIRST_LOW, _LAST_HIGH = 44, 4, 12
# A little less than the decimal, so that a score such as 0.95 is the start of its cell.
_SLIGHTLY_LESS = 1 - 2**-51


@dataclass(frozen=True)
class TailDecade:
    """The cells of one decade, as a histogram aggregation counts them.

    Attributes
    ----------
    first_cell : number of its first cell.
    low, high : the decade holds the scores from ``low`` on and below ``high``.
    interval : width of a cell.
    first_digits : floor(score / interval) in its first cell.
    """

    first_cell: int
    low: float
    high: float
    interval: float
    first_digits: int

    def cells(self, digits: Floats) -> Ints:
        """Return the cells of scores from floor(score / interval)."""
        inside: Ints = np.clip(digits.astype(np.int64) - self.first_digits, 0, PER_DECADE - 1)
        return inside + self.first_cell

    def edges(self) -> Floats:
        """Return the lower ends of its cells, shape (900,)."""
        digits: Floats = np.arange(PER_DECADE, dtype=np.float64) + self.first_digits
        return digits * (self.interval / _SLIGHTLY_LESS)


def _smallest(bin_: int, near: float) -> float:
    """Return the smallest score of a bin of `score_histogram`."""
    score = near * (1 - 2**-48)
    while int(score_bins(score)) < bin_:
        score = math.nextafter(score, 1.0)
    return score


LOW_TAIL_END = _smallest(LOW_TAIL.stop, 0.0001)
HIGH_TAIL_START = _smallest(HIGH_TAIL.start, 0.9)

EXACTLY_ZERO, NEARLY_ZERO, FIRST_LOW_CELL = range(3)
FIRST_HIGH_CELL = FIRST_LOW_CELL + PER_DECADE * (_LOWEST - _FIRST_LOW + 1)
NEARLY_ONE = FIRST_HIGH_CELL + PER_DECADE * _LAST_HIGH
EXACTLY_ONE = NEARLY_ONE + 1


def _decimal(exponent: int) -> float:
    return float(f"1e-{exponent}")


def _low_decade(exponent: int) -> TailDecade:
    first_cell = FIRST_LOW_CELL + PER_DECADE * (_LOWEST - exponent)
    high = LOW_TAIL_END if exponent == _FIRST_LOW else _decimal(exponent)
    return TailDecade(first_cell, _decimal(exponent + 1), high, _decimal(exponent + 3) * _SLIGHTLY_LESS, 100)


def _high_decade(exponent: int) -> TailDecade:
    low, high = (float("0." + "9" * nines) for nines in (exponent, exponent + 1))
    return TailDecade(
        FIRST_HIGH_CELL + PER_DECADE * (exponent - 1),
        HIGH_TAIL_START if exponent == 1 else low,
        high,
        _decimal(exponent + 3) * _SLIGHTLY_LESS,
        10 ** (exponent + 3) - 1000,
    )


LOW_DECADES = tuple(_low_decade(exponent) for exponent in range(_LOWEST, _FIRST_LOW - 1, -1))
HIGH_DECADES = tuple(_high_decade(exponent) for exponent in range(1, _LAST_HIGH + 1))
DECADES = (*LOW_DECADES, *HIGH_DECADES)
"""All decades, lowest scores first."""

LOWS: Floats = np.concatenate(
    [
        [0.0, 5e-324],
        *(decade.edges() for decade in DECADES),
        [HIGH_DECADES[-1].high, 1.0],
    ]
)
"""The lower end of each cell."""

HIGHS: Floats = np.concatenate([[0.0], LOWS[2:], [1.0]])
HIGHS[FIRST_HIGH_CELL - 1] = LOW_TAIL_END
"""The upper end of each cell. Exactly 0 and exactly 1 are both ends of their cells."""


def tail_cells(scores: Floats) -> Ints:
    """Return the cells of scores in the tails, shape (n,).

    >>> tail_cells(np.array([0.0, 1e-5, 0.95, 1.0])).tolist() == [0, 36002, FIRST_HIGH_CELL + 500, EXACTLY_ONE]
    True
    """
    cells = np.where(scores < 0.5, NEARLY_ZERO, NEARLY_ONE)
    cells[scores == 0.0] = EXACTLY_ZERO
    cells[scores == 1.0] = EXACTLY_ONE
    for decade in DECADES:
        inside = (scores >= decade.low) & (scores < decade.high)
        if inside.any():
            cells[inside] = decade.cells(np.floor(scores[inside] / decade.interval))
    return cells


def tails_of(scores: Floats, counts: Ints) -> Histogram:
    """Return the histogram of the scores that lie in the tails, by cell.

    Parameters
    ----------
    scores, counts : distinct scores, and how often each of them occurs; shape (n,).

    >>> tails_of(np.array([0.5, 1.0]), np.array([7, 3]))
    Histogram({47703: 3})
    """
    inside = (scores < LOW_TAIL_END) | (scores >= HIGH_TAIL_START)
    cells, places = np.unique(tail_cells(scores[inside]), return_inverse=True)
    totals = np.zeros(len(cells), dtype=np.int64)
    np.add.at(totals, places, counts[inside])
    return Histogram(cells, totals)


def from_tail_buckets(
    decades: Iterable[tuple[TailDecade, Iterable[Mapping[str, Any]]]], ends: Mapping[int, int]
) -> Histogram:
    """Return the histogram from the aggregations over decades.

    Parameters
    ----------
    decades : each decade with the buckets of its histogram (``key``, ``doc_count``).
    ends : counts of cells outside the decades.
    """
    counts = dict(ends)
    for decade, buckets in decades:
        for bucket in buckets:
            (cell,) = decade.cells(np.array([np.rint(bucket["key"] / decade.interval)])).tolist()
            counts[cell] = counts.get(cell, 0) + int(bucket["doc_count"])
    return Histogram.of({cell: count for cell, count in counts.items() if count})
