"""Builds states of multiclass predictions and of regressions, as the agent counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from monitor_agent.metrics import WindowState, to_fixed_point
from monitor_agent.metrics.multiclass.class_outcome import class_outcome
from monitor_agent.metrics.multiclass.confusion_matrix import MOST_CLASSES, OTHER_CLASSES, pair_name
from monitor_agent.metrics.regression.error_bins import error_bin
from monitor_agent.metrics.regression.error_means import percentage_error

from .states import Floats

CLASSES = ("boots", "hats", "other shoes", "sandals")


def class_state(
    true: Sequence[str],
    predicted: Sequence[str],
    scores: Sequence[Mapping[str, float]] = (),
    classes: Sequence[str] | None = None,
) -> WindowState:
    """Return the state of predictions that all were shown and whose class is known.

    Parameters
    ----------
    classes : those that are counted apart; None = all.
    """
    counts: Counter[str] = Counter({f"multiclass.{name}": len(true) for name in _COUNTED})
    counts["multiclass.hits"] = sum(a == b for a, b in zip(true, predicted, strict=True))
    confusion: Counter[str] = Counter()
    for pair in zip(true, predicted, strict=True):
        capped = [name if classes is None or name in classes else OTHER_CLASSES for name in pair]
        confusion[pair_name(*capped)] += 1
    outcomes = [class_outcome(row, name) for row, name in zip(scores, true, strict=bool(scores))]
    counts["multiclass.scored"] = len(outcomes)
    counts["multiclass.binned"] = sum(bool(outcome.binned) for outcome in outcomes)
    for k in (3, 5):
        counts[f"multiclass.top_{k}"] = sum(outcome.rank <= k for outcome in outcomes)
    losses = sum(to_fixed_point(outcome.log_loss) for outcome in outcomes)
    return WindowState(
        predictions=len(true),
        impressions=len(true),
        mature=len(true),
        counts={name: count for name, count in counts.items() if count},
        sums={"multiclass.log_loss": losses} if losses else {},
        confusion=dict(confusion),
        class_scores=dict(Counter(name for outcome in outcomes for name in outcome.binned)),
    )


_COUNTED = ("predictions", "impressions", "mature", "labelled")


def number_state(truth: Floats, value: Floats) -> WindowState:
    """Return the state of predicted numbers that all were shown and whose truth is known."""
    error = value - truth
    nonzero = np.array([percentage_error(*pair) is not None for pair in zip(value, truth, strict=True)], dtype=bool)
    shares = np.abs(error[nonzero] / truth[nonzero])
    sums = {
        "value": value,
        "over": error[error > 0],
        "under": -error[error < 0],
        "squared_error": error**2,
        "truth_above_zero": truth[truth > 0],
        "truth_below_zero": -truth[truth < 0],
        "squared_truth": truth**2,
        "percentage_error": shares,
        "squared_percentage_error": shares**2,
    }
    counts = {f"regression.{name}": len(truth) for name in _COUNTED} | {"regression.nonzero": int(nonzero.sum())}
    totals = {f"regression.{name}": sum(map(to_fixed_point, values.tolist())) for name, values in sums.items()}
    return WindowState(
        predictions=len(truth),
        impressions=len(truth),
        mature=len(truth),
        counts={name: count for name, count in counts.items() if count},
        sums={name: total for name, total in totals.items() if total},
        error_bins=dict(Counter(error_bin(number) for number in error.tolist())),
    )


def class_data(seed: int, n: int, classes: Sequence[str] = CLASSES) -> tuple[list[str], list[str], Floats]:
    """Return true classes, predicted classes and scores (n, classes) of a model that is often right; seeded."""
    random = np.random.default_rng(seed)
    logits = random.normal(0.0, 1.5, (n, len(classes))) + np.linspace(0.0, 1.0, len(classes))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = [classes[random.choice(len(classes), p=row)] for row in scores]
    return true, [classes[place] for place in scores.argmax(axis=1)], scores


def by_class(scores: Floats, classes: Sequence[str] = CLASSES) -> list[dict[str, float]]:
    """Return the scores of each prediction as an object of class: score."""
    return [dict(zip(classes, row, strict=True)) for row in scores.tolist()]


assert len(CLASSES) < MOST_CLASSES
