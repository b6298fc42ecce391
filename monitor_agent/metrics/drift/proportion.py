"""Z test of the hypothesis that two proportions are equal."""

from __future__ import annotations

import math


def z_p_value(successes: int, trials: int, base_successes: int, base_trials: int) -> float:
    """Return the probability of shares this far apart if both proportions are equal: two-sided, pooled variance.

    It is 1 if both shares are 0 or both are 1. Both numbers of trials must be positive.

    Source: Evidently's "z"; the square of the statistic is the chi-square of the 2 x 2 table.

    >>> round(z_p_value(60, 100, 50, 100), 4)
    0.1552
    """
    pooled = (successes + base_successes) / (trials + base_trials)
    error = math.sqrt(pooled * (1 - pooled) * (1 / trials + 1 / base_trials))
    if not error:
        return 1.0
    return math.erfc(abs(successes / trials - base_successes / base_trials) / error / math.sqrt(2))
