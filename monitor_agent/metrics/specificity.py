"""Specificity: the share of negatives that were predicted negative."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval


def specificity(tn: int, fp: int) -> float | Undefined:
    """tn / (tn + fp).

    Undefined (``no_actual_negative``) without negatives.
    Source: `sklearn.metrics.recall_score` with ``pos_label=0``.

    >>> specificity(tn=3, fp=1)
    0.75
    """
    return tn / (tn + fp) if tn + fp else Undefined("no_actual_negative")


SPEC = MetricSpec(
    "specificity",
    "ratio",
    "share of negatives that were predicted negative",
    lambda s: specificity(s.tn, s.fp),
    lambda s: wilson_interval(s.tn, s.negatives),
    bigger_is_better=True,
    source="sklearn.metrics.recall_score, pos_label=0",
)
