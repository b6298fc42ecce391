"""Data quality of a feature in a window: missing, out of range, new, constant, of a wrong type or stale values.

>>> usual = UsualValues(predictions=10_000)
>>> counts = FeatureCounts(predictions=1000, requests=1000, missing=340)
>>> check = missing_check(counts, usual)
>>> check.share, check.reference, check.is_broken
(0.34, 0.0, True)
"""

from __future__ import annotations

from monitor_agent.metrics.data_quality.checks import (
    CONSTANT,
    MARGIN,
    MISSING,
    NEW_CATEGORY,
    OUT_OF_RANGE,
    STALE,
    WRONG_TYPE,
    QualityCheck,
    constant_check,
    missing_check,
    new_category_check,
    out_of_range_check,
    stale_check,
    wrong_type_check,
)
from monitor_agent.metrics.data_quality.counts import (
    AGE_EDGES,
    FeatureCounts,
    UsualValues,
    age_bin,
    age_quantile,
    merge_counts,
)

__all__ = [
    "AGE_EDGES",
    "CONSTANT",
    "MARGIN",
    "MISSING",
    "NEW_CATEGORY",
    "OUT_OF_RANGE",
    "STALE",
    "WRONG_TYPE",
    "FeatureCounts",
    "QualityCheck",
    "UsualValues",
    "age_bin",
    "age_quantile",
    "constant_check",
    "merge_counts",
    "missing_check",
    "new_category_check",
    "out_of_range_check",
    "stale_check",
    "wrong_type_check",
]
