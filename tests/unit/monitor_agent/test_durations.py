"""Durations are read in one way by settings, alerts and Kibana's intervals."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor_agent.durations import format_duration, in_one_unit, parse_duration
from monitor_agent.errors import DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("90s", timedelta(seconds=90)),
        ("1.5m", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(days=14)),
        ("0", timedelta(0)),
    ],
)
def test_a_duration_is_a_sum_of_numbers_with_units(text: str, expected: timedelta) -> None:
    """Every unit of a fixed length is read, and sums of them."""
    assert parse_duration(text) == expected
    assert parse_duration(format_duration(expected)) == expected


@pytest.mark.parametrize("text", ["", "d", "90", "1M", "1y", "1h 30m", "-1h", "soon"])
def test_a_text_without_a_fixed_length_is_refused(text: str) -> None:
    """Months and years have no fixed length; a number needs a unit."""
    with pytest.raises(DataError, match="no fixed length of time"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["182501d", "999999999d", "99999999999999999999w", "9" * 400 + "ms", "100000d100000d"])
def test_a_time_that_leaves_the_calendar_is_refused(text: str) -> None:
    """The reason says how long a time may be."""
    with pytest.raises(DataError, match="write at most 182500d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["1500ms", "0.5s"])
def test_parts_of_a_second_have_no_single_unit(text: str) -> None:
    """Date math and Watcher know no milliseconds."""
    with pytest.raises(DataError, match="whole number of seconds"):
        in_one_unit(text)
