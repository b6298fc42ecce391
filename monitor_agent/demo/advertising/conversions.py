"""The stated rule of the purchases, which the click log does not have (pure, the same for a seed).

- A click leads to a purchase with the probability `AFTER_CLICK`; an impression without a click with `WITHOUT_CLICK`:
  the visitor comes back without the advertisement.
- It comes `MEAN_DAYS` after the impression on average (gamma distribution with shape 2), at the latest after
  `MOST_DAYS`.
- Its value is `BASE_VALUE` yen times `exp(0.5 * price + 0.3 * noise)`; the price is the item's standardised price.
- The items with even numbers belong to the advertiser `north`, the others to `south`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from monitor_agent.demo.open_bandit import Impression

SEED = 20191124
AFTER_CLICK, WITHOUT_CLICK = 0.3, 0.006
MEAN_DAYS, SHAPE, MOST_DAYS = 2.0, 2.0, 6.9
BASE_VALUE, BY_PRICE, BY_CHANCE = 3_000.0, 0.5, 0.3
ADVERTISERS = ("north", "south")


@dataclass(frozen=True)
class Purchase:
    """A purchase after an impression.

    Attributes
    ----------
    impression : number of the impression in the log.
    value : yen.
    """

    impression: int
    moment: datetime
    value: float


def advertiser_of(impression: Impression) -> str:
    """Return the advertiser of the item that was shown."""
    return ADVERTISERS[impression.item_id % len(ADVERTISERS)]


def purchases(impressions: Sequence[Impression], seed: int = SEED) -> Iterator[Purchase]:
    """Yield the purchases in the order of their impressions."""
    dice = np.random.default_rng(seed)
    chances, noise = dice.random(len(impressions)), dice.standard_normal(len(impressions))
    days = np.minimum(MOST_DAYS, dice.gamma(SHAPE, MEAN_DAYS / SHAPE, len(impressions)))
    for number, impression in enumerate(impressions):
        if chances[number] < (AFTER_CLICK if impression.click else WITHOUT_CLICK):
            logarithm = BY_PRICE * impression.item.price + BY_CHANCE * noise[number]
            value = round(BASE_VALUE * float(np.exp(logarithm)))
            yield Purchase(number, impression.timestamp + timedelta(days=float(days[number])), float(value))
