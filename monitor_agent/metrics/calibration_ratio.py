"""Calibration ratio: the number of positives that the scores predict, per actual positive."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.window_state import from_fixed_point


def calibration_ratio(score_sum: float, positives: int) -> float | Undefined:
    """sum(score) / sum(label): 1 is calibrated on average; above 1 the scores are too high.

    Undefined (``no_actual_positive``) without positives.

    >>> calibration_ratio(score_sum=6.0, positives=4)
    1.5
    """
    return score_sum / positives if positives else Undefined("no_actual_positive")


SPEC = MetricSpec(
    "calibration_ratio",
    "float",
    "mean score divided by the rate of positives: 1 = calibrated, above 1 = scores too high",
    lambda s: calibration_ratio(from_fixed_point(s.score_sum_pos + s.score_sum_neg), s.positives),
    range=(0.0, None),
    source="mean(score) / mean(label)",
)
