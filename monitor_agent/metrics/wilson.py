"""The Wilson score interval of a proportion."""

from __future__ import annotations

import math

from monitor_agent.metrics._spec import ConfidenceInterval, Undefined

Z_95 = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""


def wilson_interval(successes: float, trials: float, z: float = Z_95) -> ConfidenceInterval | Undefined:
    """Return the interval that holds the true proportion with 95 % confidence (for the default ``z``).

    It assumes independent trials. Clicks of one user or query are correlated; then the interval is too narrow.

    Parameters
    ----------
    successes, trials : may be fractions: the effective number of trials of a weighted proportion.

    Undefined: ``no_samples`` without trials; ``inconsistent_counts`` if there are more successes than trials.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    >>> interval = wilson_interval(0, 30)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.0, 0.114)
    """
    if not trials:
        return Undefined("no_samples")
    if not 0 <= successes <= trials:
        return Undefined("inconsistent_counts")
    share = successes / trials
    weight = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / weight
    half = z / weight * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # The ends are exact: rounding would give 1e-17 or leave the range.
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return ConfidenceInterval(low, high)
