"""CTR by position: the rate of clicks at each place on the page, over all items."""

from __future__ import annotations

from dataclasses import dataclass

from monitor_agent.metrics._spec import ConfidenceInterval
from monitor_agent.metrics.score_histogram import Counts
from monitor_agent.metrics.wilson import wilson_interval


@dataclass(frozen=True)
class PositionRate:
    """The click-through rate at one position (1 = first)."""

    position: int
    impressions: int
    clicks: int
    rate: float
    interval: ConfidenceInterval


def position_click_through_rate(impressions: Counts, clicks: Counts) -> list[PositionRate]:
    """Return the rate at each position, first position first, without positions that have no impressions.

    The difference between two positions has two causes: the attention of people, and the order of the model. So
    compare two versions position by position only, or if the items were placed at random.

    Source: T. Joachims et al., "Unbiased learning-to-rank with biased feedback", WSDM (2017).

    >>> [(row.position, row.rate) for row in position_click_through_rate({1: 100, 2: 50}, {1: 10, 2: 1})]
    [(1, 0.1), (2, 0.02)]
    """
    rates = []
    for position in sorted(impressions):
        count, hits = impressions[position], clicks.get(position, 0)
        interval = wilson_interval(hits, count)
        if isinstance(interval, ConfidenceInterval):
            rates.append(PositionRate(position, count, hits, hits / count, interval))
    return rates
