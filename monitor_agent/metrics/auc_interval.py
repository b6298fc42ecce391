"""The confidence interval of the AUC, from its score histograms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitor_agent.metrics._spec import ConfidenceInterval, Undefined
from monitor_agent.metrics.score_histogram import Floats
from monitor_agent.metrics.wilson import Z_95


def auc_interval(area: float, positives: Floats, negatives: Floats, z: float = Z_95) -> ConfidenceInterval | Undefined:
    """Return the range of true AUCs whose distance to the measured AUC is at most ``z`` standard errors.

    The standard error is Newcombe's (Hanley and McNeil's, with both class sizes set to their mean) at each candidate
    AUC, so that the interval holds for a few clicks and for an AUC of 1. If DeLong's standard error of the data is
    larger, Newcombe's is scaled up to it. Measured coverage with 3 to 200 positives among 500 to 5,000 negatives and
    five shapes of scores: 92 % to 99 %, for a nominal 95 %. `roc_auc_error_bound` is not included.

    Parameters
    ----------
    area : `roc_auc` of the same scores.
    positives, negatives : their numbers by cell, lowest scores first; shape (n,).

    Undefined (``one_class``) if a label is missing.

    Source: R. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic",
    Statistics in Medicine 25 (2006), method 5; E. DeLong et al., Biometrics 44 (1988).

    >>> interval = auc_interval(1.0, np.array([0.0, 30.0]), np.array([300.0, 0.0]))
    >>> 0.9 < interval.low < interval.high == 1.0
    True
    """
    if not positives.any() or not negatives.any():
        return Undefined("one_class")
    variance = _delong_variance(positives, negatives, area)
    return interval_of_areas(area, float(positives.sum()), float(negatives.sum()), variance, z)


def interval_of_areas(area: float, m: float, n: float, variance: float, z: float = Z_95) -> ConfidenceInterval:
    """Return `auc_interval` from the variance of the AUC.

    Parameters
    ----------
    m, n : (expected) numbers of positives and of negatives, above 0.
    variance : of the measured AUC; if Newcombe's is larger, the interval is from Newcombe's.
    """
    modelled = _variance(area, m, n)
    scale = max(1.0, variance / modelled) if modelled else 1.0

    def near(candidate: float) -> bool:
        return (area - candidate) ** 2 <= z * z * scale * _variance(candidate, m, n)

    low = _edge(near, inside=area, outside=0.0) if area > 0 else 0.0
    high = _edge(near, inside=area, outside=1.0) if area < 1 else 1.0
    return ConfidenceInterval(low, high)


def _variance(area: float, positives: float, negatives: float) -> float:
    further = max(0.0, (positives + negatives) / 2 - 1)
    spread = 1 + further * ((1 - area) / (2 - area) + area / (1 + area))
    return area * (1 - area) * spread / (positives * negatives)


def _delong_variance(positives: Floats, negatives: Floats, area: float) -> float:
    m, n = float(positives.sum()), float(negatives.sum())
    if m < 2 or n < 2:
        return 0.0
    beaten = (np.cumsum(negatives) - negatives / 2) / n
    beating = (m - np.cumsum(positives) + positives / 2) / m
    of_positives = float(np.sum(positives * (beaten - area) ** 2)) / (m - 1)
    of_negatives = float(np.sum(negatives * (beating - area) ** 2)) / (n - 1)
    return of_positives / m + of_negatives / n


def _edge(near: Callable[[float], bool], inside: float, outside: float) -> float:
    for _ in range(50):
        middle = (inside + outside) / 2
        if near(middle):
            inside = middle
        else:
            outside = middle
    return inside
