"""Faults that are too small for an hour, in the newest hours of a version together."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from monitor_agent.metrics.data_quality import FeatureCounts
from monitor_agent.metrics.drift import NumericReference, NumericSample
from monitor_agent.pipeline import window_quality
from monitor_agent.pipeline.broken_together import BrokenCheck, HourOfFeature, broken_together
from monitor_agent.pipeline.drift_references import DriftReference
from monitor_agent.pipeline.window_quality import FeatureValues

START = datetime(2026, 3, 3, tzinfo=timezone.utc)
PRICE = "numeric.price"
USUAL = NumericReference((0.0, 1.0), (0, 30_000, 0), 0.0, 1.0, 0.3, 41)
REFERENCE = DriftReference("a week", START, {"score": USUAL, PRICE: USUAL})


def values(above: int, predictions: int = 400, requests: int = 60) -> FeatureValues:
    """Return an hour in which some prices are above the reference's largest one."""
    counts = FeatureCounts(predictions, requests, above=above)
    return FeatureValues(NumericSample((0, predictions - above, above), 0.0, 2.0 if above else 1.0), counts)


def hours(*above: int, reference: str = "a week") -> list[HourOfFeature]:
    """Return one hour after another, the newest last."""
    return [
        HourOfFeature("2", PRICE, START + number * timedelta(hours=1), reference, values(count))
        for number, count in enumerate(above)
    ]


def test_hours_that_prove_nothing_alone_do_together() -> None:
    """Nine per cent of the prices of 60 requests may be chance, those of 120 are not."""
    assert not any(check.is_broken for check in window_quality.checks(PRICE, REFERENCE, values(36)))

    assert broken_together(hours(36, 36), [REFERENCE]) == [BrokenCheck("2", PRICE, "out_of_range", 0.0)]
    assert broken_together(hours(36), [REFERENCE]) == []
    assert broken_together(hours(36, 36, 0, 0, 0), [REFERENCE]) == []


def test_hours_that_were_compared_with_another_reference_do_not_count() -> None:
    """Their bins and ranges are others; without any reference, nothing can break."""
    assert broken_together(hours(36, 36, reference="an earlier week"), [REFERENCE]) == []
    assert broken_together(hours(36, 36), []) == []


@pytest.mark.parametrize("usual_share", [0.0, 0.05])
def test_a_stationary_model_does_not_break(usual_share: float) -> None:
    """A year of three hours each of twenty features; the items of one request share all values, the worst case."""
    dice = np.random.default_rng(5)
    outside = dice.binomial(3 * 60, usual_share, 20 * 8760)
    usual = window_quality.UsualValues(168 * 300, round(168 * 300 * usual_share))
    reference = DriftReference("a week", START, {PRICE: USUAL}, usual={PRICE: usual})
    broken = 0
    for missing, number in zip(*np.unique(outside, return_counts=True), strict=True):
        of_hours = FeatureCounts(3 * 300, 3 * 60, missing=5 * int(missing))
        sample = NumericSample((0, of_hours.present, 0), 0.0, 1.0)
        checks = window_quality.checks(PRICE, reference, FeatureValues(sample, of_hours))
        broken += int(number) * any(check.is_broken for check in checks)

    assert broken == 0
