"""F-beta: precision and recall in one number; recall has beta times the weight of precision."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined


def fbeta(tp: int, fp: int, fn: int, beta: float) -> float | Undefined:
    """(1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp).

    Undefined (``no_positive``) if there is no positive and no predicted positive.
    Source: `sklearn.metrics.fbeta_score`.

    >>> fbeta(tp=2, fp=2, fn=0, beta=2.0)
    0.8333333333333334
    """
    if beta <= 0:
        raise ValueError(f"beta must be positive, not {beta}")
    gain = (1 + beta * beta) * tp
    denominator = gain + beta * beta * fn + fp
    return gain / denominator if denominator else Undefined("no_positive")


SPECS = (
    MetricSpec(
        "f0_5",
        "ratio",
        "F-beta with beta 0.5: precision weighs twice as much as recall",
        lambda s: fbeta(s.tp, s.fp, s.fn, 0.5),
        bigger_is_better=True,
        source="sklearn.metrics.fbeta_score",
    ),
    MetricSpec(
        "f2",
        "ratio",
        "F-beta with beta 2: recall weighs twice as much as precision",
        lambda s: fbeta(s.tp, s.fp, s.fn, 2.0),
        bigger_is_better=True,
        source="sklearn.metrics.fbeta_score",
    ),
)
