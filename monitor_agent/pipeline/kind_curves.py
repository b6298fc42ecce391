"""The points of curves of multiclass predictions and of regressions: confusion, classes, errors (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from monitor_agent.contracts.curve import CLASS, CONFUSION, ERROR
from monitor_agent.metrics import WindowState
from monitor_agent.metrics.multiclass.confusion_matrix import pair_of
from monitor_agent.metrics.regression.error_bins import sorted_errors
from monitor_agent.metrics.regression.error_quantiles import quantile

_STEPS = (1.0, 2.0, 5.0, 10.0)
_MOST_BINS = 40
"""Bins of the distribution of errors; errors beyond them are in the first and the last bin."""


def confusion_points(state: WindowState) -> Iterator[dict[str, Any]]:
    """Yield one point for each pair of a true and a predicted class that occurs, with its share of the true class."""
    actual: dict[str, int] = {}
    for name, count in state.confusion.items():
        true, _ = pair_of(name)
        actual[true] = actual.get(true, 0) + count
    for number, (name, count) in enumerate(sorted(state.confusion.items(), key=lambda entry: pair_of(entry[0]))):
        true, predicted = pair_of(name)
        yield {
            "curve": CONFUSION,
            "bin": number,
            "bin_label": f"{true} predicted as {predicted}",
            "true_class": true,
            "predicted_class": predicted,
            "n": count,
            "share": count / actual[true],
        }


def class_points(state: WindowState) -> Iterator[dict[str, Any]]:
    """Yield one point for each class: its counts against all others, precision, recall and F1.

    A value that is undefined is null, although it counts as 0 in the averages over classes.
    """
    if not state.confusion:
        return
    matrix = state.classes
    for number, name in enumerate(matrix.names):
        actual, chosen, hits = (int(counts[number]) for counts in (matrix.actual, matrix.chosen, matrix.hits))
        yield {
            "curve": CLASS,
            "bin": number,
            "bin_label": name,
            "true_class": name,
            "n": actual,
            "tp": hits,
            "fp": chosen - hits,
            "fn": actual - hits,
            "tn": int(matrix.n) - actual - chosen + hits,
            "precision": hits / chosen if chosen else None,
            "recall": hits / actual if actual else None,
            "f1": 2 * hits / (actual + chosen),
        }


def error_points(state: WindowState) -> Iterator[dict[str, Any]]:
    """Yield the bins of the distribution of errors, from the lowest to the highest one that is not empty.

    All bins have one width: 1, 2 or 5 times a power of ten, about a tenth of the range from the 5 % to the 95 %
    quantile. So windows with about the same errors have the same bins.
    """
    errors, counts = sorted_errors(state.error_bins)
    if not len(errors):
        return
    width = _width(quantile(errors, counts, 0.95) - quantile(errors, counts, 0.05) or abs(float(errors[-1])) or 1.0)
    middle = math.floor(quantile(errors, counts, 0.5) / width)
    half = _MOST_BINS // 2
    places = np.clip(np.floor(errors / width).astype(np.int64), middle - half, middle + half - 1)
    total = float(counts.sum())
    for number in range(int(places[0]), int(places[-1]) + 1):
        count = int(counts[places == number].sum())
        low, high = (float(f"{edge * width:.6g}") for edge in (number, number + 1))
        yield {
            "curve": ERROR,
            "bin": number - middle + half,
            "bin_label": f"{low:g} to {high:g}",
            "x": (low + high) / 2,
            "low": low,
            "high": high,
            "n": count,
            "share": count / total,
        }


def _width(spread: float) -> float:
    power = 10.0 ** math.floor(math.log10(spread / 10))
    return next(step for step in _STEPS if step * power >= spread / 10 or step == _STEPS[-1]) * power
