"""How single impressions become days and pages."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from monitor_agent.demo.open_bandit import Impression, Item
from monitor_agent.demo.pages import by_day, with_page_positions

START = datetime(2019, 11, 24, 10, tzinfo=timezone.utc)
ITEM = Item(1, 0.0, 0, (1, 1, 1))


def impression(minute: int, position: int, *, known: bool = False) -> Impression:
    """Return one that was shown so many minutes after ten o'clock."""
    affinities = {1: 1.0} if known else {}
    return Impression(START + timedelta(minutes=minute), ITEM, position, 0, 0.1, ("a", "b", "c", "d"), affinities)


def shown(given: list[Impression]) -> list[tuple[str, int, int]]:
    """Return page, rank and size of each impression, in the order given."""
    found = list(with_page_positions(given))
    assert [each for each, _ in found] == given
    return [tuple(place) for _, place in found]


def test_a_page_has_each_place_once() -> None:
    """Impressions join the oldest page with their place free, and are ranked from left to right."""
    left, center, right = 1, 2, 3

    assert shown([impression(0, left), impression(1, left), impression(2, right), impression(3, center)]) == [
        ("2019-11-24T10-1", 1, 3),
        ("2019-11-24T10-2", 1, 1),
        ("2019-11-24T10-1", 3, 3),
        ("2019-11-24T10-1", 2, 3),
    ]


def test_pages_are_of_one_hour_and_one_kind_of_visitor() -> None:
    """Neither those who took to an item before share a page with new visitors, nor one hour with the next."""
    assert shown([impression(0, 3), impression(1, 2, known=True), impression(2, 1), impression(61, 2)]) == [
        ("2019-11-24T10-1", 2, 2),
        ("2019-11-24T10-2", 1, 1),
        ("2019-11-24T10-1", 1, 2),
        ("2019-11-24T11-1", 1, 1),
    ]


def test_nothing_is_lost_and_days_are_apart() -> None:
    """Every impression comes once, in its order, with those of its own day."""
    given = [impression(minute, 1 + minute % 3) for minute in range(0, 3000, 7)]

    found = list(by_day(given))
    assert [len({each.timestamp.date() for each in day}) for day in found] == [1, 1, 1]
    assert [each for day in found for each, _ in with_page_positions(day)] == given
