"""Moments and the patterns that write and read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import hypothesis
import orjson
import pytest
from hypothesis import strategies as st

from monitor_agent.logstash.date_formats import java_time, joda
from monitor_agent.logstash.date_patterns import parser
from monitor_agent.logstash.timestamps import Timestamp

MOMENTS = st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
quick = hypothesis.settings(max_examples=60, deadline=None)


@quick
@hypothesis.given(MOMENTS, OFFSETS)
def test_a_moment_is_the_same_in_every_zone(local: datetime, zone: timezone) -> None:
    """ISO 8601 text with an offset is converted to UTC, to the microsecond."""
    aware = local.replace(tzinfo=zone)
    parsed = Timestamp.parse(aware.isoformat())

    assert datetime.strptime(parsed, "%Y-%m-%dT%H:%M:%S.%f%z") == aware


@quick
@hypothesis.given(MOMENTS)
def test_a_canonical_text_is_kept(moment: datetime) -> None:
    """A Timestamp reads its text without a change, and JSON writes it without a change."""
    written = Timestamp.parse(moment.isoformat() + "Z")

    assert Timestamp.parse(written) == written
    assert orjson.loads(orjson.dumps({"t": written}))["t"] == written


@quick
@hypothesis.given(MOMENTS)
def test_a_written_date_is_read_again(moment: datetime) -> None:
    """A Joda pattern reads the text that it writes, to the millisecond."""
    time = Timestamp.parse(moment.isoformat(timespec="milliseconds") + "Z")

    for pattern in ("yyyy-MM-dd HH:mm:ss.SSS", "EEE d MMMM yyyy hh:mm:ss.SSS a", "yyyyDDDHHmmssSSS"):
        assert parser(pattern)(joda(pattern)(time), timezone.utc) == time


@quick
@hypothesis.given(MOMENTS)
def test_weeks_are_those_of_iso_8601(moment: datetime) -> None:
    """`xxxx.ww.e` is year, week and day of the week by the standard."""
    time = Timestamp.parse(moment.isoformat() + "Z")

    assert joda("xxxx.ww.e")(time) == "{:04d}.{:02d}.{}".format(*moment.isocalendar())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05.123456700Z"),
        ("2026-01-02T03:04:05.120000Z", "2026-01-02T03:04:05.120Z"),
        ("2026-01-02T03:04:05.123456000Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04", "2026-01-02T03:04:00.000Z"),
        ("2024-02-29T23:59:59.999-01:00", "2024-03-01T00:59:59.999Z"),
    ],
)
def test_the_form_is_that_of_an_instant(text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fractions have three, six or nine digits; a text without a zone means that of the machine, here UTC."""
    monkeypatch.setenv("TZ", "UTC")

    assert Timestamp.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026", "2026-01", "2026-02-30T00:00:00Z", "2026-02-30T00:00:00.000Z", "2026-13-01", "24:00"),
        *("2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00+25:00", "２026-01-01", "1700000000"),
        "0001-01-01T00:00:00+05:00",
    ],
)
def test_an_impossible_time_is_none(text: str) -> None:
    """Anything but a time of the calendar is refused."""
    with pytest.raises(ValueError):
        Timestamp.parse(text)


def test_seconds_are_counted_from_the_epoch() -> None:
    """Before 1970 they are negative; fractions are cut downwards."""
    assert Timestamp.parse("1970-01-01T00:01:00.999Z").seconds == 60
    assert Timestamp.parse("1969-12-31T23:59:59Z").seconds == -1


def test_the_patterns_of_java_and_joda_differ_where_they_should() -> None:
    """The fraction has nanoseconds in java.time, milliseconds in Joda; text in quotes stands for itself."""
    time = Timestamp.parse("2026-07-05T15:04:05.123456789Z")

    assert java_time("SSSSSSSSS n ''yy'' h a EEE xxx X")(time) == "123456789 123456789 'yy' 3 PM Sun +00:00 Z".replace(
        "yy", "26"
    )
    assert joda("SSSSSS ''yy'' K k C 'o''clock' z")(time) == "123000 '26' 3 15 20 o'clock UTC"
    with pytest.raises(ValueError, match="a quote that nothing closes"):
        joda("yyyy'T")
