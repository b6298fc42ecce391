"""Points in time and intervals as documents and queries write them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.pipeline import instants

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=zones)


@hypothesis.given(moments)
def test_a_written_moment_is_read_again(moment: datetime) -> None:
    """No microsecond is lost, whatever the offset; the same moment is always the same text."""
    assert instants.parse(instants.text(moment)) == moment
    assert instants.text(moment) == instants.text(moment.astimezone(timezone.utc))


@hypothesis.given(moments)
def test_milliseconds_are_rounded_down(moment: datetime) -> None:
    """Elasticsearch does the same: a moment never becomes later."""
    difference = moment - instants.parse(instants.milliseconds(moment))

    assert timedelta() <= difference < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [("2026-03-02T10:00:00Z", 0), ("2026-03-02T10:00:00.5Z", 500_000), ("2026-03-02T10:00:00.123456789Z", 123_456)],
)
def test_any_number_of_digits_is_read(written: str, microseconds: int) -> None:
    """Java writes nine digits."""
    assert instants.parse(written) == datetime(2026, 3, 2, 10, 0, 0, microseconds, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    """The error is a ValueError."""
    with pytest.raises(ValueError, match=r".+"):
        instants.parse(text)


def test_a_range_filter_compares_whole_milliseconds() -> None:
    """The filter holds only the bounds that are not None; Elasticsearch stores dates in milliseconds."""
    start, end = instants.parse("2026-03-02T10:00:00.1239Z"), instants.parse("2026-03-02T11:00:00Z")

    assert instants.range_filter("event.ingested", gte=start, lt=None) == {
        "range": {"event.ingested": {"gte": 1772445600123, "format": "epoch_millis"}}
    }
    assert instants.within(instants.Interval(start, end), "prediction.timestamp") == {
        "range": {"prediction.timestamp": {"gte": 1772445600123, "lt": 1772449200000, "format": "epoch_millis"}}
    }
