"""Balanced accuracy: the mean of recall and specificity."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.multiclass import class_averages
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS


def balanced_accuracy(tp: int, fp: int, tn: int, fn: int) -> float | Undefined:
    """(tp / (tp + fn) + tn / (tn + fp)) / 2.

    Undefined (``one_class``) if a class is missing; scikit-learn then returns the recall of the
    present class and warns. Source: `sklearn.metrics.balanced_accuracy_score`.

    >>> balanced_accuracy(tp=1, fp=1, tn=3, fn=1)
    0.625
    """
    if not tp + fn or not tn + fp:
        return Undefined("one_class")
    return (tp / (tp + fn) + tn / (tn + fp)) / 2


SPEC = MetricSpec(
    "balanced_accuracy",
    "ratio",
    "mean of recall and specificity",
    lambda s: balanced_accuracy(s.tp, s.fp, s.tn, s.fn),
    bigger_is_better=True,
    source="sklearn.metrics.balanced_accuracy_score",
    of_classes=MetricSpec(
        "balanced_accuracy",
        "ratio",
        "mean recall of the true classes",
        class_averages.balanced_accuracy,
        class_averages.balanced_accuracy_interval,
        bigger_is_better=True,
        source="sklearn.metrics.balanced_accuracy_score",
        samples=class_averages.labelled_classes,
        of_kind=MULTICLASS,
    ),
)
