"""Items, and how people click on them: the stated click model of the scenario (pure).

The click model is the position-based one: a person looks at rank r with probability `1 / sqrt(r)`, and clicks on an
item that the person looks at with the item's attraction. Source: N. Craswell et al., "An experimental comparison of
click position-bias models", WSDM 2008, https://doi.org/10.1145/1341531.1341545. The attraction is

    logistic(BASE + POPULARITY * popularity + PRICE * price + MATCH * match + noise)

with the item's real, standardised price, the item's popularity (how often the log showed it: logarithm, standardised),
`match` 1 if the item is of the visitor's favourite group, and noise that no model knows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor_agent.demo.open_bandit import OpenBandit

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PAGE_SIZE = 6
BASE, POPULARITY, PRICE, MATCH = -2.0, 1.2, -0.4, 0.8
NOISE = 1.0
"""Standard deviation of what no model knows about an attraction."""
EXAMINATION: Floats = 1.0 / np.sqrt(np.arange(1, PAGE_SIZE + 1))
SEEN_AT_LEAST, SEEN_BY_RANK = 0.7, 0.3
"""The probability that a person looks at an item, as a line of its attraction: a right model puts attractive items
first, where people look. It makes the scores of a right model probabilities of a click."""


@dataclass(frozen=True)
class Catalogue:
    """The items of the Open Bandit log; all arrays have the shape (items,).

    Attributes
    ----------
    ids : the items' names in events.
    price : as the publisher standardised it, with mean 0 and standard deviation 1 over these items.
    popularity : logarithm of how often the log showed the item, standardised.
    group : number of the item's first category, 0 to `groups` - 1.
    """

    ids: tuple[str, ...]
    price: Floats
    popularity: Floats
    group: Integers
    groups: int

    @classmethod
    def of(cls, log: OpenBandit) -> Catalogue:
        """Return the items that a log shows."""
        items = {row.item_id: row.item for row in log.evaluate}
        impressions = Counter(row.item_id for row in log.evaluate)
        numbers = sorted(items)
        names = sorted({items[number].groups[0] for number in numbers})
        return cls(
            tuple(f"item-{number}" for number in numbers),
            _standardised(np.array([items[number].price for number in numbers])),
            _standardised(np.log([impressions[number] for number in numbers])),
            np.array([names.index(items[number].groups[0]) for number in numbers]),
            len(names),
        )


def attraction(popularity: Floats, price: Floats, match: Floats, noise: Floats | float = 0.0) -> Floats:
    """Return the probability of a click on an item that the person looks at; all arrays have one shape."""
    return _logistic(BASE + POPULARITY * popularity + PRICE * price + MATCH * match + noise)


def score(popularity: Floats, price: Floats, match: Floats) -> Floats:
    """Return the scores of a model that knows all of the click model but the noise and the rank."""
    attractive = attraction(popularity, price, match)
    return attractive * (SEEN_AT_LEAST + SEEN_BY_RANK * attractive)


def _logistic(logit: Floats) -> Floats:
    result: Floats = 1.0 / (1.0 + np.exp(-logit))
    return result


def _standardised(values: Floats) -> Floats:
    result: Floats = (values - values.mean()) / values.std()
    return result
