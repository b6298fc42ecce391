"""The reference of a feature: fixed bins and their counts; and a later sample in the same bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FINE_BINS = 40
"""Number of quantile bins of a numeric feature; Kolmogorov-Smirnov needs them."""

SMALL_REFERENCE = 1000
"""Evidently uses tests up to this number of reference values, and distances above it."""

SMALL_REFERENCE_BINS = 160
"""Number of quantile bins of a small reference, whose verdict uses Kolmogorov-Smirnov: with 40 bins, its p-value would
have a wide range."""

_TAILS = (0.001, 0.003, 0.01, 0.99, 0.997, 0.999)
_EVEN_STEPS = 20
_BEYOND = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Further edges for the precision of Wasserstein: at quantiles of the tails, at even steps over the range, and at these
multiples of the standard deviation beyond the range."""

QUANTILES = (*(step / FINE_BINS for step in range(1, FINE_BINS)), *_TAILS)
"""The quantiles that become edges."""

COARSE_BINS = 10
"""Bins of about equal mass for PSI and Jensen-Shannon: with finer bins they report chance as drift."""

FEW_VALUES = 5
"""Evidently treats a numeric feature with at most this number of distinct values as a categorical feature."""


@dataclass(frozen=True)
class NumericReference:
    """The reference of a numeric feature.

    Attributes
    ----------
    edges : inner edges, rising, shape (m,); bin i holds ``edges[i - 1] <= value < edges[i]``, both ends are open.
    counts : values in each bin, shape (m + 1,).
    minimum, maximum, std : extremes and standard deviation of the values.
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
    def from_values(cls, values: npt.ArrayLike, bins: int | None = None) -> NumericReference:
        """Return the reference of float values of shape (n,), n > 0.

        Parameters
        ----------
        bins : number of quantile bins; None = `SMALL_REFERENCE_BINS` or `FINE_BINS`. Up to this number of distinct
            values, each of them has a bin.

        Raises
        ------
        ValueError
            If there is no value, or a value is not finite.

        >>> NumericReference.from_values([1.0, 2.0, 2.0, 4.0]).counts
        (0, 1, 0, 2, 0, 1, 0)
        """
        numbers = np.asarray(values, dtype=np.float64)
        if not numbers.size or not np.isfinite(numbers).all():
            raise ValueError("a reference needs finite values")
        unique, counts = np.unique(numbers, return_counts=True)
        bins = bins or (SMALL_REFERENCE_BINS if numbers.size <= SMALL_REFERENCE else FINE_BINS)
        if unique.size <= bins:
            edges = edges_around(unique)
        else:
            shares = [*np.arange(1, bins) / bins, *_TAILS]
            ends = float(unique[0]), float(unique[-1])
            edges = edges_from(
                np.quantile(numbers, shares), unique[counts * bins >= numbers.size], *ends, float(numbers.std())
            )
        return cls(
            edges=tuple(edges.tolist()),
            counts=_count(numbers, edges),
            minimum=float(unique[0]),
            maximum=float(unique[-1]),
            std=float(numbers.std()),
            distinct=min(int(unique.size), FEW_VALUES + 1),
        )

    def groups(self, bins: int = COARSE_BINS) -> npt.NDArray[np.int64]:
        """Return the coarse bin of each fine bin, shape (m + 1,): about equal mass each; a few values are not grouped.

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
    """A later sample in a reference's bins: counts of shape (m + 1,), and the extremes (any value if n is 0)."""

    counts: tuple[int, ...]
    minimum: float
    maximum: float

    @property
    def n(self) -> int:
        """Number of values."""
        return sum(self.counts)

    @classmethod
    def from_values(cls, values: npt.ArrayLike, reference: NumericReference) -> NumericSample:
        """Return the sample of float values of shape (n,) in the bins of ``reference``.

        >>> NumericSample.from_values([0.0, 2.0], NumericReference.from_values([1.0, 2.0])).counts
        (1, 0, 0, 1, 0)
        """
        numbers = np.asarray(values, dtype=np.float64)
        if not numbers.size:
            return cls((0,) * len(reference.counts), 0.0, 0.0)
        return cls(_count(numbers, np.asarray(reference.edges)), float(numbers.min()), float(numbers.max()))


@dataclass(frozen=True)
class CategoricalReference:
    """The reference of a categorical feature: the count of each value."""

    counts: Mapping[str, int]

    @property
    def n(self) -> int:
        """Number of values."""
        return sum(self.counts.values())

    def aligned(self, current: Mapping[str, int]) -> tuple[Floats, Floats]:
        """Return the counts of reference and ``current`` by value; values without a reference share the last place.

        >>> [counts.tolist() for counts in CategoricalReference({"a": 2, "b": 1}).aligned({"b": 4, "c": 1, "d": 1})]
        [[2.0, 1.0, 0.0], [0.0, 4.0, 2.0]]
        """
        names = sorted(self.counts)
        new = sum(count for name, count in current.items() if name not in self.counts)
        reference_counts = [float(self.counts[name]) for name in names]
        current_counts = [float(current.get(name, 0)) for name in names]
        return np.array([*reference_counts, 0.0]), np.array([*current_counts, float(new)])


def edges_around(values: npt.ArrayLike) -> Floats:
    """Return the edges of a feature of few values: a bin for each value, and a bin for the gap between two values.

    So a new value is never in the bin of a value of the reference.

    Parameters
    ----------
    values : distinct values, rising, of shape (k,).

    >>> edges_around([0.0, 1.0]).tolist()
    [0.0, 5e-324, 1.0, 1.0000000000000002]
    """
    distinct = np.asarray(values, dtype=np.float64)
    edges: Floats = np.unique(np.concatenate([distinct, np.nextafter(distinct, np.inf)]))
    return edges


def edges_from(quantiles: Floats, heavy: npt.ArrayLike, minimum: float, maximum: float, std: float) -> Floats:
    """Return the edges of a feature of many values: at quantiles, at even steps over its range, and beyond it, rising.

    Parameters
    ----------
    quantiles : values at `QUANTILES`, or at other quantiles.
    heavy : values, rising, that alone have the mass of a bin, such as a frequent zero; each gets a bin.
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
