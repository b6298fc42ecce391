"""Calibration and threshold, compared with exact results and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from model_server.training import calibration


def make_scores(rows: int = 20_000, rate: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Return log-odds, and random labels with exactly these odds."""
    random = np.random.default_rng(7)
    logits = random.normal(np.log(rate / (1 - rate)), 1.5, rows)
    return logits, (random.random(rows) < calibration.sigmoid(logits)).astype(np.float32)


def test_platt_undoes_scale_and_shift() -> None:
    """Log-odds that were scaled and shifted, as class weights do, get their original values."""
    logits, labels = make_scores()

    fitted = calibration.fit_platt(3.0 * logits + 5.0, labels)

    assert fitted.slope == pytest.approx(1 / 3, rel=0.1)
    assert fitted(3.0 * logits + 5.0).mean() == pytest.approx(labels.mean(), rel=0.01)


def test_a_model_without_skill_gets_the_base_rate() -> None:
    """Log-odds in reverse order become about the base rate; their order is never reversed."""
    logits, labels = make_scores()

    fitted = calibration.fit_platt(-logits, labels)

    assert fitted.slope == calibration.MIN_SLOPE
    assert fitted(-logits).mean() == pytest.approx(labels.mean(), rel=0.01)
    assert fitted(-logits).std() < labels.mean()


def test_the_threshold_has_the_best_f1() -> None:
    """No other threshold with the same limits has a better F1."""
    logits, labels = make_scores()
    scores = calibration.sigmoid(logits)

    threshold = calibration.best_f1_threshold(scores, labels)

    chosen = metrics.f1_score(labels, scores >= threshold)
    f1_scores = [metrics.f1_score(labels, scores >= cut) for cut in np.quantile(scores, np.linspace(0.5, 0.99, 40))]
    assert chosen >= max(f1_scores) - 1e-12


def test_the_threshold_does_not_flag_everything() -> None:
    """If scores are random, the threshold still flags some examples, but not most of them."""
    random = np.random.default_rng(3)
    scores, labels = random.random(5000), (random.random(5000) < 0.004).astype(np.float32)

    threshold = calibration.best_f1_threshold(scores, labels)

    assert 0 < (scores >= threshold).mean() <= calibration.MAX_FLAGGED
