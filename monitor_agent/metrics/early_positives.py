"""Early positives: those that came within a few minutes, so that windows can be compared before they are final."""

from __future__ import annotations

from datetime import timedelta

from monitor_agent.metrics._spec import MetricSpec
from monitor_agent.metrics.log_histogram import DELAY_EDGES, LogHistogram, bucket_of

EARLY_AGE = timedelta(minutes=5)
"""The age at which all windows are compared."""

_FIRST_LATE = bucket_of(EARLY_AGE // timedelta(microseconds=1) * 1000, DELAY_EDGES)


def early_positives(delay: LogHistogram) -> int:
    """Return how many positives came within `EARLY_AGE` after their predictions; exact, as it is an edge.

    >>> early_positives(LogHistogram.from_values([10**9, 299 * 10**9, 300 * 10**9], DELAY_EDGES))
    2
    """
    return sum(count for bucket, count in delay.counts.items() if bucket < _FIRST_LATE)


SPEC = MetricSpec(
    "early_positives",
    "count",
    "predictions whose positive feedback came within 5 minutes; complete once that time and the grace are over",
    lambda state: early_positives(state.delay),
    range=(0, None),
    label_free=True,
    source="counted",
)
