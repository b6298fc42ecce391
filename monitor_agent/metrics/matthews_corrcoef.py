"""MCC: the correlation of label and predicted label."""

from __future__ import annotations

import math

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.multiclass import class_averages
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS


def matthews_corrcoef(tp: int, fp: int, tn: int, fn: int) -> float | Undefined:
    """(tp tn - fp fn) / sqrt((tp + fp) (tp + fn) (tn + fp) (tn + fn)).

    Undefined (``one_class``, ``one_predicted_class``) if all labels or all predictions are equal; scikit-learn then
    returns 0. Source: `sklearn.metrics.matthews_corrcoef`.

    >>> matthews_corrcoef(tp=2, fp=0, tn=2, fn=0)
    1.0
    """
    if not tp + fn or not tn + fp:
        return Undefined("one_class")
    if not tp + fp or not tn + fn:
        return Undefined("one_predicted_class")
    return (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))


SPEC = MetricSpec(
    "mcc",
    "float",
    "Matthews correlation coefficient of label and predicted label",
    lambda s: matthews_corrcoef(s.tp, s.fp, s.tn, s.fn),
    bigger_is_better=True,
    range=(-1.0, 1.0),
    source="sklearn.metrics.matthews_corrcoef",
    of_classes=MetricSpec(
        "mcc",
        "float",
        "Matthews correlation coefficient of true and predicted class",
        class_averages.matthews_corrcoef,
        bigger_is_better=True,
        range=(-1.0, 1.0),
        source="sklearn.metrics.matthews_corrcoef",
        samples=class_averages.labelled_classes,
        of_kind=MULTICLASS,
    ),
)
