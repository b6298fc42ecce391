"""The hours of the past that an hour is compared with."""

from __future__ import annotations

from datetime import date, datetime, timezone
from zoneinfo import ZoneInfo

from monitor_agent.pipeline.instants import HOUR, WEEK
from monitor_agent.pipeline.stretches import Counts, PastWeeks

NOON = datetime(2026, 12, 25, 11, tzinfo=timezone.utc)
"""12:00 in Berlin."""


def past(*holidays: date) -> PastWeeks:
    """Return the past of a model that counted something in each hour of two years."""
    hours = {NOON - number * HOUR: Counts({"rate": (1.0, number)}) for number in range(2 * 366 * 24)}
    return PastWeeks(hours, ZoneInfo("Europe/Berlin"), 3, frozenset(holidays))


def ages(past_weeks: PastWeeks, hour: datetime) -> list[float | None]:
    """Return the ages of the hours that an hour is compared with, in hours before `NOON`."""
    return [row[0].pairs["rate"][1] if row[0].pairs else None for row in past_weeks.of([hour])]


def test_a_holiday_is_no_measure_for_other_days() -> None:
    """The week with the holiday is left out."""
    week = WEEK / HOUR

    assert ages(past(), NOON) == [week, 2 * week, 3 * week]
    assert ages(past(date(2026, 12, 11)), NOON) == [week, None, 3 * week]


def test_a_holiday_is_compared_with_earlier_holidays() -> None:
    """Those of last year, whichever day of the week they were; later ones are none."""
    christmas = past(date(2025, 12, 25), date(2025, 12, 26), date(2026, 12, 25), date(2026, 12, 26))
    alone = past(date(2026, 12, 25))

    assert ages(christmas, NOON) == [364 * 24, 365 * 24, None]
    assert ages(alone, NOON) == [None, None, None]
    assert (christmas.lacks_holiday(NOON), alone.lacks_holiday(NOON), alone.lacks_holiday(NOON - WEEK)) == (
        False,
        True,
        False,
    )
