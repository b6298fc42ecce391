"""A small model of purchases: logistic regression on what an ad server knows of an impression (pure).

It is fitted to the impressions of the random policy and the purchases that the stated rule gives them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor_agent.demo.logistic import Floats, fit, predict
from monitor_agent.demo.open_bandit import Impression

PENALTY = 1.0
PRIOR_IMPRESSIONS = 500.0
"""Weight of the mean rate in the rate of an item."""
NAMES = ("price", "affinity", "item_rate")


@dataclass(frozen=True)
class Scorer:
    """A fitted model.

    Attributes
    ----------
    rates : clicks per impression of each item in the training part, drawn towards the mean.
    weights : of the intercept, the columns `NAMES` and the positions 2 and 3.
    """

    rates: dict[int, float]
    mean_rate: float
    weights: Floats

    @classmethod
    def fitted(cls, impressions: Sequence[Impression], labels: Sequence[int]) -> Scorer:
        """Return the model with the highest penalised likelihood, by Newton's method."""
        impressions_of = Counter(row.item_id for row in impressions)
        clicks_of = Counter(row.item_id for row in impressions if row.click)
        mean = clicks_of.total() / len(impressions)
        rates = {
            item: (clicks_of[item] + mean * PRIOR_IMPRESSIONS) / (count + PRIOR_IMPRESSIONS)
            for item, count in impressions_of.items()
        }
        rows = cls(rates, mean, np.zeros(0)).matrix(impressions)
        return cls(rates, mean, fit(rows, np.array(labels, dtype=float), PENALTY))

    def scores(self, impressions: Sequence[Impression]) -> list[float]:
        """Return the probability of a purchase for each impression."""
        scores: list[float] = predict(self.matrix(impressions), self.weights).tolist()
        return scores

    def features(self, impression: Impression) -> dict[str, float]:
        """Return the features that are logged, by the names in `NAMES`."""
        rate = 100.0 * self.rates.get(impression.item_id, self.mean_rate)
        values = (impression.item.price, impression.affinities.get(impression.item_id, 0.0), rate)
        return dict(zip(NAMES, values, strict=True))

    def matrix(self, impressions: Sequence[Impression]) -> Floats:
        """Return the columns of the regression, shape (impressions, 5)."""
        rows = [
            [*self.features(row).values(), float(row.position == 2), float(row.position == 3)] for row in impressions
        ]
        return np.array(rows)
