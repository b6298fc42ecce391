"""The generator of the scenario `fraud`."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

import pytest

from monitor_agent.demo.fraud.scenario import ATTRIBUTION, NIGHT_COUNT
from monitor_agent.demo.fraud.transactions import A_DAY, CHANGE_DAY, DAYS, THRESHOLD, Tables, nightly_tables
from tests.factories import START


@pytest.fixture(scope="module")
def tables() -> list[Tables]:
    """The tables of all nights."""
    return list(nightly_tables(START, NIGHT_COUNT))


def test_the_tables_are_the_same_for_a_seed(tables: list[Tables]) -> None:
    """Another seed gives other transactions."""
    assert list(nightly_tables(START, 3)) == tables[:3]
    assert next(nightly_tables(START, 1, seed=2)) != tables[0]


def test_every_night_brings_what_has_happened_by_then(tables: list[Tables]) -> None:
    """Transactions of the day, in order, and chargebacks of earlier ones; all come in the end."""
    for day, night in enumerate(tables):
        first = START + timedelta(days=day)
        booked = night.transactions.get("Booked at", [])
        assert booked == sorted(booked)
        assert all(first <= moment < first + timedelta(days=1) for moment in booked)
        assert all(first <= moment < first + timedelta(days=1) for moment in night.chargebacks["Charged back at"])
    assert sum(len(night.transactions.get("Score", [])) for night in tables) == pytest.approx(A_DAY * DAYS, rel=0.02)
    assert not tables[DAYS].transactions


def test_chargebacks_come_late_and_within_the_attribution_window(tables: list[Tables]) -> None:
    """Each is about a transaction, 20 to 80 days before."""
    rows = chain.from_iterable(
        zip(night.chargebacks["Booked at"], night.chargebacks["Charged back at"], strict=True) for night in tables
    )
    delays = [later - booked for booked, later in rows]
    identifiers = [name for night in tables for name in night.chargebacks["Transaction"]]

    assert len(set(identifiers)) == len(identifiers) > 200
    assert timedelta(days=20) <= min(delays) < max(delays) <= timedelta(days=80) < ATTRIBUTION


def test_the_model_misses_the_pattern_that_comes_later(tables: list[Tables]) -> None:
    """The share of frauds that the model recognises falls when the pattern changes."""
    frauds = {name for night in tables for name in night.chargebacks["Transaction"]}

    def recall(first: int, last: int) -> float:
        scores = [
            score
            for night in tables[first:last]
            for name, score in zip(night.transactions["Transaction"], night.transactions["Score"], strict=True)
            if name in frauds
        ]
        return sum(score >= THRESHOLD for score in scores) / len(scores)

    assert recall(CHANGE_DAY, DAYS) < 0.7 * recall(0, CHANGE_DAY)
