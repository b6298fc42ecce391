"""Accuracy: the share of predictions with the right label."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.multiclass import class_averages
from monitor_agent.metrics.wilson import wilson_interval
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS


def accuracy(tp: int, fp: int, tn: int, fn: int) -> float | Undefined:
    """(tp + tn) / (tp + fp + tn + fn).

    Undefined (``no_samples``) if no prediction is labelled. Source: `sklearn.metrics.accuracy_score`.

    >>> accuracy(tp=3, fp=1, tn=5, fn=1)
    0.8
    """
    n = tp + fp + tn + fn
    return (tp + tn) / n if n else Undefined("no_samples")


SPEC = MetricSpec(
    "accuracy",
    "ratio",
    "share of predictions with the right label",
    lambda s: accuracy(s.tp, s.fp, s.tn, s.fn),
    lambda s: wilson_interval(s.tp + s.tn, s.n),
    bigger_is_better=True,
    source="sklearn.metrics.accuracy_score",
    of_classes=MetricSpec(
        "accuracy",
        "ratio",
        "share of predictions of the true class",
        class_averages.accuracy,
        class_averages.accuracy_interval,
        bigger_is_better=True,
        source="sklearn.metrics.accuracy_score",
        samples=class_averages.labelled_classes,
        of_kind=MULTICLASS,
    ),
)
