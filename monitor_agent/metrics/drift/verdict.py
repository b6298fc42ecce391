"""The verdict on a feature's drift: the measure, its threshold, and the cases with too little data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics._spec import Undefined
from monitor_agent.metrics.drift.chi_square import chi_square_p_value
from monitor_agent.metrics.drift.jensen_shannon import jensen_shannon_distance
from monitor_agent.metrics.drift.kolmogorov_smirnov import ks_p_value, ks_statistic, largest_ks_statistic
from monitor_agent.metrics.drift.population_stability import psi
from monitor_agent.metrics.drift.proportion import z_p_value
from monitor_agent.metrics.drift.reference import (
    FEW_VALUES,
    SMALL_REFERENCE,
    CategoricalReference,
    Floats,
    NumericReference,
    NumericSample,
)
from monitor_agent.metrics.drift.wasserstein import normed_wasserstein_distance

Method = Literal["psi", "jensenshannon", "ks", "wasserstein", "chisquare", "z"]
"""Evidently's names. ``ks``, ``chisquare`` and ``z`` are p-values (small is drift), the rest are distances."""

THRESHOLDS: dict[Method, float] = {
    "psi": 0.1,
    "jensenshannon": 0.1,
    "wasserstein": 0.1,
    "ks": 0.05,
    "chisquare": 0.05,
    "z": 0.05,
}
"""Evidently's defaults. For PSI, 0.1 is usually a warning and 0.25 an alert."""

P_VALUES: frozenset[Method] = frozenset({"ks", "chisquare", "z"})
BINNED: frozenset[Method] = frozenset({"psi", "jensenshannon"})

MIN_SAMPLES = 1000
"""Smallest number of current values. Against a large reference, 200 values of the same normal distribution exceed
Wasserstein's threshold in a third of the samples, and PSI's in 3 %; 1,000 values do so in 1 %, and in 0 of 500."""

BOTH_SAMPLES = 1.5
"""Limit for two small samples: a distance needs 1 / n + 1 / m of at most this over `MIN_SAMPLES`, such as 1,000 values
against 2,000. With 1,000 values against 1,000, 7 % of the samples exceed Wasserstein's threshold by chance."""

CHANCE = 0.01
"""Largest p-value of the chi-square test for drift. Many categories make a distance by chance: 1,000 values of 50
categories exceed Jensen-Shannon's threshold in one sample of 20, and 200 values in all samples."""


@dataclass(frozen=True)
class DriftVerdict:
    """A measure of drift and its verdict; ``n`` is the number of current values."""

    method: Method
    value: float
    threshold: float
    is_drift: bool
    n: int


def default_method(
    reference: NumericReference | CategoricalReference, current: NumericSample | Mapping[str, int] | None = None
) -> Method:
    """Return Evidently's measure for this reference, and for the categories that ``current`` adds to it.

    >>> default_method(CategoricalReference({"0": 990, "1": 10}))
    'z'
    >>> default_method(CategoricalReference({"0": 990, "1": 10}), {"0": 990, "2": 10})
    'chisquare'
    """
    if isinstance(reference, NumericReference):
        if reference.n <= SMALL_REFERENCE:
            return "ks" if reference.distinct > FEW_VALUES else "chisquare"
        return "wasserstein" if reference.distinct > FEW_VALUES else "jensenshannon"
    if reference.n <= SMALL_REFERENCE:
        new = current if isinstance(current, Mapping) else {}
        return "chisquare" if len({*reference.counts, *new}) > 2 else "z"
    return "jensenshannon"


