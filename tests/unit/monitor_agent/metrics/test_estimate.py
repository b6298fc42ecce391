"""Estimates of metrics before labels arrive: from the logged predicted labels, over the predictions that were shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as oracle

from monitor_agent.metrics import WindowState, measure, merge
from monitor_agent.metrics.score_histogram import from_scores

from .states import Floats, state_of, unlabelled

NAMES = ("accuracy", "precision", "recall", "f1", "auc", "ctr")


def worlds(count: int, size: int, scale: float) -> Iterator[tuple[Floats, Floats]]:
    """Yield calibrated scores, and thresholds that differ between predictions."""
    random = np.random.default_rng(4)
    for _ in range(count):
        yield random.beta(0.8, 0.8 * scale, size), random.choice([0.1, 0.6], size)


def test_predicted_positives_are_the_logged_labels() -> None:
    """Two versions with thresholds of 0.9 and 0.1: the estimate of both is the sum of their own expected counts."""
    scores = (np.arange(100) + 0.5) / 100
    first, second = unlabelled(scores, 0.9), unlabelled(scores, 0.1)

    together = measure(merge(first, second))

    alone = {version: measure(state) for version, state in (("1", first), ("2", second))}
    assert alone["1"]["estimated_precision"] == pytest.approx(scores[scores >= 0.9].mean(), rel=1e-12)
    assert alone["2"]["estimated_precision"] == pytest.approx(scores[scores >= 0.1].mean(), rel=1e-12)
    positive = np.concatenate([scores[scores >= 0.9], scores[scores >= 0.1]])
    assert together["estimated_precision"] == pytest.approx(positive.mean(), rel=1e-12)
    assert together["estimated_recall"] == pytest.approx(positive.sum() / (2 * scores.sum()), rel=1e-12)
    assert together["estimated_ctr"] == pytest.approx(0.5, rel=1e-12)


def test_predictions_in_shadow_are_not_estimated() -> None:
    """Only shown predictions count; `estimated_auc_with_shadow` compares versions that nobody saw."""
    scores = np.array([0.1, 0.3, 0.8, 0.9])
    displayed = unlabelled(scores)
    shadow = replace(
        WindowState(), predictions=2, predicted_positive=2, scores_unknown=from_scores([0.6, 0.95]), score_sum=2**60
    )

    fields, unseen = measure(merge(displayed, shadow)), measure(shadow)

    assert [fields[f"estimated_{name}"] for name in NAMES] == [
        measure(displayed)[f"estimated_{name}"] for name in NAMES
    ]
    assert (unseen["estimated_f1"], unseen["estimated_f1_undefined"]) == (None, "no_impressions")
    assert 0.5 < unseen["estimated_auc_with_shadow"] < 1  # type: ignore[operator]


@pytest.mark.parametrize(("size", "scale"), [(60, 3.0), (2000, 30.0)])
def test_intervals_hold_the_measured_values(size: int, scale: float) -> None:
    """If scores are probabilities, at least 93 % of the intervals hold the value that the labels give."""
    random = np.random.default_rng(6)
    inside: dict[str, list[bool]] = {name: [] for name in NAMES}
    for scores, thresholds in worlds(250, size, scale):
        fields = measure(unlabelled(scores, thresholds))
        labels = (random.random(size) < scores).astype(np.int64)
        measured = measure(state_of(labels, scores, thresholds))
        for name in NAMES:
            low, value, high = fields[f"estimated_{name}_low"], measured[name], fields[f"estimated_{name}_high"]
            if value is not None:
                inside[name].append(low - 1e-9 <= value <= high + 1e-9)  # type: ignore[operator]

    coverage = {name: float(np.mean(values)) for name, values in inside.items()}
    assert min(coverage.values()) >= 0.93, coverage


def test_the_error_is_there_once_no_label_can_arrive() -> None:
    """It is the estimate minus the measured value; before, it is undefined."""
    scores, thresholds = next(worlds(1, 500, 3.0))
    labels = (np.random.default_rng(1).random(500) < scores).astype(np.int64)
    final = state_of(labels, scores, thresholds)
    half = merge(state_of(labels[:250], scores[:250], thresholds[:250]), unlabelled(scores[250:], thresholds[250:]))

    fields, early = measure(final), measure(half)

    exact = oracle.f1_score(labels, scores >= thresholds)
    assert fields["estimated_f1_error"] == pytest.approx(fields["estimated_f1"] - exact, rel=1e-12)  # type: ignore[operator]
    assert early["estimated_f1"] == pytest.approx(fields["estimated_f1"], rel=1e-12)
    assert (early["estimated_f1_error"], early["estimated_f1_error_undefined"]) == (None, "immature")


def test_a_window_that_an_earlier_release_counted_has_no_estimate() -> None:
    """Its state does not say which shown predictions were predicted positive; a backfill counts it again."""
    scores, thresholds = next(worlds(1, 100, 3.0))
    now = unlabelled(scores, thresholds)
    earlier = replace(now, estimable=0, scores_shown_unknown={}, scores_predicted_positive={})

    fields = measure(merge(earlier, now))

    assert fields["estimated_precision"] is None
    assert fields["estimated_precision_undefined"] == "earlier_release"
