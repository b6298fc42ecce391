"""Where predictions are searched: the time in an id is a hint, and the days around the feedback count as well."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from monitor_agent.contracts import uuid7
from monitor_agent.pipeline.instants import Interval, merged
from monitor_agent.pipeline.prediction_times import days_around, place, searched_intervals, time_in_id
from monitor_agent.settings import AgentSettings

SETTINGS = AgentSettings()
AT = datetime(2026, 3, 2, 10, tzinfo=timezone.utc)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def test_the_time_in_an_id_is_taken_unless_it_is_in_the_future() -> None:
    """The clock of a writer may be ahead by less than a day."""
    assert time_in_id(uuid7.make(AT), AT + MINUTE) == AT
    assert time_in_id(uuid7.make(AT + DAY), AT) == AT + DAY
    assert time_in_id(uuid7.make(AT + 2 * DAY), AT) is None
    assert time_in_id("order-17", AT) is None
    assert time_in_id("ffffffff-ffff-7fff-bfff-ffffffffffff", AT) is None


def test_a_prediction_is_searched_in_the_days_before_its_feedback() -> None:
    """At least eight days; with a long attribution window, as long as a label may take, and the clock skew."""
    assert days_around(AT, SETTINGS) == Interval(AT - 8 * DAY, AT + DAY)
    patient = AgentSettings(attribution_window=90 * DAY, retention_events=150 * DAY)
    assert days_around(AT, patient).start == AT - 90 * DAY - 5 * MINUTE


@pytest.mark.parametrize("year", [1970, 2090, 9999])
def test_a_wrong_time_in_an_id_is_searched_besides(year: int) -> None:
    """The prediction may have the wrong time, too, or the right one."""
    hint = AT.replace(year=year)
    around, wrong = searched_intervals(uuid7.make(hint), AT, SETTINGS)

    assert around == days_around(AT, SETTINGS)
    assert wrong.start < hint < wrong.end
    assert searched_intervals(uuid7.make(AT - DAY), AT, SETTINGS) == [around]


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])
def test_the_first_and_the_last_moment_can_be_searched(moment: datetime) -> None:
    """No time leaves the range of dates."""
    extreme = moment.replace(tzinfo=timezone.utc)

    assert days_around(extreme, SETTINGS).start < days_around(extreme, SETTINGS).end


def test_intervals_that_overlap_are_searched_once() -> None:
    """A page of feedback of one day makes one interval."""
    intervals = [days_around(AT + n * MINUTE, SETTINGS) for n in range(50)]
    years_ago = days_around(AT - 900 * DAY, SETTINGS)

    assert merged([*intervals, years_ago]) == [years_ago, Interval(intervals[0].start, intervals[-1].end)]


def test_of_predictions_with_one_id_the_nearest_before_the_feedback_is_taken() -> None:
    """One after the feedback is taken only if its clock may be ahead, or if there is no other."""
    moments = [AT + 20 * MINUTE, AT - 30 * MINUTE, AT - DAY, AT + 3 * DAY]

    assert sorted(moments, key=lambda made_at: place(AT, made_at, SETTINGS)) == [
        AT - 30 * MINUTE,
        AT - DAY,
        AT + 20 * MINUTE,
        AT + 3 * DAY,
    ]
    assert min([AT - 5 * MINUTE, AT + MINUTE], key=lambda made_at: place(AT, made_at, SETTINGS)) == AT + MINUTE
