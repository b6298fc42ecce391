"""Feedback delay: the time from a prediction to its click, and an attribution window that fits these times."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.log_histogram import DELAY_EDGES, LogHistogram
from monitor_agent.metrics.response_time import in_ms
from monitor_agent.metrics.window_state import WindowState

_SECOND = 1_000_000_000  # nanoseconds
MIN_FEEDBACK = 100
"""Smallest number of delays for a suggestion."""

_STEPS_SECONDS = (
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 259200,
    604800, 1209600, 2592000,
)  # fmt: skip


def delay_quantile_ms(delay: LogHistogram, q: float) -> float | Undefined:
    """Return the delay of rank ceil(q n), in milliseconds, within 4.9 % (below 10 ms: 0.1 ms).

    Undefined: ``no_feedback`` if empty; ``below_first_edge`` or ``above_last_edge`` if it lies outside the buckets.

    >>> delay_quantile_ms(LogHistogram.from_values([3 * 10**9], DELAY_EDGES), 0.5)
    3000.0
    """
    value = delay.quantile(q, DELAY_EDGES)
    return Undefined("no_feedback") if value is None else in_ms(value)


def suggested_window_seconds(delay: LogHistogram, share: float = 0.99) -> int | Undefined:
    """Return the shortest usual length (1 s ... 30 d) that covers ``share`` of the feedback delays.

    The histogram must hold late feedback too, or the suggestion can never be longer than the present window.

    Undefined: ``insufficient_data`` below `MIN_FEEDBACK` delays; ``longer_than_30_days``.

    >>> suggested_window_seconds(LogHistogram.from_values([45 * 10**9] * 200, DELAY_EDGES))
    60
    """
    if delay.count < MIN_FEEDBACK:
        return Undefined("insufficient_data")
    needed = delay.quantile(share, DELAY_EDGES)
    assert needed is not None  # count > 0
    fitting = (step for step in _STEPS_SECONDS if step * _SECOND >= needed)
    return next(fitting, Undefined("longer_than_30_days"))


def _quantile_ms(state: WindowState, q: float) -> float | Undefined:
    return delay_quantile_ms(state.delay, q)


def _suggested_ms(state: WindowState) -> float | Undefined:
    seconds = suggested_window_seconds(state.delay)
    return seconds if isinstance(seconds, Undefined) else seconds * 1000.0


def _spec(name: str, text: str, value: Callable[[WindowState], float | Undefined], source: str) -> MetricSpec:
    return MetricSpec(
        name,
        "duration_ms",
        text,
        value,
        unit="ms",
        range=(0.0, None),
        label_free=True,
        all_kinds=True,
        source=source,
    )


SPECS = (
    *(
        _spec(
            f"feedback_delay_p{percent}",
            f"{percent} % of positive feedback came within this time after its prediction (error at most 4.9 %)",
            partial(_quantile_ms, q=percent / 100),
            "numpy.quantile, inverted_cdf, from a log-spaced histogram",
        )
        for percent in (50, 90, 99)
    ),
    _spec(
        "suggested_attribution_window",
        "shortest round length (such as 5m or 1d) of an attribution window that covers 99 % of the feedback so far",
        _suggested_ms,
        "99 % quantile, rounded up",
    ),
)
