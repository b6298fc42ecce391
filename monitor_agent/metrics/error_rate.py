"""Error rate: the share of requests that were refused or failed."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval


def error_rate(answered: int, failed: int) -> float | Undefined:
    """failed / (answered + failed).

    Undefined (``no_requests``) without requests.

    >>> error_rate(answered=99, failed=1)
    0.01
    """
    requests = answered + failed
    return failed / requests if requests else Undefined("no_requests")


SPEC = MetricSpec(
    "error_rate",
    "ratio",
    "share of requests that were refused or failed",
    lambda s: error_rate(s.requests, s.errors),
    lambda s: wilson_interval(s.errors, s.requests + s.errors),
    bigger_is_better=False,
    label_free=True,
    all_kinds=True,
    source="errors / (requests + errors)",
)
