"""Two versions compared: a verdict only where the interval allows one."""

from __future__ import annotations

import pytest

from monitor_agent.metrics import Undefined, WindowState
from monitor_agent.metrics.lift import lift
from monitor_agent.pipeline.version_comparison import MetricComparison, compare
from monitor_agent.settings import AgentSettings

SETTINGS = AgentSettings()


def row(name: str, baseline: WindowState, candidate: WindowState) -> MetricComparison:
    """Return the row of one metric."""
    return next(each for each in compare(baseline, candidate, SETTINGS) if each.metric == name)


def test_the_interval_of_a_difference_of_proportions_is_newcombes() -> None:
    """The general method gives what the special one for proportions gives."""
    baseline, candidate = WindowState(tp=20, fn=20, tn=960), WindowState(tp=40, fn=20, tn=940)
    expected = lift(60, 1000, 40, 1000)
    assert not isinstance(expected, Undefined)

    found = row("ctr", baseline, candidate)

    assert found.interval is not None
    assert found.difference == pytest.approx(expected.difference)
    assert found.interval.low == pytest.approx(expected.difference_interval.low)
    assert found.interval.high == pytest.approx(expected.difference_interval.high)
    assert found.relative_interval == expected.relative_interval


@pytest.mark.parametrize(
    ("base", "ours", "verdict"),
    [
        ((40, 960), (90, 910), "better"),
        ((90, 910), (40, 960), "worse"),
        ((40, 960), (41, 959), "no_difference"),
        ((4, 96), (20, 80), "insufficient_data"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero_and_enough_positives(
    base: tuple[int, int], ours: tuple[int, int], verdict: str
) -> None:
    """Below the gates for alerts nothing is said; else the interval decides."""
    found = row("ctr", WindowState(tp=base[0], tn=base[1]), WindowState(tp=ours[0], tn=ours[1]))

    assert found.verdict == verdict


def test_less_is_better_where_less_is_better() -> None:
    """An error rate that falls is an improvement, whether or not there are labels."""
    found = row("error_rate", WindowState(requests=900, errors=100), WindowState(requests=990, errors=10))

    assert found.difference is not None
    assert found.difference < 0
    assert found.verdict == "better"


def test_a_metric_that_neither_version_has_is_left_out() -> None:
    """What is undefined for one version is shown without a difference."""
    names = {each.metric for each in compare(WindowState(), WindowState(requests=1), SETTINGS)}

    assert names == {"error_rate"}
    assert row("error_rate", WindowState(), WindowState(requests=1)).verdict == "insufficient_data"
