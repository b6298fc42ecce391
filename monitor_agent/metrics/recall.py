"""Recall: the share of positives that were predicted positive."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval


def recall(tp: int, fn: int) -> float | Undefined:
    """tp / (tp + fn).

    Undefined (``no_actual_positive``) without positives; scikit-learn returns 0 and warns.
    Source: `sklearn.metrics.recall_score`.

    >>> recall(tp=3, fn=1)
    0.75
    >>> recall(tp=0, fn=0)
    Undefined(reason='no_actual_positive')
    """
    return tp / (tp + fn) if tp + fn else Undefined("no_actual_positive")


SPEC = MetricSpec(
    "recall",
    "ratio",
    "share of positives that were predicted positive",
    lambda s: recall(s.tp, s.fn),
    lambda s: wilson_interval(s.tp, s.positives),
    bigger_is_better=True,
    source="sklearn.metrics.recall_score",
)
