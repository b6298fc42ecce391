"""CTR: the share of predictions with a known label that are positive."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval


def click_through_rate(clicks: int, impressions: int) -> float | Undefined:
    """clicks / impressions.

    Impressions are the predictions with a known label. A click is known at once, but a missing click only after the
    attribution window. So the rate is too high until the window is mature.

    Undefined (``no_samples``) without impressions.

    >>> click_through_rate(clicks=3, impressions=400)
    0.0075
    """
    return clicks / impressions if impressions else Undefined("no_samples")


SPEC = MetricSpec(
    "ctr",
    "ratio",
    "click-through rate: positives per prediction with a known label",
    lambda s: click_through_rate(s.positives, s.n),
    lambda s: wilson_interval(s.positives, s.n),
    bigger_is_better=True,
    source="clicks / impressions",
)
