"""Chi-square test of the hypothesis that two samples of categories come from one distribution."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def chi_square_p_value(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Return the probability of a table this uneven if both samples come from one distribution.

    Parameters
    ----------
    reference, current : counts of shape (categories,), each with a positive sum.

    The reference counts as a sample too, so that a category that it lacks does not make the statistic infinite.
    Evidently takes the reference as exact; for a large reference both are the same.

    Source: K. Pearson (1900); `scipy.stats.chi2_contingency` without correction.

    >>> round(chi_square_p_value([50, 50], [60, 40]), 4)
    0.1552
    """
    table = np.array([reference, current], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return chi_square_tail(float(np.sum((table - expected) ** 2 / expected)), table.shape[1] - 1)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Return the probability that a chi-square variable of ``degrees`` degrees of freedom exceeds ``statistic``.

    Source: the regularised incomplete gamma function, Abramowitz and Stegun 6.5.29 (series) and 6.5.31 (continued
    fraction, by Lentz's method).

    >>> round(chi_square_tail(3.841458820694124, 1), 6)
    0.05
    """
    if degrees < 1 or statistic <= 0:
        return 1.0
    a, x = degrees / 2, statistic / 2
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        return min(1.0, max(0.0, 1 - scale * _series(a, x)))
    return scale * _fraction(a, x)


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    for step in range(1, 10_000):
        term *= x / (a + step)
        total += term
        if term < total * 1e-16:
            break
    return total


def _fraction(a: float, x: float) -> float:
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    value = d
    for step in range(1, 10_000):
        numerator = -step * (step - a)
        b += 2
        d = 1 / _away_from_zero(numerator * d + b, tiny)
        c = _away_from_zero(b + numerator / c, tiny)
        change = c * d
        value *= change
        if abs(change - 1) < 1e-15:
            break
    return value


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
