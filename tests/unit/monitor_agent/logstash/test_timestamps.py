"""Moments and the patterns that write and read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import hypothesis
import orjson
import pytest
from hypothesis import strategies as st

from monitor_agent.logstash.events.date_formats import java_time, joda
from monitor_agent.logstash.events.date_patterns import parser
from monitor_agent.logstash.events.timestamps import Timestamp, zone_of

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
        ("2026-02-30T00:00:00.000Z", "2026-02-28T00:00:00.000Z"),
        ("2026-12-31T24:00Z", "2027-01-01T00:00:00.000Z"),
        ("2026-01-02t03:04:05.z", "2026-01-02T03:04:05.000Z"),
        ("2026-01-02T03:04:05+0530", "2026-01-01T21:34:05.000Z"),
        ("2026-01-02T03:04:05+05:30:30", "2026-01-01T21:33:35.000Z"),
        ("2026-03-29T02:30:00Europe/Berlin", "2026-03-29T01:30:00.000Z"),
        ("+12026-01-01T00:00:00Z", "+12026-01-01T00:00:00.000Z"),
        ("-0001-01-01", "-0001-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00+05:00", "0000-12-31T19:00:00.000Z"),
    ],
)
def test_the_form_is_that_of_an_instant(text: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fractions have three, six or nine digits; a text without a zone means that of the machine, here UTC."""
    monkeypatch.setenv("TZ", "UTC")

    assert Timestamp.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026", "2026-01", "2026-02-32T00:00:00Z", "2026-1-02T00:00:00Z", "2026-13-01", "24:00"),
        *(
            "2026-01-01T24:00:01Z",
            "2026-01-01T00:00:60Z",
            "12026-01-01",
            "-0000-01-01",
            "2026-01-01T00:00:00+25:00",
            "２026-01-01",
            "1700000000",
        ),
        *("2026-01-01T00:00:00+18:01", "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00 Z", "2026-01-01T00:00:00Nowhere"),
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
    assert Timestamp.parse("-0001-01-01T00:00:00Z").seconds == -62198755200
    assert Timestamp.parse("+10000-01-01T00:00:00Z").seconds == 253402300800


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("yyyy-MM-dd", "12026-1-2", "+12026-01-02T00:00:00.000Z"),
        ("yyyy-MM-dd", "-0044-03-15", "-0044-03-15T00:00:00.000Z"),
        ("yy-MM-dd", "45-01-01", "2045-01-01T00:00:00.000Z"),
        ("yy-MM-dd", "46-01-01", "1946-01-01T00:00:00.000Z"),
        ("yy-MM-dd", "1946-01-01", "1946-01-01T00:00:00.000Z"),
        ("xxxx-'W'ww-e", "2026-W53-5", "2027-01-01T00:00:00.000Z"),
        ("yyyy-MM-dd EEE", "2026-01-02 Fri", "2026-01-02T00:00:00.000Z"),
        ("d MMMM yyyy", "2 jan 2026", "2026-01-02T00:00:00.000Z"),
        ("d MMM yyyy", "2 jaN 2026", None),
        ("yyyy-MM-dd hh:mm a", "2026-01-02 12:05 am", "2026-01-02T00:05:00.000Z"),
        ("yyyy-MM-dd HH:mm", "2026-01-02 24:00", None),
        ("yyyy-MM-dd kk:mm", "2026-01-02 24:00", "2026-01-02T00:00:00.000Z"),
        ("yyyy-MM-dd z", "2026-01-02 PST", "2026-01-02T08:00:00.000Z"),
        ("yyyy-MM-dd ZZZ", "2026-01-02 Asia/Tokyo", "2026-01-01T15:00:00.000Z"),
        ("yyyy-MM-dd Z", "2026-01-02 +01:30", "2026-01-01T22:30:00.000Z"),
        ("yyyy-DDD", "2026-366", None),
        ("yyyy-MM-dd", "2026-02-29", None),
        ("yyyy-MM-dd'T'SS", "2026-01-02T5", "2026-01-02T00:00:00.500Z"),
        ("ISO8601", "2026-W54", None),
        ("ISO8601", "2026-123", "2026-05-03T00:00:00.000Z"),
        ("ISO8601", "26-1-2T3", "0026-01-02T03:00:00.000Z"),
        ("ISO8601", "2026-01-02T03:04:05.1234567890Z", None),
        ("ISO8601", "2026-01-02TZ", "2026-01-02T00:00:00.000Z"),
        ("ISO8601", "2026-01-02T03:04:05-0330", "2026-01-02T06:34:05.000Z"),
        ("UNIX", "-1.5", "1970-01-01T00:00:-1.500Z"),
        ("UNIX", "1.", None),
        ("UNIX", "2147483648", None),
        ("UNIX_MS", "-1", "1969-12-31T23:59:59.999Z"),
        ("UNIX_MS", "1e3", None),
        ("TAI64N", "@4000000050d506482dbdf024", "2012-12-22T01:00:46.767Z"),
    ],
)
def test_a_text_is_read_as_joda_reads_it(pattern: str, text: str, expected: str | None) -> None:
    """Years may be long, letters have one case, fields out of range and texts behind the time are refused."""
    if expected is None:
        with pytest.raises(ValueError, match=r"\w"):
            parser(pattern)(text, timezone.utc)
    elif pattern == "UNIX" and text == "-1.5":
        assert parser(pattern)(text, timezone.utc) == "1969-12-31T23:59:59.500Z"
    else:
        assert parser(pattern)(text, timezone.utc) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("MMMMM EEEEE LLL", "J F Jan"),
        ("YYYY-'W'ww W e c EEEE ccc", "2027-W01 1 6 6 Friday Fri"),
        ("yy uuuu y", "27 2027 2027"),
        ("QQQ QQQQ q", "Q1 1st quarter 1"),
        ("zzz VV O ZZZZ ZZZZZ XXX xxx", "Z Z GMT GMT Z Z +00:00"),
        ("G GGGG GGGGG", "AD Anno Domini A"),
        ("A N g", "11045123 11045123456789 61406"),
        ("[yyyy][-MM]", "2027-01"),
    ],
)
def test_java_time_writes_a_time(pattern: str, expected: str) -> None:
    """Weeks begin on Sunday; the zone is UTC."""
    assert java_time(pattern)(Timestamp.parse("2027-01-01T03:04:05.123456789Z")) == expected


