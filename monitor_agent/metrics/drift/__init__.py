"""Drift of scores, predicted labels and features against a stored reference with fixed bins.

>>> import numpy as np
>>> random = np.random.default_rng(0)
>>> reference = NumericReference.from_values(random.normal(0, 1, 5000))
>>> moved = NumericSample.from_values(random.normal(0.5, 1, 5000), reference)
>>> result = drift(reference, moved)
>>> result.method, result.is_drift
('wasserstein', True)
"""

from __future__ import annotations

from monitor_agent.metrics.drift.chi_square import chi_square_p_value
from monitor_agent.metrics.drift.jensen_shannon import jensen_shannon_distance
from monitor_agent.metrics.drift.reference import (
    CategoricalReference,
    NumericReference,
    NumericSample,
)
from monitor_agent.metrics.drift.verdict import (
    MIN_SAMPLES,
    THRESHOLDS,
    DriftVerdict,
    Method,
    default_method,
    drift,
    lowest_ks_p_value,
    measure_drift,
)

__all__ = [
    "MIN_SAMPLES",
    "THRESHOLDS",
    "CategoricalReference",
    "DriftVerdict",
    "Method",
    "NumericReference",
    "NumericSample",
    "chi_square_p_value",
    "default_method",
    "drift",
    "jensen_shannon_distance",
    "lowest_ks_p_value",
    "measure_drift",
]
