"""Holidays of a model, as settings write them: days and ranges of days (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from monitor_agent.errors import SettingsError

MOST_DAYS = 366
"""A longer range is no holiday."""


def holiday_dates(holidays: Iterable[str]) -> frozenset[date]:
    """Return the days of `2026-12-25` and `2026-12-24/2026-12-26`; the last day of a range belongs to it.

    Raises
    ------
    SettingsError
        If a text is neither.

    >>> sorted(day.day for day in holiday_dates(["2026-12-31", "2026-12-24/2026-12-26"]))
    [24, 25, 26, 31]
    """
    return frozenset(day for text in holidays for day in _days(text))


def _days(text: str) -> list[date]:
    first_text, separator, last_text = text.partition("/")
    try:
        first = date.fromisoformat(first_text.strip())
        last = date.fromisoformat(last_text.strip()) if separator else first
    except ValueError:
        raise SettingsError(
            f"MONITOR_HOLIDAYS: {text!r} is no day", "write days such as 2026-12-25, or 2026-12-24/2026-12-26"
        ) from None
    if not 0 <= (last - first).days < MOST_DAYS:
        raise SettingsError(f"MONITOR_HOLIDAYS: {text!r} is no range of days", "write the first day first")
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
