"""Throughput: requests per second of a window."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined


def throughput(requests: int, seconds: float | None) -> float | Undefined:
    """requests / seconds; undefined (``no_window_length``) without a length.

    >>> throughput(requests=90, seconds=60.0)
    1.5
    """
    return requests / seconds if seconds else Undefined("no_window_length")


def throughput_spec(seconds: float | None) -> MetricSpec:
    """Return the metric for windows of this length, because a state does not hold the length of its window."""
    return MetricSpec(
        "throughput",
        "float",
        "requests per second, with refused and failed requests",
        lambda s: throughput(s.requests + s.errors, seconds),
        unit="1/s",
        range=(0.0, None),
        label_free=True,
        all_kinds=True,
        source="(requests + errors) / length of the window",
    )