@pytest.mark.parametrize("pattern", ["", "yyyy{", "VVV", "ddd", "aa", "C", "F", "B", "zzzzz", "MMMMMM", "SSSSSSSSSS"])
def test_a_pattern_that_java_refuses_is_refused(pattern: str) -> None:
    """Or one that is not known here; the error names it."""
    with pytest.raises(ValueError, match="time"):
        java_time(pattern)


@pytest.mark.parametrize(
    ("time", "expected"),
    [("+12026-01-02T00:00:00Z", "12026 12026 120 26 AD"), ("-0043-03-15T00:00:00Z", "-0043 0044 0 43 BC")],
)
def test_distant_years_are_written(time: str, expected: str) -> None:
    """`y` may be negative, `Y` counts within the era."""
    assert joda("yyyy YYYY C yy G")(Timestamp.parse(time)) == expected


def test_a_local_time_that_clocks_leave_out_is_refused() -> None:
    """A time that happens twice is the first of them."""
    berlin = zone_of("Europe/Berlin")
    read = parser("yyyy-MM-dd HH:mm")

    assert read("2026-10-25 02:30", berlin) == "2026-10-25T00:30:00.000Z"
    with pytest.raises(ValueError, match="clocks leave out"):
        read("2026-03-29 02:30", berlin)


@pytest.mark.parametrize(
    ("name", "hours"), [("+02:00", 2), ("-0330", -3.5), ("UTC+2:00", None), ("UTC+02:00", 2), ("Z", 0), ("+24", None)]
)
def test_an_offset_is_a_zone(name: str, hours: float | None) -> None:
    """With or without a colon, up to 23:59."""
    if hours is None:
        with pytest.raises(ValueError, match=r"\w"):
            zone_of(name)
    else:
        assert zone_of(name).utcoffset(None) == timedelta(hours=hours)


def test_the_patterns_of_java_and_joda_differ_where_they_should() -> None:
    """The fraction has nanoseconds in java.time, milliseconds in Joda; text in quotes stands for itself."""
    time = Timestamp.parse("2026-07-05T15:04:05.123456789Z")

    assert java_time("SSSSSSSSS n ''yy'' h a EEE xxx X")(time) == "123456789 123456789 'yy' 3 PM Sun +00:00 Z".replace(
        "yy", "26"
    )
    assert joda("SSSSSS ''yy'' K k C 'o''clock' z")(time) == "123000 '26' 3 15 20 o'clock UTC"
    with pytest.raises(ValueError, match="a quote that nothing closes"):
        joda("yyyy'T")
