"""Data quality of features: what breaks, what is chance, and what is not measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor_agent.metrics.data_quality import (
    FeatureCounts,
    QualityCheck,
    UsualValues,
    age_bin,
    age_quantile,
    constant_check,
    merge_counts,
    missing_check,
    new_category_check,
    out_of_range_check,
    stale_check,
    wrong_type_check,
)
from monitor_agent.metrics.drift import CategoricalReference, NumericReference, NumericSample
from monitor_agent.pipeline.broken_features import GROSS

USUAL = UsualValues(predictions=20_000, missing=2_000)
NO_POOL: frozenset[str] = frozenset()


def hour(**counts: Any) -> FeatureCounts:
    """Return the counts of an hour of a thousand predictions, each of its own request."""
    return replace(FeatureCounts(1000, 1000), **counts)


def test_a_share_has_its_interval_and_its_reference() -> None:
    """A third is missing where the reference lacks a tenth: that is not chance; a tenth more is."""
    check = missing_check(hour(missing=340), USUAL)

    assert (check.share, check.reference, check.is_broken) == (0.34, 0.1, True)
    assert check.interval is not None
    assert check.interval.low < 0.34 < check.interval.high
    assert missing_check(hour(missing=120), USUAL).is_broken is False


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (missing_check(FeatureCounts(99, 99, 99), USUAL), "insufficient_data"),
        (missing_check(FeatureCounts(), USUAL), "insufficient_data"),
        (out_of_range_check(hour(missing=1000), NumericReference.from_values([1.0, 2.0])), "no_values"),
        (new_category_check(hour(), CategoricalReference({"a": 9}), UsualValues(9)), "too_many_categories"),
        (stale_check(hour(), USUAL), "not_logged"),
        (stale_check(FeatureCounts(1000, 1000, ages={5: 1000}), USUAL), "no_reference"),
    ],
)
def test_what_is_not_measured_has_a_reason_and_no_share(check: QualityCheck, reason: str) -> None:
    """Few predictions, no values, no dictionary, no ages: never 0."""
    assert (check.share, check.is_broken, check.undefined) == (None, None, reason)


def test_without_a_reference_there_is_a_share_but_no_verdict() -> None:
    """A reference of unknown size cannot be compared with."""
    check = missing_check(hour(missing=900), UsualValues())

    assert (check.share, check.reference, check.is_broken, check.undefined) == (0.9, None, None, "no_reference")


def test_predictions_of_one_request_count_once() -> None:
    """Ten items of each of 20 requests lack the visitor's feature: that may be chance, unlike 200 requests."""
    usual = UsualValues(200_000, 6_000)

    assert missing_check(FeatureCounts(200, 200, missing=40), usual).is_broken is True
    assert missing_check(FeatureCounts(200, 20, missing=40), usual).is_broken is False


def test_a_feature_that_stops_to_vary_is_constant() -> None:
    """A rare flag may be 0 for an hour by chance; a price may not be one number."""
    random = np.random.default_rng(1)
    prices = NumericReference.from_values(random.normal(10, 2, 5000))
    flag = NumericReference.from_values([0.0] * 4999 + [1.0])
    shops = CategoricalReference({"a": 500, "b": 500})

    same_price = NumericSample.from_values(np.full(1000, 9.9), prices)
    zeros = NumericSample.from_values(np.zeros(1000), flag)
    assert constant_check(same_price, prices, hour(), NO_POOL).is_broken is True
    assert constant_check(zeros, flag, hour(), NO_POOL).is_broken is False
    assert constant_check({"a": 1000}, shops, hour(), NO_POOL).is_broken is True
    assert constant_check({"a": 990, "b": 10}, shops, hour(), NO_POOL).share == 0.0
    assert constant_check({"(other)": 1000}, shops, hour(), frozenset({"(other)"})).undefined == "rare_categories"
    never = CategoricalReference({"a": 1000})
    assert constant_check({"a": 1000}, never, hour(), NO_POOL).undefined == "never_varied"


def test_ages_are_compared_with_twice_the_usual_ones() -> None:
    """A nightly table that is not renewed is noticed when its values are twice as old as usual."""
    random = np.random.default_rng(2)
    usual = UsualValues(5000, ages=binned(random.uniform(0, 86_400, 5000)))

    assert stale_check(aged(random.uniform(80_000, 86_400, 500)), usual).is_broken is False
    check = stale_check(aged(np.full(500, 2.5 * 86_400)), usual)
    assert (check.share, check.reference, check.is_broken) == (1.0, 0.05, True)


def binned(ages: np.ndarray) -> dict[int, int]:
    """Return ages by their bins."""
    numbers, counts = np.unique([age_bin(float(age)) for age in ages], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def aged(ages: np.ndarray) -> FeatureCounts:
    """Return the counts of predictions with these ages."""
    return FeatureCounts(len(ages), len(ages), ages=binned(ages), age_sum=float(ages.sum()), oldest=float(ages.max()))


def test_a_quantile_of_ages_is_within_13_percent() -> None:
    """Ages of many sizes; those of two windows add up."""
    ages = np.random.default_rng(3).lognormal(8, 3, 4000)
    whole = merge_counts([aged(ages[:1000]), aged(ages[1000:])])

    assert whole.ages == binned(ages)
    for share in (0.5, 0.95, 0.99):
        exact = float(np.sort(ages)[int(np.ceil(share * 4000)) - 1])
        assert age_quantile(whole.ages, share) == pytest.approx(exact, rel=0.13)
    assert age_quantile({}, 0.5) is None


@pytest.mark.parametrize("per_hour", [100, 300, 3_000])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.3])
def test_a_stationary_model_has_no_false_alarm(per_hour: int, share: float) -> None:
    """Twenty features in five years of hours that nothing happens to: it needs two of three hours, or a gross one.

    The missing values are those of requests of five items that share all values, the worst case.
    """
    usual = UsualValues(168 * per_hour, round(168 * per_hour * share))
    hours = 5 * 8760
    dice = np.random.default_rng(4)
    counts, numbers = np.unique(dice.binomial(per_hour // 5, share, 20 * hours), return_counts=True)
    checks = [
        missing_check(FeatureCounts(per_hour, per_hour // 5, missing=5 * count), usual) for count in counts.tolist()
    ]
    broken = sum(number for check, number in zip(checks, numbers.tolist(), strict=True) if check.is_broken)
    gross = [check for check in checks if check.is_broken and (check.excess or 0) >= GROSS]

    assert gross == []
    # One broken hour is followed by another within two hours with twice the rate of broken hours of a feature.
    alarms = broken * 2 * broken / (20 * hours)
    assert alarms / 5 < 0.01


def test_lines_of_a_wrong_type_are_among_the_trials() -> None:
    """A hundred refused lines beside nine hundred predictions are a tenth."""
    check = wrong_type_check(FeatureCounts(900, 900, wrong_type=100), USUAL)

    assert (check.share, check.is_broken) == (0.1, True)
