"""Stale windows: those whose events have changed and those that time has changed, and no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.stale_windows import (
    ModelWindow,
    StoredWindow,
    aged_windows,
    changed_days,
    changed_intervals,
    changed_windows,
    day_of,
    enclosing_windows,
    remembered_hours,
)
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

SETTINGS = AgentSettings()
CALENDAR = Calendar(SETTINGS)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 3, 2, 10, tzinfo=timezone.utc)
TODAY = Interval(START.replace(hour=0), START.replace(hour=0) + DAY)


def stored_window(
    window: Window, state: str = "final", maturity: float | None = 1.0, predictions: int = 5
) -> StoredWindow:
    """Return a window as it is stored."""
    return StoredWindow("click", window, state, maturity, predictions, errors=0)


def minute(number: int) -> Window:
    """Return one of the hour's minutes."""
    return CALENDAR.base_window(START + number * MINUTE)


def test_a_day_whose_index_grew_shrank_or_is_new_has_changed() -> None:
    """Predictions and errors count alike; an index that is missing was deleted, and changes nothing."""
    remembered = {"model-predictions-2026.03.01": 5, "model-predictions-2026.03.02": 5, "model-errors-2026.03.03": 1}
    present = {"model-predictions-2026.03.01": 5, "model-predictions-2026.03.02": 4, "model-errors-2026.03.04": 1}

    assert [day.day for day in changed_days(present, remembered)] == [2, 4]


def test_an_index_without_a_date_is_no_day() -> None:
    """Somebody has kept a copy of a day under a name of the product."""
    assert changed_days({"model-predictions-backup": 5}, {}) == []


def test_only_windows_with_other_counts_have_changed() -> None:
    """New windows, more or fewer predictions, more errors; no window outside the day."""
    windows = [*(minute(number) for number in range(4)), CALENDAR.window("1h", START)]
    stored = [stored_window(window) for window in windows]
    yesterday = stored_window(replace(minute(0), start=START - DAY, end=START - DAY + MINUTE))
    predictions = {
        ModelWindow("click", minute(0)): 5,
        ModelWindow("click", minute(1)): 6,
        ModelWindow("click", minute(3)): 5,
        ModelWindow("ads", minute(0)): 1,
    }
    errors = {ModelWindow("click", minute(3)): 1, ModelWindow("click", minute(4)): 1}

    changed = changed_windows(predictions, errors, [*stored, yesterday], TODAY)

    assert changed == {
        ModelWindow("click", minute(1)),
        ModelWindow("click", minute(3)),
        ModelWindow("click", minute(4)),
        ModelWindow("ads", minute(0)),
    }


def test_only_hours_with_other_counts_have_changed() -> None:
    """Consecutive hours of a day form one interval; hours of two days do not."""
    present = {
        "model-predictions-2026.03.02": {
            "2026-03-02T10:00:00Z": 5,
            "2026-03-02T11:00:00Z": 6,
            "2026-03-02T23:00:00Z": 1,
        },
        "model-predictions-2026.03.03": {"2026-03-03T00:00:00Z": 2, "2026-03-03T05:00:00Z": 2},
    }
    remembered = {"model-predictions-2026.03.02": {"2026-03-02T10:00:00Z": 4}, "model-predictions-2026.03.03": {}}
    remembered["model-predictions-2026.03.03"] = {"2026-03-03T05:00:00Z": 2}

    intervals = [
        (interval.start.isoformat()[:16], interval.end.isoformat()[:16])
        for interval in changed_intervals(present, remembered, CALENDAR)
    ]

    assert intervals == [
        ("2026-03-02T10:00", "2026-03-02T12:00"),
        ("2026-03-02T23:00", "2026-03-03T00:00"),
        ("2026-03-03T00:00", "2026-03-03T01:00"),
    ]
    assert changed_intervals(present, present, CALENDAR) == []


def test_an_interval_holds_whole_base_windows() -> None:
    """If a base window is longer than an hour, the interval holds all its hours."""
    calendar = Calendar(AgentSettings(base_window=6 * HOUR, larger_windows=(DAY,)))

    (interval,) = changed_intervals({"i": {"2026-03-02T10:00:00Z": 5}}, {}, calendar)

    assert (interval.start.hour, interval.end.hour) == (6, 12)


def test_hours_of_the_latest_days_are_remembered() -> None:
    """Predictions and errors of three days; present counts replace the remembered ones."""
    before = {f"model-predictions-2026.03.{day:02}": {"x": 1} for day in range(1, 7)}

    hours = remembered_hours({"model-errors-2026.03.09": {"y": 1}, "model-predictions-2026.03.06": {"x": 2}}, before)

    assert sorted(hours) == ["model-errors-2026.03.09", *(f"model-predictions-2026.03.{day:02}" for day in range(2, 7))]
    assert hours["model-predictions-2026.03.06"] == {"x": 2}


def test_larger_windows_are_those_that_hold_the_base_windows() -> None:
    """Its hour and its day."""
    assert enclosing_windows([ModelWindow("click", minute(3))], CALENDAR) == {
        ModelWindow("click", CALENDAR.window("1h", START)),
        ModelWindow("click", CALENDAR.window("1d", START)),
    }


def test_time_moves_windows_that_are_not_final() -> None:
    """A state that is over, or predictions that may have become mature; an unchanged window is not stale."""
    not_final = stored_window(minute(0), state="provisional", maturity=0.5)

    def aged(row: StoredWindow, minutes: float) -> bool:
        return bool(list(aged_windows([row], CALENDAR, SETTINGS, START + timedelta(minutes=minutes))))

    assert not aged(not_final, 29)
    assert aged(not_final, 30)
    assert not aged(replace(not_final, maturity=1.0), 31)
    assert aged(replace(not_final, maturity=1.0), 33)
    assert aged(replace(not_final, state="open"), 2)
    # A larger window is merged again when its components change, not in each cycle.
    hour = stored_window(CALENDAR.window("1h", START), state="open", maturity=1.0)
    assert not aged(hour, 59)
    assert aged(hour, 60)


def test_the_day_of_a_moment_is_that_of_utc() -> None:
    """Indices are by UTC days, whatever the offset of a moment."""
    berlin = datetime(2026, 3, 2, 0, 30, tzinfo=timezone(timedelta(hours=1)))

    assert day_of(berlin) == datetime(2026, 3, 1, tzinfo=timezone.utc)
