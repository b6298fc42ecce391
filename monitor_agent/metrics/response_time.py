"""Response time: mean and percentiles of a request's duration, of its time in the queue and its computing time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.log_histogram import DURATION_EDGES, LogHistogram
from monitor_agent.metrics.window_state import WindowState

_MS = 1_000_000  # nanoseconds
_PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}


def mean_ms(times: LogHistogram) -> float | Undefined:
    """Return the exact mean, in milliseconds; undefined (``no_requests``) if empty.

    >>> mean_ms(LogHistogram.from_values([2_000_000, 4_000_000], DURATION_EDGES))
    3.0
    """
    mean = times.mean()
    return Undefined("no_requests") if mean is None else mean / _MS


def quantile_ms(times: LogHistogram, q: float) -> float | Undefined:
    """Return the value of rank ceil(q n), in milliseconds, within 4.9 % (below 1 microsecond: 10 nanoseconds).

    Undefined: ``no_requests`` if empty; ``below_first_edge`` or ``above_last_edge`` if the time is outside the buckets.

    Source: `numpy.quantile` with ``method="inverted_cdf"``.

    >>> quantile_ms(LogHistogram.from_values([2_000_000], DURATION_EDGES), 0.99)
    2.0
    """
    value = times.quantile(q, DURATION_EDGES)
    return Undefined("no_requests") if value is None else in_ms(value)


def in_ms(nanoseconds: float) -> float | Undefined:
    """Return a quantile of `LogHistogram` in milliseconds.

    Undefined: ``below_first_edge`` or ``above_last_edge`` if the quantile is infinite.
    """
    if math.isinf(nanoseconds):
        return Undefined("below_first_edge" if nanoseconds < 0 else "above_last_edge")
    return nanoseconds / _MS


def _specs(name: str, meaning: str, times: Callable[[WindowState], LogHistogram]) -> Iterator[MetricSpec]:
    def mean(state: WindowState) -> float | Undefined:
        return mean_ms(times(state))

    def quantile(q: float, state: WindowState) -> float | Undefined:
        return quantile_ms(times(state), q)

    yield _spec(name, f"mean {meaning}", mean, "exact sum / count")
    for suffix, q in _PERCENTILES.items():
        text = f"{meaning}: {100 * q:g} % of requests took no longer (within 4.9 %)"
        source = "numpy.quantile, inverted_cdf, from a log-spaced histogram"
        yield _spec(f"{name}_{suffix}", text, partial(quantile, q), source)


def _spec(name: str, text: str, value: Callable[[WindowState], float | Undefined], source: str) -> MetricSpec:
    return MetricSpec(
        name,
        "duration_ms",
        text,
        value,
        unit="ms",
        bigger_is_better=False,
        range=(0.0, None),
        label_free=True,
        all_kinds=True,
        source=source,
    )


SPECS = (
    *_specs("response_time", "time of a request", lambda s: s.duration),
    *_specs("queue_time", "time waiting for a batch", lambda s: s.queue_time),
    *_specs("compute_time", "time in the model", lambda s: s.compute_time),
)
