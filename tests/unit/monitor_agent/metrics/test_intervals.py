"""Confidence intervals compared with scipy's, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitor_agent.metrics import ConfidenceInterval
from monitor_agent.metrics.auc_interval import auc_interval
from monitor_agent.metrics.f1 import f1, f1_interval
from monitor_agent.metrics.inverse_propensity import WeightSums, snips_interval
from monitor_agent.metrics.lift import lift
from monitor_agent.metrics.roc_auc import roc_auc
from monitor_agent.metrics.score_cells import LabelScores, score_cells
from monitor_agent.metrics.score_histogram import from_scores
from monitor_agent.metrics.wilson import wilson_interval


@pytest.mark.parametrize(("successes", "trials"), [(0, 30), (1, 1), (3, 400), (200, 385), (10_000, 10_000)])
def test_wilson_equals_scipy(successes: int, trials: int) -> None:
    """The interval of a proportion is scipy's Wilson interval."""
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    interval = wilson_interval(successes, trials)

    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def _coverage(truth: float, intervals: list[ConfidenceInterval]) -> float:
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


def test_auc_interval_covers_the_true_value() -> None:
    """With 20 positives among 1,000 the interval holds the true AUC in at least 90 % of the samples."""
    random = np.random.default_rng(1)
    truth = float(stats.norm.cdf(1.5 / np.sqrt(2)))
    intervals = []
    for _ in range(200):
        pos = from_scores(stats.norm.cdf(random.normal(1.5, 1, 20)))
        neg = from_scores(stats.norm.cdf(random.normal(0, 1, 980)))
        cells = score_cells(LabelScores(pos), LabelScores(neg))
        intervals.append(auc_interval(roc_auc(cells), cells.positives, cells.negatives))

    assert _coverage(truth, intervals) >= 0.9


def test_f1_interval_covers_the_true_value() -> None:
    """With about 30 clicks among 1,000 the interval holds the true F1 in at least 90 % of the samples."""
    random = np.random.default_rng(2)
    shares = [0.02, 0.01, 0.96, 0.01]
    counts = random.multinomial(1000, shares, 400).tolist()
    truth = f1(20, 10, 10)

    assert _coverage(truth, [f1_interval(tp, fp, fn) for tp, fp, _, fn in counts]) >= 0.9


def test_snips_interval_covers_the_true_value() -> None:
    """If rare items are clicked less, the weighted interval covers the rate of equal shares."""
    random = np.random.default_rng(3)
    rates, propensities = np.array([0.2, 0.05]), np.array([0.8, 0.2])
    intervals = []
    for _ in range(200):
        action = random.choice(2, 2000, p=propensities)
        clicks = random.random(2000) < rates[action]
        weights = 1 / propensities[action]
        squares = weights**2
        sums = WeightSums(weights.sum(), squares.sum(), weights[clicks].sum(), squares[clicks].sum())
        intervals.append(snips_interval(sums))

    assert _coverage(0.125, intervals) >= 0.9


class TestLift:
    def test_test_equals_chi_square(self) -> None:
        """The p-value of two shares is that of the 2 x 2 table without correction."""
        expected = stats.chi2_contingency([[60, 940], [40, 960]], correction=False).pvalue

        assert lift(60, 1000, 40, 1000).p_value == pytest.approx(expected, rel=1e-12)

    def test_ratio_interval_equals_scipy(self) -> None:
        """The interval of the relative lift is scipy's Katz interval of the relative risk, less 1."""
        expected = stats.contingency.relative_risk(60, 1000, 40, 900).confidence_interval()
        interval = lift(60, 1000, 40, 900).relative_interval

        assert (interval.low + 1, interval.high + 1) == pytest.approx((expected.low, expected.high), rel=1e-9)

    def test_difference_interval_covers_the_true_value(self) -> None:
        """The interval of the difference covers the true value in at least 92 % of the samples, for rare clicks too."""
        random = np.random.default_rng(4)
        pairs = zip(random.binomial(800, 0.03, 400).tolist(), random.binomial(600, 0.02, 400).tolist(), strict=True)

        intervals = [lift(candidate, 800, baseline, 600).difference_interval for candidate, baseline in pairs]
        assert _coverage(0.01, intervals) >= 0.92

    def test_zero_counts_have_a_difference_but_no_ratio(self) -> None:
        """Without clicks of the baseline the difference has an interval, and the ratio is undefined."""
        result = lift(5, 1000, 0, 1000)

        assert (result.relative, result.relative_interval) == (None, None)
        assert result.difference_interval.low < 0.005 < result.difference_interval.high
