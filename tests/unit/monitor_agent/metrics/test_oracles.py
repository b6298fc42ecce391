"""All metrics of labels and scores, compared with scikit-learn's on seeded data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as oracle
from sklearn.isotonic import IsotonicRegression

from monitor_agent.contracts.prediction import LOG_LOSS_CLIP
from monitor_agent.metrics import DURATION_EDGES, LogHistogram, WindowState, isotonic_calibration, measure, merge_all
from monitor_agent.metrics.calibration_error import reliability_of
from monitor_agent.metrics.log_histogram import RELATIVE_ERROR
from monitor_agent.metrics.log_loss import CLIP
from monitor_agent.metrics.score_histogram import EDGES, from_scores, score_bins
from monitor_agent.metrics.threshold_sweep import CURVE_THRESHOLDS, threshold_sweep

from .states import Floats, Ints, clicks_and_scores, state_of

THRESHOLD = 0.2
Oracle = Callable[[Ints, Floats], float]


def _on_labels(score: Callable[..., float], **arguments: float) -> Oracle:
    return lambda labels, scores: score(labels, (scores >= THRESHOLD).astype(int), **arguments)


ORACLES: dict[str, Oracle] = {
    "accuracy": _on_labels(oracle.accuracy_score),
    "balanced_accuracy": _on_labels(oracle.balanced_accuracy_score),
    "precision": _on_labels(oracle.precision_score),
    "recall": _on_labels(oracle.recall_score),
    "specificity": _on_labels(oracle.recall_score, pos_label=0),
    "f1": _on_labels(oracle.f1_score),
    "f0_5": _on_labels(oracle.fbeta_score, beta=0.5),
    "f2": _on_labels(oracle.fbeta_score, beta=2.0),
    "mcc": _on_labels(oracle.matthews_corrcoef),
    "log_loss": lambda labels, scores: oracle.log_loss(labels, np.clip(scores, 1e-7, 1 - 1e-7), labels=[0, 1]),
    "brier": oracle.brier_score_loss,
    "calibration_ratio": lambda labels, scores: float(scores.mean() / labels.mean()),
    "ctr": lambda labels, _: float(labels.mean()),
    "score_mean": lambda _, scores: float(scores.mean()),
    "pr_auc": lambda labels, scores: oracle.average_precision_score(labels, score_bins(scores)),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ORACLES)
def test_equals_the_oracle(name: str, seed: int) -> None:
    """A metric equals scikit-learn's value to 1e-12."""
    labels, scores = clicks_and_scores(seed, 1500)

    expected = pytest.approx(ORACLES[name](labels, scores), rel=1e-12)
    assert measure(state_of(labels, scores, THRESHOLD))[name] == expected


def test_log_loss_has_the_clip_of_the_events() -> None:
    """The range of the metric belongs to the losses that the server logs."""
    assert CLIP == LOG_LOSS_CLIP


EXACT = {"auc": oracle.roc_auc_score, "pr_auc": oracle.average_precision_score}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [20, 200, 20_000])
@pytest.mark.parametrize("name", EXACT)
def test_histogram_metrics_stay_within_their_bound(name: str, n: int, seed: int) -> None:
    """The exact area is within the error bound of the histogram's area, for few and for many predictions."""
    labels, scores = clicks_and_scores(seed, n)
    labels[:2] = [0, 1]
    fields = measure(state_of(labels, scores))

    error = abs(EXACT[name](labels, scores) - fields[name])
    assert error <= fields[f"{name}_error_bound"] + 1e-12


@pytest.mark.parametrize("name", EXACT)
def test_ties_count_as_in_scikit_learn(name: str) -> None:
    """A constant score gives scikit-learn's value: an AUC of one half, a PR AUC of the rate of positives."""
    labels = np.array([0, 1, 1, 0, 0])

    assert measure(state_of(labels, np.full(5, 0.3)))[name] == EXACT[name](labels, np.full(5, 0.3))


