"""Date math, intervals and ranges as Kibana writes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from monitor_agent.durations import parse_duration
from monitor_agent.errors import DataError
from monitor_agent.kibana.times import TimeRange, interval, moment, time_range

NOW = datetime(2026, 3, 4, 10, 17, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-03-04T10:17:30+00:00"),
        ("now-24h", "2026-03-03T10:17:30+00:00"),
        ("now-1d+2h", "2026-03-03T12:17:30+00:00"),
        ("now/d", "2026-03-04T00:00:00+00:00"),
        ("now/w", "2026-03-02T00:00:00+00:00"),
        ("now-1h/h", "2026-03-04T09:00:00+00:00"),
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01T02:00:00+02:00", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01||+1d", "2026-03-02T00:00:00+00:00"),
        ("2026-03-01T10:20||-1h/h", "2026-03-01T09:00:00+00:00"),
        ("now-1M", "2026-02-04T10:17:30+00:00"),
        ("2024-02-29||-1y", "2023-02-28T00:00:00+00:00"),
    ],
)
def test_a_text_is_a_moment(text: str, expected: str) -> None:
    """Weeks begin on Monday; a time without an offset is UTC."""
    assert moment(text, NOW).isoformat() == expected


def test_the_end_of_a_range_is_rounded_up() -> None:
    """`now/d` to `now/d` is the whole day."""
    today = time_range("now/d", "now/d", NOW)

    assert (today.start.isoformat(), today.end.isoformat()) == (
        "2026-03-04T00:00:00+00:00",
        "2026-03-04T23:59:59.999000+00:00",
    )


@pytest.mark.parametrize(
    "texts",
    [
        ("now", "now-1h"),
        ("yesterday", "now"),
        ("now-1x", "now"),
        ("now||+1d", "now"),
        ("now-9999y", "now"),
        ("2026-03-01+1d", "now"),
    ],
)
def test_a_malformed_range_is_refused(texts: tuple[str, str]) -> None:
    """A range must not end before it starts, and its ends must be times."""
    with pytest.raises(DataError):
        time_range(*texts, NOW)


@pytest.mark.parametrize(
    ("length", "expected"),
    [("15m", "30s"), ("1h", "1m"), ("24h", "30m"), ("7d", "3h"), ("30d", "12h"), ("90d", "1d"), ("365d", "1w")],
)
def test_bars_are_about_fifty(length: str, expected: str) -> None:
    """The interval of `auto` is a round one, as in Kibana."""
    assert interval("auto", TimeRange(NOW - parse_duration(length), NOW)) == expected


def test_a_fixed_interval_does_not_follow_the_range() -> None:
    """Kibana also stores `h` for `1h`."""
    day = TimeRange(NOW - timedelta(days=1), NOW)

    assert (interval("h", day), interval("5m", day)) == ("1h", "5m")


@pytest.mark.parametrize(
    ("stored", "length", "series", "expected"),
    [
        ("1m", "33h", 1, "1m"),
        ("1m", "34h", 1, "5m"),
        ("1m", "365d", 1, "12h"),
        ("s", "30d", 1, "30m"),
        ("1s", "180000d", 1, "365d"),
        ("0s", "1h", 1, "5s"),
        ("1m", "24h", 10, "10m"),
        ("1m", "24h", 10_000, "30m"),
        ("1d", "365d", 4, "1d"),
    ],
)
def test_no_more_than_2000_points_are_drawn(stored: str, length: str, series: int, expected: str) -> None:
    """A person has chosen a long range on a chart of minutes: its bars get longer, whatever the chart stores."""
    time = TimeRange(NOW, NOW + parse_duration(length))
    bar = interval(stored, time, series)

    assert bar == expected
    assert time.length / parse_duration(bar) <= max(50, 2000 / series)
