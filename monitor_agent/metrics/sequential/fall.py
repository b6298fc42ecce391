"""The evidence that a level has fallen: a generalised likelihood ratio over all possible starts of the fall (pure).

One window is rarely proof. So the test adds windows up: for every possible start, it asks how likely the counts since
then are without a fall, and takes the start that fits best. Looking often and at many starts costs false alarms; the
limit of the evidence allows for that. The evidence is a function of the windows alone: whoever computes it, and however
often, gets the same number.

Source: T. L. Lai, "Sequential changepoint detection in quality control and dynamical systems", JRSS B 57 (1995); the
rate of false alarms: D. Siegmund, E. S. Venkatraman, Annals of Statistics 23 (1995).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monitor_agent.metrics.sequential.series import ComparedSeries, Level

LOOKS_OF_AN_EXCURSION = 1.5
"""Chance exceeds a limit for more than one look at a time: for 1.5 or more on average, as `alert_power` measures."""

RECOVERED = math.log(1000.0)
"""A fall has ended once the last windows are a thousand times more likely at the reference's level."""


@dataclass(frozen=True)
class FallEvidence:
    """The best evidence of a fall that lasts until now.

    Attributes
    ----------
    evidence : log-likelihood ratio divided by its limit: from 1 on, it is not chance.
    since : position of the window in which the fall began, as far as one can tell.
    level : the level since then, beside its reference.
    """

    evidence: float
    since: int
    level: Level

    @property
    def is_sure(self) -> bool:
        """Whether the evidence reaches its limit."""
        return self.evidence >= 1.0


def limit_for(false_alarms_a_year: float, looks_a_year: float) -> float:
    """Return the log-likelihood ratio that chance exceeds so rarely, if a test looks so often.

    >>> round(limit_for(0.5, 12 * 24 * 365), 2)
    11.85
    """
    return math.log(looks_a_year / (LOOKS_OF_AN_EXCURSION * false_alarms_a_year))


def fall(series: ComparedSeries, limit: float) -> FallEvidence | None:
    """Return the best evidence that the series has fallen and has not recovered; None if nothing is lower.

    Parameters
    ----------
    limit : the log-likelihood ratio from which on a fall is not chance.
    """
    first, last = 0, series.length
    while first < last:
        starts = np.arange(first, last)
        ratios = series.log_likelihood_ratio(starts, np.full_like(starts, last))
        best = int(np.argmax(ratios))
        if ratios[best] <= 0:
            return None
        recovered = _recovered_at(series, first, limit)
        if recovered is None:
            since = first + best
            return FallEvidence(float(ratios[best]) / limit, since, series.level(since))
        first = recovered
    return None


def _recovered_at(series: ComparedSeries, first: int, limit: float) -> int | None:
    """Return where the series has come back after a sure fall; None if there was none, or if it lasts."""
    last = series.length
    positions = np.arange(first, last + 1)
    starts, ends = np.meshgrid(positions, positions, indexing="ij")
    ratios = np.where(starts < ends, series.log_likelihood_ratio(starts, ends), 0.0)
    start, end = np.unravel_index(int(np.argmax(ratios)), ratios.shape)
    if ratios[start, end] < limit or positions[end] >= last:
        return None
    later = np.arange(positions[end], last)
    back = series.recovery(np.array([positions[start], positions[end]]), later)
    return int(later[int(np.argmax(back))]) if back.max() >= RECOVERED else None
