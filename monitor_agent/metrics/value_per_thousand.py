"""Value per thousand: the feedback's value (such as revenue) per thousand predictions shown."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.window_state import from_fixed_point


def value_per_thousand(value_sum: float, impressions: int) -> float | Undefined:
    """1000 x sum of values / impressions, in the unit of the value.

    Undefined (``no_impressions``) without impressions.

    >>> value_per_thousand(value_sum=12.5, impressions=5000)
    2.5
    """
    return 1000 * value_sum / impressions if impressions else Undefined("no_impressions")


SPEC = MetricSpec(
    "value_per_thousand",
    "float",
    "sum of feedback values per thousand shown predictions that are older than the attribution window",
    lambda s: value_per_thousand(from_fixed_point(s.value_sum), s.mature),
    unit="value",
    bigger_is_better=True,
    label_free=True,
    all_kinds=True,
    range=(None, None),
    source="effective revenue per mille (eCPM)",
)
