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
from monitor_agent.metrics.drift.reference import (
    FEW_VALUES,
    CategoricalReference,
    Floats,
    NumericReference,
    NumericSample,
)
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
BINNED: frozenset[Method] = frozenset({"psi", "jensenshannon"})

MIN_SAMPLES = 1000
"""Fewer current values than this say nothing: against a large reference, 200 values of the same normal distribution
exceed Wasserstein's threshold in a third of samples, PSI's in 3 %; 1,000 values in 1 % and never in 500."""

BOTH_SAMPLES = 1.5
"""A small reference is chance as much as a small window is: a distance is told where 1 / n + 1 / m is at most this
over `MIN_SAMPLES`, such as 1,000 values against 2,000. 1,000 against 1,000 exceed Wasserstein's threshold in 7 %."""

CHANCE = 0.01
"""Many categories make a distance by chance: 1,000 values of 50 categories exceed Jensen-Shannon's threshold in one
sample of 20, 200 values always. One that the chi-square test finds as likely as this is not told as drift."""

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


def default_method(
    reference: NumericReference | CategoricalReference, current: NumericSample | Mapping[str, int] | None = None
) -> Method:
    """The measure that Evidently would take for this reference, and for categories that ``current`` adds to it.

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
) -> DriftResult | Undefined:
    """The drift of ``current`` against ``reference``; undefined (``insufficient_data``) where it may be chance.

    That is below ``min_samples`` values, for a distance from a small reference (`BOTH_SAMPLES`), and for a distance
    of categories that chance makes as well (`CHANCE`).

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
    chosen = method or default_method(reference, current)
    value, limit = measure_drift(reference, current, chosen), THRESHOLDS[chosen]
    if chosen in P_VALUES:
        return DriftResult(chosen, value, limit, value < limit, n)
    if (1 / n + 1 / reference.n) * min_samples > BOTH_SAMPLES:
        return Undefined("insufficient_data")
    drifted = value >= limit
    if drifted and chosen in BINNED and chi_square_p_value(*_binned(reference, current)) >= CHANCE:
        return Undefined("insufficient_data")
    return DriftResult(chosen, value, limit, drifted, n)


def measure_drift(
    reference: NumericReference | CategoricalReference, current: NumericSample | Mapping[str, int], method: Method
) -> float:
    """The value of one measure; ValueError where it does not exist for this kind of feature.

    >>> round(measure_drift(CategoricalReference({"a": 50, "b": 50}), {"a": 80, "b": 20}, "psi"), 4)
    0.4159
    """
    ours, theirs = _counts(reference, current)
    if method == "chisquare":
        return chi_square_p_value(ours, theirs)
    if method == "z":
        return _z(ours, theirs)
    if isinstance(reference, NumericReference) and isinstance(current, NumericSample):
        if method == "ks":
            return ks_p_value(ks_statistic(ours, theirs), reference.n, current.n)
        if method == "wasserstein":
            return normed_wasserstein_distance(reference, current)
    if method == "psi":
        return psi(*_binned(reference, current))
    if method == "jensenshannon":
        return jensen_shannon_distance(*_binned(reference, current))
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


def _binned(
    reference: NumericReference | CategoricalReference, current: NumericSample | Mapping[str, int]
) -> tuple[Floats, Floats]:
    """The counts of both in the bins of PSI and Jensen-Shannon."""
    ours, theirs = _counts(reference, current)
    if isinstance(reference, NumericReference):
        groups = reference.groups()
        return _grouped(groups, ours), _grouped(groups, theirs)
    return ours, theirs


def _grouped(groups: npt.NDArray[np.int64], counts: Floats) -> Floats:
    return np.bincount(groups, weights=counts).astype(np.float64)


def _z(reference: Floats, current: Floats) -> float:
    filled = (reference + current) > 0
    if int(filled.sum()) > 2:
        raise ValueError("z needs a feature of two values")
    first = int(np.flatnonzero(filled)[0])
    return z_p_value(int(current[first]), int(current.sum()), int(reference[first]), int(reference.sum()))
