"""Top-k accuracy: the share of predictions whose true class is among the k highest scores."""

from __future__ import annotations

from functools import partial

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.kinds import SCORED, count_name
from monitor_agent.metrics.multiclass.class_averages import labelled_classes
from monitor_agent.metrics.wilson import wilson_interval
from monitor_agent.metrics.window_state import WindowState
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS

TOP = (3, 5)
"""The numbers k; the first place alone is the accuracy."""


def top_count(k: int) -> str:
    """Return the name of the count of predictions whose true class is among the k highest scores.

    >>> top_count(3)
    'multiclass.top_3'
    """
    return count_name(MULTICLASS, f"top_{k}")


def top_k_accuracy(state: WindowState, k: int) -> float | Undefined:
    """Return the share of scored predictions whose true class is among the k highest scores.

    Undefined (``no_scores``) if no prediction with a known class has scores. Source:
    `sklearn.metrics.top_k_accuracy_score`: of equal scores, the class that comes later in the order is the higher one.
    """
    scored = state.counts.get(SCORED, 0)
    return state.counts.get(top_count(k), 0) / scored if scored else Undefined("no_scores")


def _interval(state: WindowState, k: int) -> ConfidenceInterval | Undefined:
    return wilson_interval(state.counts.get(top_count(k), 0), state.counts.get(SCORED, 0))


SPECS = tuple(
    MetricSpec(
        f"top_{k}_accuracy",
        "ratio",
        f"share of predictions with scores whose true class is among the {k} highest scores",
        partial(top_k_accuracy, k=k),
        partial(_interval, k=k),
        bigger_is_better=True,
        source="sklearn.metrics.top_k_accuracy_score",
        samples=labelled_classes,
        of_kind=MULTICLASS,
    )
    for k in TOP
)
