"""Every metric against an independent implementation, on seeded data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as oracle

from monitor_agent.metrics import DURATION_EDGES, LogHistogram, WindowState, measure
from monitor_agent.metrics.log_histogram import RELATIVE_ERROR

from .states import Floats, Ints, clicks_and_scores, state_of

THRESHOLD = 0.2
Oracle = Callable[[Ints, Floats], float]


def _on_labels(score: Callable[..., float]) -> Oracle:
    return lambda labels, scores: score(labels, (scores >= THRESHOLD).astype(int))


ORACLES: dict[str, Oracle] = {
    "accuracy": _on_labels(oracle.accuracy_score),
    "precision": _on_labels(oracle.precision_score),
    "recall": _on_labels(oracle.recall_score),
    "f1": _on_labels(oracle.f1_score),
    "log_loss": lambda labels, scores: oracle.log_loss(labels, np.clip(scores, 1e-7, 1 - 1e-7), labels=[0, 1]),
    "brier": oracle.brier_score_loss,
    "ctr": lambda labels, _: float(labels.mean()),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ORACLES)
def test_equals_the_oracle(name: str, seed: int) -> None:
    """A metric that needs no histogram equals scikit-learn's to 1e-12."""
    labels, scores = clicks_and_scores(seed)

    assert ORACLES[name](labels, scores) == pytest.approx(measure(state_of(labels, scores, THRESHOLD))[name], rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [20, 200, 20_000])
def test_auc_stays_within_its_bound(seed: int, n: int) -> None:
    """The exact AUC lies within the stated bound of the histogram's, for few and for many predictions."""
    labels, scores = clicks_and_scores(seed, n)
    labels[:2] = [0, 1]
    fields = measure(state_of(labels, scores))

    error = abs(oracle.roc_auc_score(labels, scores) - fields["auc"])
    assert error <= fields["auc_error_bound"] + 1e-12


def test_auc_counts_ties_half() -> None:
    """A constant score has an AUC of one half, as in scikit-learn."""
    labels = np.array([0, 1, 1, 0, 0])

    assert oracle.roc_auc_score(labels, np.full(5, 0.3)) == measure(state_of(labels, np.full(5, 0.3)))["auc"]


@pytest.mark.parametrize(("name", "share"), [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99_9", 0.999)])
def test_percentile_is_within_the_stated_error(name: str, share: float) -> None:
    """A percentile of the response time is within 4.4 % of numpy's order statistic."""
    random = np.random.default_rng(7)
    nanoseconds = (random.lognormal(np.log(8e6), 1.0, 5000)).astype(np.int64)
    state = WindowState(duration=LogHistogram.from_values(nanoseconds.tolist(), DURATION_EDGES))

    exact = np.quantile(nanoseconds, share, method="inverted_cdf") / 1e6
    assert exact == pytest.approx(measure(state)[f"response_time_{name}"], rel=RELATIVE_ERROR)


def test_mean_response_time_is_exact() -> None:
    """The mean does not suffer from the buckets."""
    state = WindowState(duration=LogHistogram.from_values([1_500_000, 2_500_001], DURATION_EDGES))

    assert measure(state)["response_time"] == 2.0000005
