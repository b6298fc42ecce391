"""Which version fell, and since when."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from monitor_agent.demo.bad_release.verdict import find_fall
from monitor_agent.metrics import WindowState
from monitor_agent.settings import AgentSettings
from tests.unit.monitor_agent.demo.bad_release.worlds import START

HOUR = timedelta(hours=1)
PER_HOUR = 320


def states(rates: list[float], seed: int) -> dict[datetime, WindowState]:
    """Return an hour's state for each rate of clicks."""
    dice = np.random.default_rng(seed)
    clicks = [int(dice.binomial(PER_HOUR, rate)) for rate in rates]
    return {START + hour * HOUR: WindowState(tp=count, tn=PER_HOUR - count) for hour, count in enumerate(clicks)}


def test_a_version_that_never_was_as_good_fell_in_its_first_hour() -> None:
    """The fall has its beginning, its size with an interval, and the clicks that it cost."""
    fall = find_fall(states([0.15] * 40, 1), states([0.1] * 40, 2), AgentSettings())

    assert fall is not None
    assert (fall.since, fall.from_start) == (START, True)
    (ctr,) = [row for row in fall.rows if row.metric == "ctr"]
    assert ctr.verdict == "worse"
    assert ctr.difference.interval is not None
    assert ctr.difference.interval.low < -0.05 < ctr.difference.interval.high
    assert fall.clicks_missing == pytest.approx(0.05 * PER_HOUR * 40, rel=0.25)


@pytest.mark.parametrize("first", [8, 20, 33])
def test_a_later_fall_is_dated_within_its_interval(first: int) -> None:
    """A version that breaks later is dated to the hour, with the hours in which it may have begun."""
    fall = find_fall(states([0.15] * 48, 3), states([0.15] * first + [0.09] * (48 - first), 4), AgentSettings())

    assert fall is not None
    assert not fall.from_start
    assert abs(fall.since - (START + first * HOUR)) <= 2 * HOUR
    assert fall.earliest <= START + first * HOUR <= fall.latest


def test_versions_that_are_alike_have_no_fall() -> None:
    """Chance makes a fall of two hundred pairs in a few cases at most; without common windows there is none."""
    pairs = ((states([0.12] * 30, 2 * seed), states([0.12] * 30, 2 * seed + 1)) for seed in range(200))

    assert sum(find_fall(*pair, AgentSettings()) is not None for pair in pairs) <= 4
    assert find_fall({}, states([0.1], 1), AgentSettings()) is None


def test_a_better_version_has_no_fall() -> None:
    """Only a lower rate is a fall."""
    assert find_fall(states([0.1] * 30, 5), states([0.15] * 30, 6), AgentSettings()) is None
