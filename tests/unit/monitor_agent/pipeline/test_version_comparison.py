"""The comparison of two versions: a verdict only if the interval allows one."""

from __future__ import annotations

import pytest

from monitor_agent.metrics import Undefined, WindowState
from monitor_agent.metrics.lift import lift
from monitor_agent.pipeline.version_comparison import MetricComparison, compare
from monitor_agent.settings import AgentSettings

SETTINGS = AgentSettings()


def row(name: str, baseline: WindowState, candidate: WindowState) -> MetricComparison:
    """Return the row of one metric."""
    return next(metric for metric in compare(baseline, candidate, SETTINGS) if metric.metric == name)


def test_the_interval_of_a_difference_of_proportions_is_newcombes() -> None:
    """The general method has the same result as the special method for proportions."""
    baseline, candidate = WindowState(tp=20, fn=20, tn=960), WindowState(tp=40, fn=20, tn=940)
    expected = lift(60, 1000, 40, 1000)
    assert not isinstance(expected, Undefined)

    comparison = row("ctr", baseline, candidate)

    assert comparison.difference.interval is not None
    assert comparison.difference.value == pytest.approx(expected.difference)
    assert comparison.difference.interval.low == pytest.approx(expected.difference_interval.low)
    assert comparison.difference.interval.high == pytest.approx(expected.difference_interval.high)
    assert comparison.relative.interval == expected.relative_interval


@pytest.mark.parametrize(
    ("baseline", "candidate", "verdict"),
    [
        ((40, 960), (90, 910), "better"),
        ((90, 910), (40, 960), "worse"),
        ((40, 960), (41, 959), "no_difference"),
        ((4, 96), (20, 80), "insufficient_data"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero_and_enough_positives(
    baseline: tuple[int, int], candidate: tuple[int, int], verdict: str
) -> None:
    """Below the gates for alerts there is no verdict; otherwise the interval decides."""
    comparison = row("ctr", WindowState(tp=baseline[0], tn=baseline[1]), WindowState(tp=candidate[0], tn=candidate[1]))

    assert comparison.verdict == verdict


def test_less_is_better_for_an_error_rate() -> None:
    """An error rate that falls is an improvement, with or without labels."""
    comparison = row("error_rate", WindowState(requests=900, errors=100), WindowState(requests=990, errors=10))

    assert comparison.difference.value is not None
    assert comparison.difference.value < 0
    assert comparison.verdict == "better"


def test_a_metric_that_neither_version_has_is_left_out() -> None:
    """A metric that one version has is in the comparison without a difference."""
    names = {metric.metric for metric in compare(WindowState(), WindowState(requests=1), SETTINGS)}

    assert names == {"error_rate"}
    assert row("error_rate", WindowState(), WindowState(requests=1)).verdict == "insufficient_data"


def test_the_fields_of_a_comparison_are_flat() -> None:
    """JSON has each value and each interval in a field of its own."""
    fields = row("ctr", WindowState(tp=40, tn=960), WindowState(tp=70, tn=930)).fields()

    assert list(fields) == [
        "metric",
        "unit",
        "baseline",
        "candidate",
        "difference",
        "interval",
        "relative",
        "relative_interval",
        "verdict",
    ]
    assert (fields["baseline"], fields["candidate"], fields["difference"]) == (0.04, 0.07, pytest.approx(0.03))
    assert fields["interval"].keys() == fields["relative_interval"].keys() == {"low", "high"}
