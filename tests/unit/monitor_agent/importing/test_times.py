"""Times in tables: forms, zones, clock changes."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from monitor_agent.errors import DataError
from monitor_agent.importing.times import NoOffsetError, UnreadableTimeError, time_reader


@pytest.mark.parametrize(
    ("time_format", "zone", "value", "moment"),
    [
        ("", "", "2026-11-23T10:00:00.123456789Z", "2026-11-23T10:00:00.123456+00:00"),
        ("", "", "2026-11-23 10:00+0130", "2026-11-23T08:30:00+00:00"),
        ("", "Europe/Berlin", "2026-11-23", "2026-11-22T23:00:00+00:00"),
        ("", "Asia/Kolkata", "2026-11-23 10:00:00,5", "2026-11-23T04:30:00.500000+00:00"),
        ("", "America/New_York", datetime(2026, 7, 1, 12), "2026-07-01T16:00:00+00:00"),
        ("", "UTC", date(2026, 7, 1), "2026-07-01T00:00:00+00:00"),
        ("", "", datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2026-07-01T10:00:00+00:00"),
        ("%d/%m/%y %I:%M %p", "UTC", "23/11/26 01:05 PM", "2026-11-23T13:05:00+00:00"),
        ("%Y-%m-%d %H:%M:%S %z", "", "2026-11-23 10:00:00 -0500", "2026-11-23T15:00:00+00:00"),
        ("epoch", "", "1795428000", "2026-11-23T10:00:00+00:00"),
        ("epoch", "", 1795428000.25, "2026-11-23T10:00:00.250000+00:00"),
        ("epoch_ms", "", 1795428000123, "2026-11-23T10:00:00.123000+00:00"),
        ("epoch_us", "", 1795428000123456, "2026-11-23T10:00:00.123456+00:00"),
        ("epoch_ns", "", "1795428000123456789", "2026-11-23T10:00:00.123456+00:00"),
    ],
)
def test_each_form_of_a_time_is_read_to_the_microsecond(time_format: str, zone: str, value: Any, moment: str) -> None:
    """Texts, datetimes, dates and numbers; an offset in the value comes before the zone."""
    assert time_reader(time_format, zone)(value).isoformat() == moment


def test_a_local_time_that_exists_twice_is_the_first_and_one_that_never_was_is_refused() -> None:
    """Clocks in Berlin are set back on 25 October 2026 and forward on 29 March 2026."""
    read = time_reader("", "Europe/Berlin")

    assert read("2026-10-25 02:30").isoformat() == "2026-10-25T00:30:00+00:00"
    assert read("2026-10-25 03:00").isoformat() == "2026-10-25T02:00:00+00:00"
    assert read("2026-03-29 01:59").isoformat() == "2026-03-29T00:59:00+00:00"
    with pytest.raises(UnreadableTimeError, match="does not exist in Europe/Berlin: clocks were set forward"):
        read("2026-03-29 02:30")


@pytest.mark.parametrize(
    ("time_format", "value", "reason"),
    [
        ("", "23.11.2026", "is no ISO 8601 time; --time-format names another form"),
        ("", "2026-02-30", "is no time (day is out of range for month)"),
        ("", 1795428000, "is a number: --time-format says its unit"),
        ("epoch", "soon", "is no number of a time since 1970"),
        ("epoch", "nan", "is no number of a time since 1970"),
        ("epoch", "1e300", "is no number of a time since 1970"),
        ("%d.%m.%Y", "2026-11-23", "is no time of the form %d.%m.%Y"),
        ("", "0001-01-01T00:00:00+05:00", "is out of range"),
    ],
)
def test_a_cell_that_is_no_time_says_why(time_format: str, value: Any, reason: str) -> None:
    """The text completes a sentence about the cell."""
    with pytest.raises(UnreadableTimeError) as refused:
        time_reader(time_format, "UTC")(value)
    assert reason in str(refused.value)


def test_a_time_without_an_offset_needs_a_zone() -> None:
    """Nobody can guess it."""
    with pytest.raises(NoOffsetError):
        time_reader("", "")("2026-11-23 10:00")
    with pytest.raises(DataError, match="--time-zone Europe/Nowhere is unknown"):
        time_reader("", "Europe/Nowhere")
