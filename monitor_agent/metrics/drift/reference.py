"""The reference of a feature: bins that are fixed once and their counts; a later sample in the same bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FINE_BINS = 40
"""Quantile bins kept for a numeric feature: what Kolmogorov-Smirnov is read from."""

_TAILS = (0.001, 0.003, 0.01, 0.99, 0.997, 0.999)
_EVEN_STEPS = 20
_BEYOND = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""More edges, so that Wasserstein sees the ends well: at quantiles of the tails, at even steps over the range, and at
so many standard deviations beyond it."""

QUANTILES = (*(step / FINE_BINS for step in range(1, FINE_BINS)), *_TAILS)
"""The shares of values that edges are placed at."""

COARSE_BINS = 10
"""Bins of about equal mass for PSI and Jensen-Shannon: finer ones report chance as drift."""

FEW_VALUES = 5
"""Up to so many distinct values Evidently takes a numeric feature for a categorical one."""


@dataclass(frozen=True)
class NumericReference:
    """The reference of a numeric feature.

    Attributes
    ----------
    edges : inner edges, rising, shape (m,); bin i holds ``edges[i - 1] <= value < edges[i]``, the ends are open.
    counts : values in each bin, shape (m + 1,).
    minimum, maximum, std : of the values.
    distinct : number of distinct values, counted up to `FEW_VALUES` + 1.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    minimum: float
    maximum: float
    std: float
    distinct: int

    @property
    def n(self) -> int:
        """Number of values."""
        return sum(self.counts)

    @classmethod
    def from_values(cls, values: npt.ArrayLike, bins: int = FINE_BINS) -> NumericReference:
        """The reference of float values of shape (n,), n > 0: at most 2 ``bins`` + 1 bins.

        >>> NumericReference.from_values([1.0, 2.0, 2.0, 4.0]).counts
        (0, 1, 0, 2, 0, 1, 0)
        """
        found = np.asarray(values, dtype=np.float64)
        if not found.size or not np.isfinite(found).all():
            raise ValueError("a reference needs finite values")
        unique, counts = np.unique(found, return_counts=True)
        if unique.size <= bins:
            edges = edges_around(unique)
        else:
            shares = [*np.arange(1, bins) / bins, *_TAILS]
            ends = float(unique[0]), float(unique[-1])
            edges = edges_from(
                np.quantile(found, shares), unique[counts * bins >= found.size], *ends, float(found.std())
            )
        return cls(
            edges=tuple(edges.tolist()),
            counts=_count(found, edges),
            minimum=float(unique[0]),
            maximum=float(unique[-1]),
            std=float(found.std()),
            distinct=min(int(unique.size), FEW_VALUES + 1),
        )

    def groups(self, bins: int = COARSE_BINS) -> npt.NDArray[np.int64]:
        """The coarse bin of each fine bin, shape (m + 1,): about equal mass each; of few values each stays alone.

        >>> NumericReference((1.0, 2.0, 3.0), (5, 5, 5, 5), 0.0, 4.0, 1.0, 6).groups(2).tolist()
        [0, 0, 1, 1]
        """
        counts = np.asarray(self.counts, dtype=np.float64)
        if self.distinct <= FEW_VALUES:
            return np.arange(counts.size, dtype=np.int64)
        middles = np.cumsum(counts) - counts / 2
        groups: npt.NDArray[np.int64] = np.minimum((middles * bins / counts.sum()).astype(np.int64), bins - 1)
        return groups


@dataclass(frozen=True)
class NumericSample:
    """What fell into a reference's bins later: counts of shape (m + 1,), and the extremes (any value where n is 0)."""

    counts: tuple[int, ...]
    minimum: float
    maximum: float

    @property
    def n(self) -> int:
        """Number of values."""
        return sum(self.counts)

    @classmethod
    def from_values(cls, values: npt.ArrayLike, reference: NumericReference) -> NumericSample:
        """The sample of float values of shape (n,) in the bins of ``reference``.

        >>> NumericSample.from_values([0.0, 2.0], NumericReference.from_values([1.0, 2.0])).counts
        (1, 0, 0, 1, 0)
        """
        found = np.asarray(values, dtype=np.float64)
        if not found.size:
            return cls((0,) * len(reference.counts), 0.0, 0.0)
        return cls(_count(found, np.asarray(reference.edges)), float(found.min()), float(found.max()))


@dataclass(frozen=True)
class CategoricalReference:
    """The reference of a categorical feature: the count of each value."""

    counts: Mapping[str, int]

    @property
    def n(self) -> int:
        """Number of values."""
        return sum(self.counts.values())

    def aligned(self, current: Mapping[str, int]) -> tuple[Floats, Floats]:
        """The counts of reference and ``current``, value by value; values that the reference lacks are one, at the end.

        >>> [counts.tolist() for counts in CategoricalReference({"a": 2, "b": 1}).aligned({"b": 4, "c": 1, "d": 1})]
        [[2.0, 1.0, 0.0], [0.0, 4.0, 2.0]]
        """
        names = sorted(self.counts)
        new = sum(count for name, count in current.items() if name not in self.counts)
        ours = [float(self.counts[name]) for name in names]
        theirs = [float(current.get(name, 0)) for name in names]
        return np.array([*ours, 0.0]), np.array([*theirs, float(new)])


def edges_around(values: npt.ArrayLike) -> Floats:
    """The edges of a feature of few values: a bin for each of them, and one for what lies between two.

    A value that was never seen is so told apart from all that were.

    Parameters
    ----------
    values : distinct ones, rising, of shape (k,).

    >>> edges_around([0.0, 1.0]).tolist()
    [0.0, 5e-324, 1.0, 1.0000000000000002]
    """
    found = np.asarray(values, dtype=np.float64)
    edges: Floats = np.unique(np.concatenate([found, np.nextafter(found, np.inf)]))
    return edges


def edges_from(quantiles: Floats, heavy: npt.ArrayLike, minimum: float, maximum: float, std: float) -> Floats:
    """The edges of a feature of many values: at quantiles, at even steps over its range, and beyond it, rising.

    Parameters
    ----------
    quantiles : values at `QUANTILES`, or as many others.
    heavy : values that are a bin's mass by themselves, such as a zero that most have, rising: a bin each.
    """
    even = np.linspace(minimum, maximum, _EVEN_STEPS + 1)
    beyond = std * np.array(_BEYOND)
    edges: Floats = np.unique(
        np.concatenate([even[0] - beyond, quantiles, edges_around(heavy), even, even[-1] + beyond])
    )
    return edges


def _count(values: Floats, edges: Floats) -> tuple[int, ...]:
    bins = np.searchsorted(edges, values, side="right")
    return tuple(np.bincount(bins, minlength=len(edges) + 1).tolist())
