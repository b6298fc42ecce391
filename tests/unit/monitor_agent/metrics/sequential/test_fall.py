"""The evidence of a fall: it adds up, allows for many looks, ends with the fall, and is a function of the windows."""

from __future__ import annotations

import numpy as np
import pytest

from monitor_agent.metrics.sequential.fall import FallEvidence, fall, limit_for
from monitor_agent.metrics.sequential.series import Floats, RateSeries, ValueSeries
from monitor_agent.metrics.sequential.typical import typical_rates, typical_values

LIMIT = limit_for(0.15, 365 * 24 * 12)


def rates(*hits: float, trials: float = 250.0, reference: float = 0.1) -> RateSeries:
    """Return five-minute windows against a rate that four weeks have measured."""
    count = np.ones(len(hits))
    return RateSeries(np.array(hits), trials * count, reference * count, 4 * trials * count)


def fall_of(series: RateSeries | ValueSeries) -> FallEvidence:
    """Return the fall of a series that has one."""
    result = fall(series, LIMIT)
    assert result is not None
    return result


def test_evidence_adds_up_over_windows_that_prove_nothing_alone() -> None:
    """A fall of 30 % is far from sure in one window, and sure after an hour and a half; the start is known."""
    single, many = fall_of(rates(*[25.0] * 100, 17.5)), fall_of(rates(*[25.0] * 100, *[17.5] * 18))

    assert (single.is_sure, many.is_sure) == (False, True)
    assert many.since == 100
    assert many.level.drop == pytest.approx(0.03)
    assert many.level.low < 0.03 < many.level.high


def test_clicks_that_stop_are_found_in_an_hour_of_500_predictions() -> None:
    """50 clicks an hour, and then none: no window has a positive, and that is the proof."""
    hour = 500 / 12
    steady = [hour / 10] * 100

    assert fall_of(rates(*steady, *[0.0] * 12, trials=hour)).is_sure
    assert fall(rates(*steady, trials=hour), LIMIT) is None or not fall_of(rates(*steady, trials=hour)).is_sure


def test_a_fall_that_is_over_is_over() -> None:
    """The windows since the recovery decide, however bad those before were."""
    bad = [25.0] * 100 + [17.5] * 50

    assert fall_of(rates(*bad)).is_sure
    assert fall_of(rates(*bad, 25.0)).is_sure
    recovered = fall(rates(*bad, *[25.0] * 12), LIMIT)
    assert recovered is None or not recovered.is_sure
    again = fall_of(rates(*bad, *[25.0] * 50, *[10.0] * 10))
    assert (again.is_sure, again.since) == (True, 200)


def test_a_few_predictions_prove_nothing() -> None:
    """Without a click among 40 predictions at a rate of 2 %, nothing is known."""
    result = fall(rates(*[0.0] * 40, trials=1.0, reference=0.02), LIMIT)

    assert result is None or result.evidence < 0.2


def test_an_uncertain_reference_makes_a_fall_less_sure() -> None:
    """The same counts against a reference of few predictions are weaker evidence."""
    windows, ones = np.full(20, 17.5), np.ones(20)
    exact, vague = (
        fall_of(RateSeries(windows, 250 * ones, 0.1 * ones, trials * ones)).evidence for trials in (1e6, 125.0)
    )

    assert vague < exact / 2


def test_an_auc_that_falls_is_found_in_the_second_hour() -> None:
    """0.75 to 0.60 with standard errors of 0.03."""
    values = np.array([0.75] * 20 + [0.6] * 3)
    series = ValueSeries(values, np.full(23, 0.03**2), np.full(23, 0.75), np.full(23, 0.0005), np.ones(23))

    result = fall_of(series)

    assert (result.is_sure, result.since) == (True, 20)
    assert result.level.drop == pytest.approx(0.15)


@pytest.mark.parametrize("trials", [25.0, 3000.0])
def test_chance_exceeds_a_limit_as_rarely_as_said(trials: float) -> None:
    """In 60 days without any trouble, at limits that chance exceeds often enough to be counted."""
    rng, slots = np.random.default_rng(7), 60 * 24 * 12
    counts = rng.poisson(trials, slots).astype(float)
    hits = rng.binomial(counts.astype(int), 0.1).astype(float)
    past = rng.poisson(48 * trials, slots // 12).astype(float)
    reference = rng.binomial(past.astype(int), 0.1) / past
    series = RateSeries(hits, counts, np.repeat(reference, 12), np.repeat(past / 12, 12))
    lags = np.concatenate((np.arange(1, 289), 288 + 12 * np.arange(1, 60)))
    evidence: list[Floats] = []
    for first in range(1100, slots, 400):
        ends = np.arange(first, min(first + 400, slots))[:, None] + np.zeros_like(lags)
        evidence.append(series.log_likelihood_ratio(ends - lags, ends).max(axis=1))
    exceeded = np.concatenate(evidence) > limit_for(26.0, 365 * 24 * 12)
    begun = np.count_nonzero(exceeded[1:] & ~exceeded[:-1])

    assert begun <= 12, "four are expected"


def test_one_bad_week_is_not_the_measure_of_the_next() -> None:
    """It is left out if three weeks agree; small numbers are not distorted."""
    trials = np.full((4, 2), 1000.0)
    hits = np.array([[100.0, 0.0], [20.0, 3.0], [104.0, 1.0], [96.0, 0.0]])

    typical = typical_rates(hits, trials)

    assert typical.rates.tolist() == pytest.approx([0.1, 0.001])
    assert typical.trials.tolist() == [3000.0, 4000.0]


def test_weeks_that_differ_by_more_than_chance_make_the_test_careful() -> None:
    """Visitors are not independent: the weeks say by how much."""
    rng = np.random.default_rng(3)
    trials = np.full((4, 300), 1000.0)
    clusters = 10.0 * rng.binomial(100, 0.1, (4, 300))

    assert 6 < typical_rates(clusters, trials).dispersion < 14
    assert typical_rates(rng.binomial(1000, 0.1, (4, 300)).astype(float), trials).dispersion < 1.3


def test_hours_without_any_week_have_no_reference() -> None:
    """They are not a number, never 0."""
    nothing = np.full((4, 1), np.nan)

    assert np.isnan(typical_rates(np.zeros((4, 1)), np.zeros((4, 1))).rates).all()
    assert np.isnan(typical_values(nothing, nothing)[0]).all()
    assert typical_values(np.array([[0.7], [np.nan], [0.2], [0.72]]), np.full((4, 1), 0.01))[0].tolist() == [0.7]
