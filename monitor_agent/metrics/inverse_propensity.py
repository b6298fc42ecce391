"""Propensity-weighted CTR: the rate of clicks as if all items had been shown equally often."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from monitor_agent.metrics._spec import ConfidenceInterval, MetricSpec, Undefined
from monitor_agent.metrics.wilson import Z_95
from monitor_agent.metrics.window_state import FixedPoint, WindowState, from_fixed_point, to_fixed_point

WEIGHT, WEIGHT_SQUARE = "ips_weight", "ips_weight_square"
CLICK_WEIGHT, CLICK_WEIGHT_SQUARE = "ips_click_weight", "ips_click_weight_square"
"""Names in `WindowState.sums`: sums over predictions with a known label and a propensity, and over the clicked ones."""


@dataclass(frozen=True)
class WeightSums:
    """Sums of the weights w = 1 / propensity and of their squares, over all and over the clicked predictions."""

    weight: float
    weight_square: float
    click_weight: float
    click_weight_square: float


def propensity_sums(groups: Iterable[tuple[float, int, int]]) -> dict[str, FixedPoint]:
    """Return the entries of `WindowState.sums` for (propensity, predictions, clicks) groups.

    >>> {name: from_fixed_point(value) for name, value in propensity_sums([(0.5, 10, 1), (0.25, 4, 2)]).items()}
    {'ips_weight': 36.0, 'ips_weight_square': 104.0, 'ips_click_weight': 10.0, 'ips_click_weight_square': 36.0}
    """
    totals = dict.fromkeys((WEIGHT, WEIGHT_SQUARE, CLICK_WEIGHT, CLICK_WEIGHT_SQUARE), 0)
    for propensity, predictions, clicks in groups:
        if not 0 < propensity <= 1:
            raise ValueError(f"a propensity lies in (0, 1], not {propensity}")
        weight = 1 / propensity
        totals[WEIGHT] += to_fixed_point(weight * predictions)
        totals[WEIGHT_SQUARE] += to_fixed_point(weight * weight * predictions)
        totals[CLICK_WEIGHT] += to_fixed_point(weight * clicks)
        totals[CLICK_WEIGHT_SQUARE] += to_fixed_point(weight * weight * clicks)
    return {name: FixedPoint(value) for name, value in totals.items()}


def snips(sums: WeightSums) -> float | Undefined:
    """Return the self-normalised estimate, sum(w click) / sum(w): slightly biased, more stable, always in [0, 1].

    Undefined (``no_propensity``) without weights.

    Source: A. Swaminathan, T. Joachims, "The self-normalized estimator for counterfactual learning", NIPS (2015).

    >>> round(snips(WeightSums(36.0, 104.0, 10.0, 36.0)), 4)
    0.2778
    """
    return sums.click_weight / sums.weight if sums.weight else Undefined("no_propensity")


def snips_interval(sums: WeightSums, z: float = Z_95) -> ConfidenceInterval | Undefined:
    """Return the normal 95 % interval of `snips`; variance by the delta method: sum(w^2 (click - s)^2) / sum(w)^2.

    Undefined: ``no_propensity``; ``no_clicks`` without clicks, because the variance would be 0.

    >>> interval = snips_interval(WeightSums(36.0, 104.0, 10.0, 36.0))
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.011, 0.545)
    """
    share = snips(sums)
    if isinstance(share, Undefined):
        return share
    if not sums.click_weight:
        return Undefined("no_clicks")
    variance = (1 - 2 * share) * sums.click_weight_square + share * share * sums.weight_square
    half = z * math.sqrt(max(0.0, variance)) / sums.weight
    return ConfidenceInterval(max(0.0, share - half), min(1.0, share + half))


def effective_sample_size(sums: WeightSums) -> float | Undefined:
    """Return sum(w)^2 / sum(w^2): the number of unweighted predictions that have the same precision.

    >>> round(effective_sample_size(WeightSums(36.0, 104.0, 10.0, 36.0)), 2)
    12.46
    """
    return sums.weight**2 / sums.weight_square if sums.weight_square else Undefined("no_propensity")


def _sums(state: WindowState) -> WeightSums:
    names = (WEIGHT, WEIGHT_SQUARE, CLICK_WEIGHT, CLICK_WEIGHT_SQUARE)
    return WeightSums(*(from_fixed_point(state.sums.get(name, 0)) for name in names))


SPECS = (
    MetricSpec(
        "ctr_snips",
        "ratio",
        "CTR weighted by inverse propensity: as if all items had been shown equally often",
        lambda s: snips(_sums(s)),
        lambda s: snips_interval(_sums(s)),
        bigger_is_better=True,
        source="Swaminathan and Joachims 2015",
    ),
    MetricSpec(
        "ctr_snips_sample",
        "float",
        "effective sample size: so many unweighted predictions give the precision of ctr_snips",
        lambda s: effective_sample_size(_sums(s)),
        bigger_is_better=True,
        range=(0.0, None),
        source="sum(w)^2 / sum(w^2)",
    ),
)
