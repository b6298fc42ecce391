"""Lift: the difference of a candidate's proportion (such as its CTR) from a baseline's, with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from monitor_agent.metrics._spec import ConfidenceInterval, Undefined
from monitor_agent.metrics.drift.proportion import z_p_value
from monitor_agent.metrics.wilson import Z_95, wilson_interval


@dataclass(frozen=True)
class Lift:
    """The comparison of a candidate with a baseline.

    Attributes
    ----------
    difference, difference_interval : candidate's share minus baseline's share.
    relative, relative_interval : candidate's share / baseline's share, minus 1; None if a count is 0.
    p_value : p-value of the two-sided test that both shares are equal.
    """

    difference: float
    difference_interval: ConfidenceInterval
    relative: float | None
    relative_interval: ConfidenceInterval | None
    p_value: float


def lift(successes: int, trials: int, base_successes: int, base_trials: int, z: float = Z_95) -> Lift | Undefined:
    """Return the lift of ``successes`` of ``trials`` over ``base_successes`` of ``base_trials``.

    The lift is an effect of the versions only if requests were assigned to them at random.

    Undefined (``no_samples``) if a side has no trials.

    Source: difference: R. Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17 (1998), method 10; ratio: D. Katz et al., Biometrics 34 (1978), on the logarithm;
    p: pooled two-proportion z test.

    >>> result = lift(60, 1000, 40, 1000)
    >>> round(result.difference, 3), round(result.relative, 3), round(result.p_value, 3)
    (0.02, 0.5, 0.04)
    """
    candidate, baseline = wilson_interval(successes, trials, z), wilson_interval(base_successes, base_trials, z)
    if isinstance(candidate, Undefined) or isinstance(baseline, Undefined):
        return Undefined("no_samples")
    share, base = successes / trials, base_successes / base_trials
    difference = share - base
    interval = ConfidenceInterval(
        max(-1.0, difference - math.hypot(share - candidate.low, baseline.high - base)),
        min(1.0, difference + math.hypot(candidate.high - share, base - baseline.low)),
    )
    relative = share / base - 1 if base_successes else None
    return Lift(
        difference, interval, relative, _ratio_interval(successes, trials, base_successes, base_trials, z),
        z_p_value(successes, trials, base_successes, base_trials),
    )  # fmt: skip


def _ratio_interval(
    successes: int, trials: int, base_successes: int, base_trials: int, z: float
) -> ConfidenceInterval | None:
    if not successes or not base_successes:
        return None
    error = math.sqrt(1 / successes - 1 / trials + 1 / base_successes - 1 / base_trials)
    ratio = (successes / trials) / (base_successes / base_trials)
    return ConfidenceInterval(ratio * math.exp(-z * error) - 1, ratio * math.exp(z * error) - 1)
