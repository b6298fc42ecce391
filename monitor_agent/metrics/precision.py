"""Precision: the share of predicted positives that were positive."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval


def precision(tp: int, fp: int) -> float | Undefined:
    """tp / (tp + fp).

    Undefined (``no_predicted_positive``) without predicted positives; scikit-learn returns 0 and warns.
    Source: `sklearn.metrics.precision_score`.

    >>> precision(tp=3, fp=1)
    0.75
    >>> precision(tp=0, fp=0)
    Undefined(reason='no_predicted_positive')
    """
    return tp / (tp + fp) if tp + fp else Undefined("no_predicted_positive")


SPEC = MetricSpec(
    "precision",
    "ratio",
    "share of predicted positives that were positive",
    lambda s: precision(s.tp, s.fp),
    lambda s: wilson_interval(s.tp, s.tp + s.fp),
    bigger_is_better=True,
    source="sklearn.metrics.precision_score",
)
