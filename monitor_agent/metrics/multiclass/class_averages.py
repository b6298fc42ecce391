"""Precision, recall and F1 of all classes together: their macro, micro and weighted averages, with intervals.

The interval of an average comes from the delta method: the standard error of a smooth function of the multinomial
counts of the cells. It is converted to an effective number of predictions, for which Wilson's interval is taken. So it
stays in [0, 1], and its width is not 0 if all predictions are right.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.multiclass.confusion_matrix import ConfusionMatrix, Floats
from monitor_agent.metrics.wilson import wilson_interval
from monitor_agent.metrics.window_state import WindowState
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS

Influence = Callable[[ConfusionMatrix], Floats]
"""How much one more prediction in each cell changes an average, times the number of predictions; shape (cells,)."""


def micro(matrix: ConfusionMatrix) -> float:
    """Return the share of right predictions: micro precision, recall and F1 are all equal to the accuracy."""
    return float(matrix.hits.sum()) / matrix.n


def macro(values: Floats) -> float:
    """Return the mean over classes; a class without a value counts as 0, as with scikit-learn's ``zero_division=0``.

    >>> macro(np.array([1.0, 0.5]))
    0.75
    """
    return float(values.mean())


def weighted(values: Floats, matrix: ConfusionMatrix) -> float:
    """Return the mean over classes, weighted by the number of their predictions."""
    return float(values @ matrix.actual) / matrix.n


def delta_interval(matrix: ConfusionMatrix, value: float, influence: Floats, least: float) -> ConfidenceInterval:
    """Return the 95 % interval of an average.

    Parameters
    ----------
    influence : of each cell; shape (cells,).
    least : the effective number of predictions if the standard error is 0.

    Source: A. Agresti, "Categorical Data Analysis", 3rd edition, section 16.1.2 (delta method).
    """
    shares = matrix.counts / matrix.n
    centred = influence - float(shares @ influence)
    variance = float(shares @ centred**2) / matrix.n
    effective = value * (1 - value) / variance if variance > 1e-15 and 0 < value < 1 else least
    interval = wilson_interval(value * effective, effective)
    assert isinstance(interval, ConfidenceInterval)  # there are predictions
    return interval


def equal_weights(matrix: ConfusionMatrix, sizes: Floats) -> float:
    """Return the effective number of predictions of a mean over classes, if all classes have the same value."""
    present = sizes[sizes > 0]
    return float(len(matrix.names) ** 2 / np.sum(1 / present))


def influence_of_precision(matrix: ConfusionMatrix) -> Floats:
    """Return the influence of each cell on the precision of its predicted class; shape (cells,)."""
    return (matrix.right - matrix.precision[matrix.predicted]) / _share(matrix, matrix.chosen)[matrix.predicted]


def influence_of_recall(matrix: ConfusionMatrix) -> Floats:
    """Return the influence of each cell on the recall of its true class; shape (cells,)."""
    return (matrix.right - matrix.recall[matrix.true]) / _share(matrix, matrix.actual)[matrix.true]


def influence_of_f1(matrix: ConfusionMatrix, weights: Floats) -> Floats:
    """Return the influence of each cell on the weighted sum of the F1 of its two classes; shape (cells,)."""
    falling = matrix.f1 * weights / _share(matrix, matrix.actual + matrix.chosen)
    rising = 2 * weights / _share(matrix, matrix.actual + matrix.chosen)
    return matrix.right * rising[matrix.true] - falling[matrix.true] - falling[matrix.predicted]


def _share(matrix: ConfusionMatrix, counts: Floats) -> Floats:
    shares: Floats = np.where(counts > 0, counts, 1.0) / matrix.n
    return shares


def _macro_influence(name: str, matrix: ConfusionMatrix) -> Floats:
    classes = len(matrix.names)
    if name == "precision":
        return influence_of_precision(matrix) / classes
    if name == "recall":
        return influence_of_recall(matrix) / classes
    return influence_of_f1(matrix, np.full(classes, 1 / classes))


def _weighted_influence(name: str, matrix: ConfusionMatrix) -> Floats:
    actual = matrix.actual / matrix.n
    if name == "precision":
        return matrix.precision[matrix.true] + actual[matrix.predicted] * influence_of_precision(matrix)
    if name == "recall":
        return matrix.right.astype(np.float64)
    return matrix.f1[matrix.true] + influence_of_f1(matrix, actual)


def _value(state: WindowState, name: str, average: str) -> float:
    matrix = state.classes
    if average == "micro":
        return micro(matrix)
    values: Floats = getattr(matrix, name)
    return macro(values) if average == "macro" else weighted(values, matrix)


def _interval(state: WindowState, name: str, average: str) -> ConfidenceInterval | Undefined:
    matrix, value = state.classes, _value(state, name, average)
    if average == "micro":
        return wilson_interval(float(matrix.hits.sum()), matrix.n)
    if average == "weighted":
        return delta_interval(matrix, value, _weighted_influence(name, matrix), matrix.n)
    sizes = matrix.chosen if name == "precision" else matrix.actual
    return delta_interval(matrix, value, _macro_influence(name, matrix), equal_weights(matrix, sizes))


def labelled_classes(state: WindowState) -> int:
    """Return the number of predictions with a known class."""
    return sum(state.confusion.values())


_MEANINGS = {
    "precision": "share of the predictions of a class that are right",
    "recall": "share of a class that is predicted",
    "f1": "harmonic mean of precision and recall of a class",
}
_AVERAGES = {
    "macro": "mean over classes",
    "micro": "over all predictions, which is the accuracy",
    "weighted": "mean over classes, weighted by their size",
}

AVERAGES = tuple(
    MetricSpec(
        f"{name}_{average}",
        "ratio",
        f"{meaning}: {how}",
        partial(_value, name=name, average=average),
        partial(_interval, name=name, average=average),
        bigger_is_better=True,
        source=f"sklearn.metrics.{name}_score, average='{average}', zero_division=0",
        samples=labelled_classes,
        of_kind=MULTICLASS,
    )
    for name, meaning in _MEANINGS.items()
    for average, how in _AVERAGES.items()
)


def accuracy(state: WindowState) -> float:
    """Return the share of predictions of the true class. Source: `sklearn.metrics.accuracy_score`."""
    return micro(state.classes)


def accuracy_interval(state: WindowState) -> ConfidenceInterval | Undefined:
    """Return Wilson's interval of the accuracy."""
    return wilson_interval(float(state.classes.hits.sum()), state.classes.n)


