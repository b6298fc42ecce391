"""The curves of multiclass predictions and of regressions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from monitor_agent.metrics import WindowState
from monitor_agent.pipeline.kind_curves import class_points, confusion_points, error_points
from tests.unit.monitor_agent.metrics.kind_states import CLASSES, class_data, class_state, number_state


def test_confusion_and_classes_equal_the_oracle() -> None:
    """One point for each pair of classes, and precision, recall and F1 of each class."""
    true, predicted, _ = class_data(2, 400)
    state = class_state(true, predicted)

    matrix = oracle.confusion_matrix(true, predicted, labels=CLASSES)
    for point in confusion_points(state):
        row, column = CLASSES.index(point["true_class"]), CLASSES.index(point["predicted_class"])
        assert point["n"] == matrix[row, column]
        assert point["share"] == pytest.approx(matrix[row, column] / matrix[row].sum())
    points = list(class_points(state))
    for name, score in (
        ("precision", oracle.precision_score),
        ("recall", oracle.recall_score),
        ("f1", oracle.f1_score),
    ):
        expected = score(true, predicted, labels=CLASSES, average=None)
        assert [point[name] for point in points] == pytest.approx(list(expected))


@pytest.mark.parametrize("errors", [[0.0], [3.0], [-0.25, 0.25], list(np.random.default_rng(1).normal(5, 20, 500))])
def test_each_error_is_in_one_bin(errors: list[float]) -> None:
    """The bins have one width and hold all errors, those far away in the first or the last bin."""
    values = np.array([*errors, 1e9] if len(errors) > 100 else errors)
    points = list(error_points(number_state(np.zeros(len(values)), values)))

    assert sum(point["n"] for point in points) == len(values)
    assert len(points) <= 40
    assert len({round(point["high"] - point["low"], 9) for point in points}) == 1
    assert sum(point["share"] for point in points) == pytest.approx(1.0)


def test_an_empty_window_has_no_points() -> None:
    """Binary predictions have none either."""
    for state in (WindowState(), WindowState(predictions=2, tp=1, fp=1)):
        assert [*confusion_points(state), *class_points(state), *error_points(state)] == []
