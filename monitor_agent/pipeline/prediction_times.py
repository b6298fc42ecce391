"""Where the prediction of a feedback event is searched: around the time in its id, and around the feedback (pure).

The time in a UUIDv7 is a hint. Other programs make such ids, too, and their clocks may be wrong. So the days around the
feedback's own time are searched as well.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from monitor_agent.contracts import uuid7
from monitor_agent.pipeline.instants import DAY, Interval
from monitor_agent.settings import AgentSettings

SEARCHED_BEFORE = timedelta(days=8)
"""A prediction is searched at least this long before its feedback; longer if the attribution window is longer."""
SEARCHED_AFTER = DAY
"""A prediction is searched at least this long after its feedback, because clocks differ."""

_FIRST, _LAST = datetime.min.replace(tzinfo=timezone.utc), datetime.max.replace(tzinfo=timezone.utc)


def time_in_id(prediction_id: str, feedback_time: datetime) -> datetime | None:
    """Return the time in a UUIDv7; None if the id holds no time, or a time more than a day after the feedback.

    >>> noon = datetime(2025, 11, 23, 12, 0, 0, tzinfo=timezone.utc)
    >>> time_in_id("019ab0a5-9d7b-7c3e-8a51-6f2b9d1c4e70", noon).isoformat()
    '2025-11-23T12:17:15.131000+00:00'
    """
    moment = uuid7.time_of(prediction_id)
    return None if moment is None or moment - feedback_time > DAY else moment


def days_around(feedback_time: datetime, settings: AgentSettings) -> Interval:
    """Return the interval around a feedback event in which its prediction may lie, whatever its id is."""
    before = max(SEARCHED_BEFORE, settings.attribution_window + settings.clock_skew)
    after = max(SEARCHED_AFTER, settings.clock_skew)
    return Interval(_shifted(feedback_time, -before), _shifted(feedback_time, after))


def searched_intervals(prediction_id: str, feedback_time: datetime, settings: AgentSettings) -> list[Interval]:
    """Return all intervals in which the prediction of a feedback event is searched."""
    around = days_around(feedback_time, settings)
    hint = uuid7.time_of(prediction_id)
    if hint is None or around.holds(hint):
        return [around]
    return [around, Interval(_shifted(hint, -SEARCHED_AFTER), _shifted(hint, SEARCHED_AFTER))]


def in_time_for(interval: Interval, settings: AgentSettings) -> Interval:
    """Return the interval in which feedback is in time for some prediction of an interval."""
    return Interval(interval.start - settings.clock_skew, interval.end + settings.attribution_window)


def place(feedback_time: datetime, made_at: datetime, settings: AgentSettings) -> tuple[bool, timedelta]:
    """Return the rank of a prediction among those with the id that feedback names: the smallest is taken.

    Ids of other programs may repeat: the nearest prediction is taken, those before the feedback first.
    """
    return made_at > feedback_time + settings.clock_skew, abs(feedback_time - made_at)


def _shifted(moment: datetime, by: timedelta) -> datetime:
    """Return a moment some time later, within the years that `datetime` knows."""
    try:
        return moment + by
    except OverflowError:
        return _LAST if by > timedelta() else _FIRST
