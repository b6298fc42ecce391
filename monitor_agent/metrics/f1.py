"""F1: the harmonic mean of precision and recall."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined


def f1(tp: int, fp: int, fn: int) -> float | Undefined:
    """2 tp / (2 tp + fp + fn).

    0 where precision or recall alone is undefined. Undefined (``no_positive``) when nothing is positive and nothing
    was predicted so. Source: `sklearn.metrics.f1_score`.

    >>> f1(tp=2, fp=1, fn=1)
    0.6666666666666666
    >>> f1(tp=0, fp=4, fn=0)
    0.0
    >>> f1(tp=0, fp=0, fn=0)
    Undefined(reason='no_positive')
    """
    denominator = 2 * tp + fp + fn
    return 2 * tp / denominator if denominator else Undefined("no_positive")


SPEC = MetricSpec(
    "f1",
    "ratio",
    "harmonic mean of precision and recall",
    lambda s: f1(s.tp, s.fp, s.fn),
    bigger_is_better=True,
    source="sklearn.metrics.f1_score",
)
