"""F1: the harmonic mean of precision and recall."""

from __future__ import annotations

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval


def f1(tp: int, fp: int, fn: int) -> float | Undefined:
    """2 tp / (2 tp + fp + fn).

    The value is 0 if only precision or only recall is undefined. Undefined (``no_positive``) if there is no positive
    and no predicted positive. Source: `sklearn.metrics.f1_score`.

    >>> f1(tp=2, fp=1, fn=1)
    0.6666666666666666
    >>> f1(tp=0, fp=4, fn=0)
    0.0
    >>> f1(tp=0, fp=0, fn=0)
    Undefined(reason='no_positive')
    """
    denominator = 2 * tp + fp + fn
    return 2 * tp / denominator if denominator else Undefined("no_positive")


def f1_interval(tp: int, fp: int, fn: int) -> ConfidenceInterval | Undefined:
    """Return the 95 % interval of F1: Wilson's interval of the Jaccard index, converted to F1.

    For a given ``tp + fp + fn``, ``tp`` is binomial with the Jaccard index ``j = tp / (tp + fp + fn)`` as its share.
    ``F1 = 2 j / (1 + j)`` rises with ``j``, so the ends of the interval of ``j`` give the ends of the interval of F1.

    Undefined (``no_positive``) if `f1` is undefined. Source: `wilson_interval`.

    >>> interval = f1_interval(tp=20, fp=10, fn=10)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.521, 0.786)
    """
    jaccard = wilson_interval(tp, tp + fp + fn)
    if isinstance(jaccard, Undefined):
        return Undefined("no_positive")
    return ConfidenceInterval(2 * jaccard.low / (1 + jaccard.low), 2 * jaccard.high / (1 + jaccard.high))


SPEC = MetricSpec(
    "f1",
    "ratio",
    "harmonic mean of precision and recall",
    lambda s: f1(s.tp, s.fp, s.fn),
    lambda s: f1_interval(s.tp, s.fp, s.fn),
    bigger_is_better=True,
    source="sklearn.metrics.f1_score",
)
