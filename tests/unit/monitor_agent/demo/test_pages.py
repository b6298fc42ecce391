"""Single impressions become days and pages."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from monitor_agent.demo.open_bandit import Impression, Item
from monitor_agent.demo.pages import by_day, with_page_positions

START = datetime(2019, 11, 24, 10, tzinfo=timezone.utc)
ITEM = Item(1, 0.0, 0, (1, 1, 1))


def impression(minute: int, position: int, *, returning: bool = False) -> Impression:
    """Return an impression of that many minutes after ten o'clock."""
    affinities = {1: 1.0} if returning else {}
    return Impression(START + timedelta(minutes=minute), ITEM, position, 0, 0.1, ("a", "b", "c", "d"), affinities)


def positions(impressions: list[Impression]) -> list[tuple[str, int, int]]:
    """Return page, rank and size of each impression, in the same order."""
    placed = list(with_page_positions(impressions))
    assert [impression for impression, _ in placed] == impressions
    return [tuple(position) for _, position in placed]


def test_a_page_has_one_impression_for_each_place() -> None:
    """Impressions join the oldest page with their place free, and are ranked from left to right."""
    left, center, right = 1, 2, 3

    assert positions([impression(0, left), impression(1, left), impression(2, right), impression(3, center)]) == [
        ("2019-11-24T10-1", 1, 3),
        ("2019-11-24T10-2", 1, 1),
        ("2019-11-24T10-1", 3, 3),
        ("2019-11-24T10-1", 2, 3),
    ]


def test_pages_are_of_one_hour_and_one_kind_of_visitor() -> None:
    """Returning and new visitors share no page, and one hour shares none with the next."""
    assert positions([impression(0, 3), impression(1, 2, returning=True), impression(2, 1), impression(61, 2)]) == [
        ("2019-11-24T10-1", 2, 2),
        ("2019-11-24T10-2", 1, 1),
        ("2019-11-24T10-1", 1, 2),
        ("2019-11-24T11-1", 1, 1),
    ]


def test_nothing_is_lost_and_days_are_apart() -> None:
    """Every impression comes once, in its order, together with its own day."""
    impressions = [impression(minute, 1 + minute % 3) for minute in range(0, 3000, 7)]

    days = list(by_day(impressions))
    assert [len({row.timestamp.date() for row in day}) for day in days] == [1, 1, 1]
    assert [row for day in days for row, _ in with_page_positions(day)] == impressions
