"""One-vs-rest AUC: the mean over classes of the AUC of their scores, from bins of scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.auc_interval import auc_interval
from monitor_agent.metrics.kinds import BINNED, SCORED
from monitor_agent.metrics.multiclass.class_averages import labelled_classes
from monitor_agent.metrics.multiclass.class_scores import LAST_BIN, ClassScores, scores_by_class
from monitor_agent.metrics.window_state import WindowState
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS


class ClassArea(NamedTuple):
    """The AUC of one class against all others.

    Attributes
    ----------
    area : the AUC.
    bound : its largest possible error.
    interval : its 95 % interval.
    """

    area: float
    bound: float
    interval: ConfidenceInterval


def class_area(scores: ClassScores) -> ClassArea | None:
    """Return the AUC of one class; None if it is never the truth, or always.

    Source: `sklearn.metrics.roc_auc_score`. Pairs of one bin count half; equal scores of 0 or 1 cause no error.
    """
    positives, negatives = scores
    pairs = float(positives.sum()) * float(negatives.sum())
    if not pairs:
        return None
    below = np.cumsum(negatives) - negatives
    shared = positives * negatives
    area = float(np.sum(positives * below + shared / 2)) / pairs
    bound = float(np.sum(shared[1:LAST_BIN])) / (2 * pairs)
    interval = auc_interval(area, positives, negatives)
    assert isinstance(interval, ConfidenceInterval)  # both labels are there
    return ClassArea(area, bound, interval)


def class_areas(state: WindowState) -> Iterator[tuple[str, ClassArea]]:
    """Yield each class that is sometimes the truth, and sometimes not, with its AUC."""
    for name, scores in scores_by_class(state.class_scores, state.counts.get(BINNED, 0)).items():
        area = class_area(scores)
        if area is not None:
            yield name, area


def mean_over_classes(state: WindowState, number: Callable[[ClassArea], float]) -> float | Undefined:
    """Return the mean of one number of the areas over the classes.

    Undefined: ``no_scores`` if no prediction has scores; ``too_many_classes`` if they have scores of more classes than
    are counted; ``one_class`` if all predictions are of one class.
    """
    if not state.counts.get(SCORED, 0):
        return Undefined("no_scores")
    if not state.counts.get(BINNED, 0):
        return Undefined("too_many_classes")
    numbers = [number(area) for _, area in class_areas(state)]
    return float(np.mean(numbers)) if numbers else Undefined("one_class")


def _interval(state: WindowState) -> ConfidenceInterval | Undefined:
    low = mean_over_classes(state, lambda area: area.interval.low)
    high = mean_over_classes(state, lambda area: area.interval.high)
    if isinstance(low, Undefined) or isinstance(high, Undefined):
        return Undefined("one_class")
    return ConfidenceInterval(low, high)


SPECS = (
    MetricSpec(
        "roc_auc_ovr",
        "ratio",
        "mean over classes of the AUC of a class against all others; classes that are never the truth are left out. "
        "The ends of its interval are the means of the ends of the classes: it is rather too wide",
        lambda state: mean_over_classes(state, lambda area: area.area),
        _interval,
        bigger_is_better=True,
        source="sklearn.metrics.roc_auc_score, multi_class='ovr', average='macro'",
        samples=labelled_classes,
        of_kind=MULTICLASS,
    ),
    MetricSpec(
        "roc_auc_ovr_error_bound",
        "ratio",
        "largest possible error of roc_auc_ovr: it is computed from bins of scores, about 5 % wide",
        lambda state: mean_over_classes(state, lambda area: area.bound),
        bigger_is_better=False,
        range=(0.0, 0.5),
        source="half the share of pairs in one bin",
        samples=labelled_classes,
        of_kind=MULTICLASS,
    ),
)