@pytest.mark.parametrize(("name", "share"), [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99_9", 0.999)])
def test_percentile_is_within_the_documented_error(name: str, share: float) -> None:
    """A percentile of the response time is within 4.9 % of numpy's order statistic."""
    random = np.random.default_rng(7)
    nanoseconds = (random.lognormal(np.log(8e6), 1.0, 5000)).astype(np.int64)
    state = WindowState(duration=LogHistogram.from_values(nanoseconds.tolist(), DURATION_EDGES))

    exact = np.quantile(nanoseconds, share, method="inverted_cdf") / 1e6
    assert exact == pytest.approx(measure(state)[f"response_time_{name}"], rel=RELATIVE_ERROR)


@pytest.mark.parametrize("q", [0.0, 0.3, 0.5, 0.95, 1.0])
@pytest.mark.parametrize(("low", "high"), [(0, 2_000), (1_000, 30_000), (10**9, 9 * 10**11)])
def test_percentiles_of_very_short_and_very_long_times_are_near(low: int, high: int, q: float) -> None:
    """Outside the edges the error is 4.9 % too; below a microsecond it is less than 10 nanoseconds."""
    nanoseconds = np.random.default_rng(3).integers(low, high, 500)
    times = LogHistogram.from_values(nanoseconds.tolist(), DURATION_EDGES)

    exact = float(np.quantile(nanoseconds, q, method="inverted_cdf"))
    assert times.quantile(q, DURATION_EDGES) == pytest.approx(exact, rel=RELATIVE_ERROR, abs=10 if exact < 1000 else 0)


def test_a_percentile_beyond_all_buckets_is_undefined() -> None:
    """The reason says on which side it lies; the maximum itself is known."""
    state = WindowState(duration=LogHistogram.from_values([10**9, 10**13, 10**13, 2 * 10**13], DURATION_EDGES))
    of_an_earlier_release = WindowState(duration=LogHistogram({0: 3}, 4800, 1400, 1800))

    fields, earlier = measure(state), measure(of_an_earlier_release)

    assert (fields["response_time_p50"], fields["response_time_p50_undefined"]) == (None, "above_last_edge")
    assert fields["response_time_p99"] == 2e7
    assert (earlier["response_time_p50"], earlier["response_time_p50_undefined"]) == (None, "below_first_edge")


def test_mean_response_time_is_exact() -> None:
    """The buckets do not change the mean."""
    state = WindowState(duration=LogHistogram.from_values([1_500_000, 2_500_001], DURATION_EDGES))

    assert measure(state)["response_time"] == 2.0000005


def test_sweep_equals_counting_again_at_each_threshold() -> None:
    """The counts at each threshold of the curve equal those of the single scores."""
    labels, scores = clicks_and_scores(4)
    points = threshold_sweep(from_scores(scores[labels == 1]), from_scores(scores[labels == 0]))

    for threshold, point in zip(CURVE_THRESHOLDS, points, strict=True):
        expected = oracle.confusion_matrix(labels, scores >= threshold, labels=[0, 1]).ravel().tolist()
        assert [point.tn, point.fp, point.fn, point.tp] == expected


def test_best_f1_equals_a_search_over_all_thresholds() -> None:
    """The best F1 is the highest of all thresholds, and equals the F1 at its threshold."""
    labels, scores = clicks_and_scores(5, 800)
    fields = measure(state_of(labels, scores))
    bins = np.unique(score_bins(scores))
    f1_scores = [oracle.f1_score(labels, scores >= EDGES[index], zero_division=0) for index in bins]

    assert fields["best_f1"] == pytest.approx(max(f1_scores), rel=1e-12)
    best = oracle.f1_score(labels, scores >= fields["best_f1_threshold"], zero_division=0)
    assert fields["best_f1"] == pytest.approx(best, rel=1e-12)


class TestCalibration:
    def test_bins_have_equal_mass_and_cover_all(self) -> None:
        """Ten bins have about a tenth of the predictions each, and together all predictions and clicks."""
        labels, scores = clicks_and_scores(5)
        points = reliability_of(state_of(labels, scores))

        assert (sum(point.n for point in points), sum(point.positives for point in points)) == (4000, labels.sum())
        assert all(300 <= point.n <= 500 for point in points)

    def test_error_equals_that_of_the_single_scores(self) -> None:
        """ECE from the histogram is within 0.0005 of ECE from the scores in the same bins."""
        labels, scores = clicks_and_scores(5)
        state = state_of(labels, scores)
        exact = 0.0
        for point in reliability_of(state):
            inside = (scores >= point.low) & (scores < point.high)
            exact += inside.mean() * abs(labels[inside].mean() - scores[inside].mean())

        assert measure(state)["ece"] == pytest.approx(exact, abs=5e-4)

    def test_isotonic_fit_equals_scikit_learn(self) -> None:
        """The probability of each bin with labels equals that of isotonic regression."""
        labels, scores = clicks_and_scores(6)
        bins = score_bins(scores)
        fit = isotonic_calibration(from_scores(scores[labels == 1]), from_scores(scores[labels == 0]))

        expected = IsotonicRegression().fit(bins, labels).predict(bins)
        assert np.asarray(fit.probabilities)[bins] == pytest.approx(expected, abs=1e-12)


class TestEstimate:
    def test_is_near_the_truth_for_calibrated_scores(self) -> None:
        """The estimate without labels is within 0.02 of the metric with labels."""
        random = np.random.default_rng(8)
        scores = random.beta(0.6, 6.0, 50_000)
        labels = (random.random(50_000) < scores).astype(np.int64)
        fields = measure(state_of(labels, scores, THRESHOLD))

        for name in ("accuracy", "precision", "recall", "f1", "auc", "ctr"):
            assert fields[f"estimated_{name}"] == pytest.approx(fields[name], abs=0.02)

    def test_calibration_corrects_scores_that_are_no_probabilities(self) -> None:
        """With a calibration from earlier windows the estimate is right, though raw scores are three times too high."""
        labels, scores = clicks_and_scores(9, 40_000)
        inflated = np.minimum(1.0, scores * 3)
        past, now = slice(0, 20_000), slice(20_000, None)
        earlier, later = state_of(labels[past], inflated[past]), state_of(labels[now], inflated[now])
        fit = isotonic_calibration(earlier.scores_pos, earlier.scores_neg)

        assert abs(measure(later)["estimated_ctr_error"]) > 0.1
        assert abs(measure(later, calibration=fit)["estimated_ctr_error"]) < 0.01


class TestLogLossWithoutLoggedLosses:
    """Events of other servers may have no `prediction.log_loss_1` and `_0`."""

    @staticmethod
    def state(labels: Ints, scores: Floats, logged: npt.NDArray[np.bool_]) -> WindowState:
        """Return the state of predictions of which only some carry their losses."""
        with_loss = state_of(labels[logged], scores[logged])
        return replace(
            state_of(labels, scores),
            log_loss_pos=with_loss.log_loss_pos,
            log_loss_neg=with_loss.log_loss_neg,
            scores_pos_without_loss=from_scores(scores[~logged & (labels == 1)]),
            scores_neg_without_loss=from_scores(scores[~logged & (labels == 0)]),
        )

    @pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
    def test_is_within_its_bound_of_the_exact_value(self, share: float) -> None:
        """The bound is small, and zero if all events carry their losses."""
        labels, scores = clicks_and_scores(5, 2000)
        scores[:4] = [0.0, 1.0, 3e-7, 0.9999999]
        logged = np.random.default_rng(1).random(2000) < share

        fields = measure(self.state(labels, scores, logged))

        exact = oracle.log_loss(labels, np.clip(scores, CLIP, 1 - CLIP), labels=[0, 1])
        bound = fields["log_loss_error_bound"]
        assert isinstance(bound, float)
        assert bound == 0.0 if share == 1.0 else 0.0 < bound < 0.005
        assert abs(fields["log_loss"] - exact) <= bound + 1e-12  # type: ignore[operator]

    def test_windows_with_and_without_losses_merge(self) -> None:
        """The merged window has the value and the bound of all predictions counted together."""
        labels, scores = clicks_and_scores(6, 900)
        logged = np.arange(900) % 3 > 0
        pieces = [self.state(labels[i::7], scores[i::7], logged[i::7]) for i in range(7)]

        whole, merged = (measure(state) for state in (self.state(labels, scores, logged), merge_all(pieces)))

        for name in ("log_loss", "log_loss_error_bound"):
            assert merged[name] == pytest.approx(whole[name], rel=1e-12)

    def test_no_label_is_no_loss(self) -> None:
        """Value and bound are null together."""
        fields = measure(WindowState(predictions=3))

        assert fields["log_loss"] is fields["log_loss_error_bound"] is None
        assert fields["log_loss_undefined"] == fields["log_loss_error_bound_undefined"] == "no_samples"
