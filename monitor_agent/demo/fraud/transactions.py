"""The stated generator of card transactions, their scores and their chargebacks (pure, the same for a seed).

A transaction has an amount (lognormal), an hour of the day, and says whether the card was present and whether the shop
is abroad. Fraud follows two patterns. `stolen-card`: large amounts abroad, with the card; 0.8 % of all transactions, on
all days. `card-testing`: small amounts online at night; 0.7 % of all transactions, from the day `CHANGE_DAY` on. The
model was fitted before that day: its score is a logistic function that knows the first pattern only. A fraud has a
chargeback 20 to 80 days later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from monitor_agent.demo.logistic import Floats, logistic

SEED = 80
DAYS = 42
CHANGE_DAY = 21
A_DAY = 400
STOLEN_CARD, CARD_TESTING = 0.008, 0.007
FIRST_DAY, LAST_DAY = 20.0, 80.0
"""When the chargeback of a fraud comes, in days."""
THRESHOLD = 0.3
INTERCEPT, BY_AMOUNT, BY_ABROAD, BY_PRESENCE, BY_CHANCE = -8.2, 2.0, 3.6, 0.6, 0.7
"""Weights of the model: of the standardised logarithm of the amount, a shop abroad, a present card, and of noise."""
MEAN_LOGARITHM, SPREAD = 3.4, 1.0
"""Of the logarithm of an amount in euros."""
NIGHT_SECONDS = 18_000.0
"""Five hours after midnight."""


@dataclass(frozen=True)
class Tables:
    """What one night brings: the columns of the day's transactions, and of the chargebacks that arrived on it.

    Attributes
    ----------
    transactions, chargebacks : column name -> values; empty lists if there are none.
    """

    transactions: dict[str, list[Any]]
    chargebacks: dict[str, list[Any]]


def nightly_tables(start: datetime, count: int, seed: int = SEED) -> Iterator[Tables]:
    """Yield the tables of each night, from the first day on; after `DAYS` days, only chargebacks come.

    Parameters
    ----------
    start : the first moment of the first day, UTC.
    count : number of nights.
    """
    waiting: list[tuple[datetime, str, datetime]] = []
    for day in range(count):
        first = start + timedelta(days=day)
        transactions = _transactions(first, day, seed) if day < DAYS else {}
        if transactions:
            waiting += _chargebacks(transactions, day, seed)
        end = first + timedelta(days=1)
        arrived = sorted(row for row in waiting if row[0] < end)
        waiting = [row for row in waiting if row[0] >= end]
        yield Tables(
            {name: values for name, values in transactions.items() if name != FRAUD},
            {
                "Transaction": [identifier for _, identifier, _ in arrived],
                "Booked at": [booked for _, _, booked in arrived],
                "Charged back at": [moment for moment, _, _ in arrived],
                "Charged back": ["yes"] * len(arrived),
            },
        )


FRAUD = "fraud"
"""The column with the truth, which no table has."""


def _transactions(first: datetime, day: int, seed: int) -> dict[str, list[Any]]:
    """Return a day's transactions in the order of their times, with the column `FRAUD`."""
    dice = np.random.default_rng([seed, day])
    count = int(dice.poisson(A_DAY))
    seconds = np.sort(dice.uniform(0.0, 86_400.0, count))
    logarithm = dice.normal(MEAN_LOGARITHM, SPREAD, count)
    abroad, present = dice.random(count) < 0.06, dice.random(count) < 0.55
    chance = dice.random(count)
    stolen = chance < STOLEN_CARD
    testing = (chance >= STOLEN_CARD) & (chance < STOLEN_CARD + CARD_TESTING) & (day >= CHANGE_DAY)
    logarithm = np.where(
        stolen, dice.normal(5.6, 0.7, count), np.where(testing, dice.normal(0.8, 0.4, count), logarithm)
    )
    abroad, present = np.where(stolen, dice.random(count) < 0.8, abroad), np.where(stolen, True, present & ~testing)
    seconds = np.where(testing, seconds % NIGHT_SECONDS, seconds)
    order = np.argsort(seconds)
    fraud = (stolen | testing)[order]
    seconds, logarithm, abroad, present = seconds[order], logarithm[order], abroad[order], present[order]
    scores = _scores(logarithm, abroad, present, dice.standard_normal(count))
    return {
        "Transaction": [f"T{day:03d}-{number:05d}" for number in range(count)],
        "Booked at": [first + timedelta(seconds=float(value)) for value in seconds],
        "Score": scores.round(6).tolist(),
        "Amount EUR": np.exp(logarithm).round(2).tolist(),
        "Channel": np.where(present, "shop", "online").tolist(),
        "Country": np.where(abroad, "abroad", "home").tolist(),
        FRAUD: fraud.tolist(),
    }


def _scores(logarithm: Floats, abroad: Any, present: Any, noise: Floats) -> Floats:
    standardised = (logarithm - MEAN_LOGARITHM) / SPREAD
    return logistic(
        INTERCEPT + BY_AMOUNT * standardised + BY_ABROAD * abroad + BY_PRESENCE * present + BY_CHANCE * noise
    )


def _chargebacks(transactions: dict[str, list[Any]], day: int, seed: int) -> list[tuple[datetime, str, datetime]]:
    """Return when each fraud of a day is charged back, its transaction, and when that was booked."""
    dice = np.random.default_rng([seed, day, 1])
    rows = zip(transactions["Transaction"], transactions["Booked at"], transactions[FRAUD], strict=True)
    return [
        (booked + timedelta(days=float(dice.uniform(FIRST_DAY, LAST_DAY))), identifier, booked)
        for identifier, booked, fraud in rows
        if fraud
    ]
