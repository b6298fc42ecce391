"""Which features of a version are broken, from the windows in which their checks broke."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from monitor_agent.pipeline.broken_features import (
    BrokenFeature,
    BrokenWindow,
    broken_by_version,
    broken_of,
    quality_fields,
)

NOW = datetime(2026, 3, 3, 12, tzinfo=timezone.utc)
HOURS = [NOW - number * timedelta(hours=1) for number in range(1, 6)]
DAYS = [NOW - timedelta(hours=12), NOW - timedelta(hours=36)]
SIZES = ["1h", "1d"]


def window(number: int, check: str = "missing", share: float = 0.1, feature: str = "numeric.price") -> BrokenWindow:
    """Return an hour of version 2 in which a check broke."""
    return BrokenWindow("2", "1h", HOURS[number], feature, check, share, 0.0)


def broken(*windows: BrokenWindow) -> list[BrokenFeature]:
    """Return what is broken if the last five hours and two days are measured."""
    measured = {("2", "1h"): HOURS, ("2", "1d"): DAYS}
    return broken_by_version(windows, measured, SIZES, NOW, {})["2"]


def test_two_of_three_hours_decide() -> None:
    """One hour with a tenth is not enough, the second one is; half of the predictions are at once."""
    assert broken(window(0)) == []
    assert broken(window(3), window(4)) == []
    (feature,) = broken(window(0), window(1))
    assert (feature.check, feature.share, feature.since) == ("missing", 0.1, HOURS[1])
    assert [feature.share for feature in broken(window(0, share=0.6))] == [0.6]
    assert broken(window(0, "constant", 1.0)) == []


def test_it_is_broken_since_the_last_window_that_was_not() -> None:
    """An earlier fault that was repaired does not count."""
    (feature,) = broken(window(0), window(1), window(4))

    assert feature.since == HOURS[1]


def test_the_worst_check_of_the_worst_feature_comes_first() -> None:
    """Each feature is named once."""
    rows = [window(0, "stale", 0.9), window(0, share=0.6), window(0, share=0.95, feature="numeric.size")]

    assert [(feature.name, feature.check) for feature in broken(*rows)] == [("size", "missing"), ("price", "stale")]


def test_small_shares_are_seen_in_days() -> None:
    """What broke in the newest day is broken while half of it remains in the newest hours, or no hour is measured."""
    day = BrokenWindow("1", "1d", DAYS[0], "numeric.price", "missing", 0.08, 0.02)
    key = ("1", "numeric.price", "missing")
    hours_and_days = {("1", "1d"): DAYS, ("1", "1h"): HOURS}

    (row,) = broken_by_version([day], {("1", "1d"): DAYS}, SIZES, NOW, {})["1"]
    assert (row.since, row.share) == (DAYS[0], 0.08)
    assert len(broken_by_version([day], hours_and_days, SIZES, NOW, {key: 0.06})["1"]) == 1
    assert broken_by_version([day], hours_and_days, SIZES, NOW, {key: 0.03}) == {"1": []}
    assert broken_by_version([day], {}, SIZES, NOW, {}) == {}


def test_the_model_as_a_whole_names_the_version() -> None:
    """The fields of a verdict can be read again."""
    fields = quality_fields({"1": [], "2": broken(window(0, share=0.64))})

    assert (fields["1"]["broken_features"], fields["2"]["broken_features"]) == (0, 1)
    (feature,) = broken_of(fields["all"])
    assert feature.sentence() == ("Feature price (version 2): 64 % missing since 2026-03-03 11:00 UTC (reference 0 %)")
    assert quality_fields({}) == {}
