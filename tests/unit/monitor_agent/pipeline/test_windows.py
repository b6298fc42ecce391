"""Windows: their bounds in any time zone, their components, their states."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.errors import SettingsError
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=7)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
moments = st.datetimes(datetime(1995, 1, 1), datetime(2040, 1, 1), timezones=st.just(timezone.utc))


def calendar(zone: str = "UTC", base: timedelta = MINUTE, larger: tuple[timedelta, ...] = (HOUR, DAY)) -> Calendar:
    """Return the windows of these settings."""
    return Calendar(AgentSettings(time_zone=zone, base_window=base, larger_windows=larger))


def at(text: str) -> datetime:
    """Return a moment, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@hypothesis.given(moments, st.sampled_from(ZONES), st.sampled_from(["1m", "1h", "1d", "7d"]))
def test_windows_of_a_size_cover_all_time_once(moment: datetime, zone: str, size: str) -> None:
    """A moment is in exactly one window, and the next window begins where it ends."""
    days = calendar(zone, larger=(HOUR, DAY, WEEK))

    window = days.window(size, moment)

    assert window.start <= moment < window.end
    assert days.window(size, window.start) == window
    assert days.window(size, window.end - timedelta(microseconds=1)) == window
    assert days.window(size, window.end).start == window.end


@hypothesis.given(moments, st.sampled_from(ZONES))
def test_a_larger_window_consists_of_whole_smaller_windows(moment: datetime, zone: str) -> None:
    """Its components begin and end with it, whatever the offset of the time zone."""
    days = calendar(zone, base=timedelta(minutes=15), larger=(HOUR, DAY, WEEK))
    for size in ("1h", "1d", "7d"):
        window = days.window(size, moment)

        components = list(days.between(days.component_size(window), window))

        assert (components[0].start, components[-1].end) == (window.start, window.end)
        assert all(left.end == right.start for left, right in pairwise(components))


@pytest.mark.parametrize(
    ("moment", "zone", "start", "hours"),
    [
        ("2026-03-29T12:00", "Europe/Berlin", "2026-03-28T23:00", 23),
        ("2026-10-25T12:00", "Europe/Berlin", "2026-10-24T22:00", 25),
        ("2026-03-30T12:00", "Europe/Berlin", "2026-03-29T22:00", 24),
        ("2026-10-03T20:00", "Australia/Lord_Howe", "2026-10-03T13:30", 23.5),
        ("2026-03-02T12:00", "Asia/Kolkata", "2026-03-01T18:30", 24),
        ("2026-03-02T12:00", "UTC", "2026-03-02T00:00", 24),
    ],
)
def test_a_day_begins_at_midnight_of_its_time_zone(moment: str, zone: str, start: str, hours: float) -> None:
    """On a day on which clocks change it is shorter or longer."""
    window = calendar(zone).window("1d", at(moment))

    assert window.start == at(start)
    assert window.seconds == hours * 3600


@pytest.mark.parametrize(("moment", "start"), [("2026-03-02T00:00", "2026-03-02"), ("2026-03-08T23:59", "2026-03-02")])
def test_a_week_begins_on_monday(moment: str, start: str) -> None:
    """Seven days are counted from Monday's midnight."""
    assert calendar(larger=(HOUR, DAY, WEEK)).window("7d", at(moment)).start == at(start)


def test_days_of_a_zone_with_half_hours_are_merged_from_minutes() -> None:
    """The largest windows that fit are merged: hours do not fit if midnight lies within an hour."""
    assert (
        calendar("Asia/Kolkata").component_size(calendar("Asia/Kolkata").window("1d", at("2026-03-02T12:00"))) == "1m"
    )
    assert calendar().component_size(calendar().window("1d", at("2026-03-02T12:00"))) == "1h"
    assert calendar().component_size(calendar().window("1h", at("2026-03-02T12:00"))) == "1m"


def test_windows_that_fit_into_no_day_of_the_zone_are_refused() -> None:
    """A day that begins at half past an hour cannot consist of hours."""
    days = calendar("Asia/Kolkata", base=HOUR, larger=(DAY,))

    with pytest.raises(SettingsError, match="MONITOR_BASE_WINDOW"):
        days.component_size(days.window("1d", at("2026-03-02T12:00")))


@pytest.mark.parametrize(
    ("minutes", "state"),
    [(-5, "open"), (0, "open"), (59.99, "open"), (60, "provisional"), (91.99, "provisional"), (92, "final")],
)
def test_a_window_is_final_after_attribution_window_and_grace(minutes: float, state: str) -> None:
    """It is open until it ends, then provisional for 30 + 2 minutes."""
    start = at("2026-03-02T10:00")

    assert calendar().state(Window(start, start + HOUR, "1h"), start + timedelta(minutes=minutes)) == state


@pytest.mark.parametrize(
    "sizes",
    [
        {"base_window": timedelta(minutes=7)},
        {"base_window": timedelta()},
        {"larger_windows": (DAY, HOUR)},
        {"larger_windows": (timedelta(minutes=90), timedelta(hours=2))},
        {"time_zone": "Europe/Nowhere"},
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, Any]) -> None:
    """The error names the variable that is wrong."""
    with pytest.raises(SettingsError, match="MONITOR_"):
        AgentSettings(**sizes)


BERLIN = Calendar(AgentSettings(time_zone="Europe/Berlin"))


def test_the_week_before_goes_by_the_clock() -> None:
    """After the clocks have been put forward, 12:00 in Berlin is 10:00 UTC, and was 11:00 UTC a week before."""
    noon = BERLIN.window("1h", instants.parse("2026-03-30T10:00:00Z"))
    day = BERLIN.window("1d", noon.start)

    assert BERLIN.week_before(noon).start == instants.parse("2026-03-23T11:00:00Z")
    assert BERLIN.week_before(day).start == instants.parse("2026-03-22T23:00:00Z")


@hypothesis.given(st.integers(0, 366 * 24), st.sampled_from(["1h", "1d"]))
def test_each_window_lies_in_the_weeks_after_its_week_before(hour: int, size: str) -> None:
    """Where the clocks are put back, two hours have the same one before; where they are put forward, one has none."""
    window = BERLIN.window(size, instants.parse("2026-01-01T00:00:00Z") + hour * instants.HOUR)

    assert window in BERLIN.weeks_after(BERLIN.week_before(window))
    assert all(BERLIN.week_before(later) == window for later in BERLIN.weeks_after(window))
    assert len(BERLIN.weeks_after(window)) <= 2