def balanced_accuracy(state: WindowState) -> float | Undefined:
    """Return the mean recall over the true classes; undefined (``one_class``) if there is only one.

    Source: `sklearn.metrics.balanced_accuracy_score`, which leaves out classes that are never the truth, too.
    """
    matrix = state.classes
    present = matrix.actual > 0
    if present.sum() < 2:
        return Undefined("one_class")
    return float(matrix.recall[present].mean())


def balanced_accuracy_interval(state: WindowState) -> ConfidenceInterval | Undefined:
    """Return the 95 % interval of `balanced_accuracy`."""
    value, matrix = balanced_accuracy(state), state.classes
    if isinstance(value, Undefined):
        return value
    present = int((matrix.actual > 0).sum())
    least = equal_weights(matrix, matrix.actual) * (present / len(matrix.names)) ** 2
    return delta_interval(matrix, value, influence_of_recall(matrix) / present, least)


def matthews_corrcoef(state: WindowState) -> float | Undefined:
    """Return the correlation of true and predicted class.

    Undefined (``one_class``, ``one_predicted_class``) if all truths or all predictions are equal; scikit-learn then
    returns 0. Undefined (``too_many_classes``) if classes that are counted together are taken for each other: their
    sizes are not known.
    Source: `sklearn.metrics.matthews_corrcoef`; J. Gorodkin, "Comparing two K-category assignments by a K-category
    correlation coefficient", Computational Biology and Chemistry 28 (2004).
    """
    matrix = state.classes
    n, actual, chosen = matrix.n, matrix.actual, matrix.chosen
    if (actual > 0).sum() < 2:
        return Undefined("one_class")
    if (chosen > 0).sum() < 2:
        return Undefined("one_predicted_class")
    if matrix.counts[(matrix.true == matrix.predicted) & ~matrix.right].sum():
        return Undefined("too_many_classes")
    covariance = float(matrix.hits.sum()) * n - float(actual @ chosen)
    spread = (n * n - float(actual @ actual)) * (n * n - float(chosen @ chosen))
    return float(covariance / np.sqrt(spread))
