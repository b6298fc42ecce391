"""Whether a feature has drifted: which measure to take, its threshold, and when there is too little data to say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics._spec import Undefined
from monitor_agent.metrics.drift.chi_square import chi_square_p_value
from monitor_agent.metrics.drift.jensen_shannon import jensen_shannon_distance
from monitor_agent.metrics.drift.kolmogorov_smirnov import ks_p_value, ks_statistic
from monitor_agent.metrics.drift.population_stability import psi
from monitor_agent.metrics.drift.proportion import z_p_value
from monitor_agent.metrics.drift.reference import CategoricalReference, Floats, NumericReference, NumericSample
from monitor_agent.metrics.drift.wasserstein import normed_wasserstein_distance

Method = Literal["psi", "jensenshannon", "ks", "wasserstein", "chisquare", "z"]
"""Evidently's names. ``ks``, ``chisquare`` and ``z`` are p-values (small is drift), the others distances."""

THRESHOLDS: dict[Method, float] = {
    "psi": 0.1,
    "jensenshannon": 0.1,
    "wasserstein": 0.1,
    "ks": 0.05,
    "chisquare": 0.05,
    "z": 0.05,
}
"""Evidently's defaults. For PSI 0.1 is a warning, 0.25 an alert by custom."""

P_VALUES: frozenset[Method] = frozenset({"ks", "chisquare", "z"})

MIN_SAMPLES = 1000
"""Fewer current values than this say nothing: against a large reference, 200 values of the same normal distribution
exceed Wasserstein's threshold in a third of samples, PSI's in 3 %; 1,000 values in 1 % and never in 500."""

SMALL_REFERENCE = 1000
"""Up to this many reference values Evidently tests, above it measures distances."""


@dataclass(frozen=True)
class DriftResult:
    """A measure of drift and its verdict; ``n`` counts the current values."""

    method: Method
    value: float
    threshold: float
    drifted: bool
    n: int


def default_method(reference: NumericReference | CategoricalReference) -> Method:
    """The measure that Evidently would take for this reference.

    >>> default_method(CategoricalReference({"0": 990, "1": 10}))
    'z'
    """
    if isinstance(reference, NumericReference):
        if reference.n <= SMALL_REFERENCE:
            return "ks" if reference.distinct > 5 else "chisquare"
        return "wasserstein" if reference.distinct > 5 else "jensenshannon"
    if reference.n <= SMALL_REFERENCE:
        return "chisquare" if len(reference.counts) > 2 else "z"
    return "jensenshannon"


def drift(
    reference: NumericReference | CategoricalReference,
    current: NumericSample | Mapping[str, int],
    method: Method | None = None,
    min_samples: int = MIN_SAMPLES,
) -> DriftResult | Undefined:
    """The drift of ``current`` against ``reference``; undefined (``insufficient_data``) below ``min_samples`` values.

    Parameters
    ----------
    reference : what is usual.
    current : a `NumericSample` in its bins, or counts by category.
    method : None takes `default_method`.

    >>> drift(CategoricalReference({"a": 900, "b": 900}), {"a": 30})
    Undefined(reason='insufficient_data')
    >>> drift(CategoricalReference({"a": 900, "b": 900}), {"a": 1500, "b": 100}).drifted
    True
    """
    n = current.n if isinstance(current, NumericSample) else sum(current.values())
    if n < max(1, min_samples):
        return Undefined("insufficient_data")
    chosen = method or default_method(reference)
    value = measure_drift(reference, current, chosen)
    limit = THRESHOLDS[chosen]
    return DriftResult(chosen, value, limit, value < limit if chosen in P_VALUES else value >= limit, n)


def measure_drift(
    reference: NumericReference | CategoricalReference, current: NumericSample | Mapping[str, int], method: Method
) -> float:
    """The value of one measure; ValueError where it does not exist for this kind of feature.

    >>> round(measure_drift(CategoricalReference({"a": 50, "b": 50}), {"a": 80, "b": 20}, "psi"), 4)
    0.4159
    """
    fine_reference, fine_current = _counts(reference, current)
    if method == "chisquare":
        return chi_square_p_value(fine_reference, fine_current)
    if method == "z":
        return _z(fine_reference, fine_current)
    if isinstance(reference, NumericReference) and isinstance(current, NumericSample):
        if method == "ks":
            return ks_p_value(ks_statistic(fine_reference, fine_current), reference.n, current.n)
        if method == "wasserstein":
            return normed_wasserstein_distance(reference, current)
        groups = reference.groups()
        fine_reference, fine_current = _grouped(groups, fine_reference), _grouped(groups, fine_current)
    if method == "psi":
        return psi(fine_reference, fine_current)
    if method == "jensenshannon":
        return jensen_shannon_distance(fine_reference, fine_current)
    raise ValueError(f"{method} needs a numeric feature")


def _counts(
    reference: NumericReference | CategoricalReference, current: NumericSample | Mapping[str, int]
) -> tuple[Floats, Floats]:
    if isinstance(reference, NumericReference):
        if not isinstance(current, NumericSample) or len(current.counts) != len(reference.counts):
            raise ValueError("a numeric reference needs a sample in its own bins")
        return np.asarray(reference.counts, dtype=np.float64), np.asarray(current.counts, dtype=np.float64)
    if isinstance(current, NumericSample):
        raise ValueError("a categorical reference needs counts by category")
    return reference.aligned(current)


def _grouped(groups: npt.NDArray[np.int64], counts: Floats) -> Floats:
    return np.bincount(groups, weights=counts).astype(np.float64)


def _z(reference: Floats, current: Floats) -> float:
    filled = (reference + current) > 0
    if int(filled.sum()) > 2:
        raise ValueError("z needs a feature of two values")
    first = int(np.flatnonzero(filled)[0])
    return z_p_value(int(current[first]), int(current.sum()), int(reference[first]), int(reference.sum()))
