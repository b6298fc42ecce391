"""The windows that a range is made of: whole windows, without overlap, as few as possible."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.errors import SettingsError
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.ranges import cover, whole_windows
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings

START = datetime(2026, 3, 27, tzinfo=timezone.utc)
MINUTES = st.integers(0, 5 * 24 * 60)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])


@hypothesis.settings(derandomize=True, max_examples=100, deadline=None)
@hypothesis.given(first=MINUTES, length=st.integers(1, 4 * 24 * 60), zone=ZONES)
def test_a_range_is_covered_once_by_whole_windows(first: int, length: int, zone: str) -> None:
    """The runs follow one another from start to end, at bounds of windows of their size, also when clocks change."""
    calendar = Calendar(AgentSettings(time_zone=zone))
    start = START + timedelta(minutes=first)
    end = start + timedelta(minutes=length)

    runs = cover(calendar, Interval(start, end))

    assert runs[0].start == start
    assert runs[-1].end == end
    assert all(left.end == right.start for left, right in pairwise(runs))
    windows = 0
    for run in runs:
        windows_of_run = list(calendar.between(run.size, run))
        assert (windows_of_run[0].start, windows_of_run[-1].end) == (run.start, run.end)
        windows += len(windows_of_run)
    # Midnight of a time zone may lie inside an hour: then minutes are on both sides of it.
    assert windows <= length // 1440 + 2 * 25 + 4 * 60


def test_a_range_is_widened_to_whole_base_windows() -> None:
    """A second inside a minute adds the whole minute; whole minutes stay as they are."""
    calendar = Calendar(AgentSettings())
    start, end = START + timedelta(seconds=30), START + timedelta(minutes=2)

    assert whole_windows(calendar, start, end) == Interval(START, end)
    assert whole_windows(calendar, start, end + timedelta(seconds=1)) == Interval(START, end + timedelta(minutes=1))


def test_an_empty_range_is_refused() -> None:
    """Nothing lies between a moment and itself."""
    with pytest.raises(SettingsError, match="--from is not before --to"):
        whole_windows(Calendar(AgentSettings()), START, START)