def drift(
    reference: NumericReference | CategoricalReference,
    current: NumericSample | Mapping[str, int],
    method: Method | None = None,
    min_samples: int = MIN_SAMPLES,
) -> DriftVerdict | Undefined:
    """Return the drift of ``current`` against ``reference``; undefined (``insufficient_data``) if it may be chance.

    It may be chance below ``min_samples`` values, for a distance from a small reference (`BOTH_SAMPLES`), and for a
    distance of categories with a likely table (`CHANCE`).

    Parameters
    ----------
    reference : the usual values.
    current : a `NumericSample` in the reference's bins, or counts by category.
    method : the measure; None = `default_method`.

    >>> drift(CategoricalReference({"a": 900, "b": 900}), {"a": 30})
    Undefined(reason='insufficient_data')
    >>> drift(CategoricalReference({"a": 900, "b": 900}), {"a": 1500, "b": 100}).is_drift
    True
    """
    n = current.n if isinstance(current, NumericSample) else sum(current.values())
    if n < max(1, min_samples):
        return Undefined("insufficient_data")
    chosen = method or default_method(reference, current)
    value, limit = measure_drift(reference, current, chosen), THRESHOLDS[chosen]
    if chosen in P_VALUES:
        return DriftVerdict(chosen, value, limit, value < limit, n)
    if (1 / n + 1 / reference.n) * min_samples > BOTH_SAMPLES:
        return Undefined("insufficient_data")
    is_drift = value >= limit
    if is_drift and chosen in BINNED and chi_square_p_value(*_binned(reference, current)) >= CHANCE:
        return Undefined("insufficient_data")
    return DriftVerdict(chosen, value, limit, is_drift, n)


def measure_drift(
    reference: NumericReference | CategoricalReference, current: NumericSample | Mapping[str, int], method: Method
) -> float:
    """Return the value of a measure.

    Raises
    ------
    ValueError
        If the measure does not exist for this type of feature.

    >>> round(measure_drift(CategoricalReference({"a": 50, "b": 50}), {"a": 80, "b": 20}, "psi"), 4)
    0.4159
    """
    expected, actual = _counts(reference, current)
    if method == "chisquare":
        return chi_square_p_value(expected, actual)
    if method == "z":
        return _z(expected, actual)
    if isinstance(reference, NumericReference) and isinstance(current, NumericSample):
        if method == "ks":
            return ks_p_value(ks_statistic(expected, actual), reference.n, current.n)
        if method == "wasserstein":
            return normed_wasserstein_distance(reference, current)
    if method == "psi":
        return psi(*_binned(reference, current))
    if method == "jensenshannon":
        return jensen_shannon_distance(*_binned(reference, current))
    raise ValueError(f"{method} needs a numeric feature")


def lowest_ks_p_value(reference: NumericReference, current: NumericSample) -> float:
    """Return the lowest p-value of the Kolmogorov-Smirnov test that the values may have inside the reference's bins.

    The measure ``ks`` is the highest one. Both are equal if each value has a bin.

    >>> reference = NumericReference.from_values([1.0, 1.0, 2.0])
    >>> current = NumericSample.from_values([1.0, 2.0, 2.0], reference)
    >>> lowest_ks_p_value(reference, current) == measure_drift(reference, current, "ks")
    True
    """
    expected, actual = _counts(reference, current)
    return ks_p_value(largest_ks_statistic(expected, actual, reference.edges), reference.n, current.n)


def _counts(
    reference: NumericReference | CategoricalReference, current: NumericSample | Mapping[str, int]
) -> tuple[Floats, Floats]:
    if isinstance(reference, NumericReference):
        if not isinstance(current, NumericSample) or len(current.counts) != len(reference.counts):
            raise ValueError("a numeric reference needs a sample in its bins")
        return np.asarray(reference.counts, dtype=np.float64), np.asarray(current.counts, dtype=np.float64)
    if isinstance(current, NumericSample):
        raise ValueError("a categorical reference needs counts by category")
    return reference.aligned(current)


def _binned(
    reference: NumericReference | CategoricalReference, current: NumericSample | Mapping[str, int]
) -> tuple[Floats, Floats]:
    """Return the counts of both in the bins of PSI and Jensen-Shannon."""
    expected, actual = _counts(reference, current)
    if isinstance(reference, NumericReference):
        groups = reference.groups()
        return _grouped(groups, expected), _grouped(groups, actual)
    return expected, actual


def _grouped(groups: npt.NDArray[np.int64], counts: Floats) -> Floats:
    return np.bincount(groups, weights=counts).astype(np.float64)


def _z(reference: Floats, current: Floats) -> float:
    filled = (reference + current) > 0
    if int(filled.sum()) > 2:
        raise ValueError("z needs a feature of two values")
    first = int(np.flatnonzero(filled)[0])
    return z_p_value(int(current[first]), int(current.sum()), int(reference[first]), int(reference.sum()))
