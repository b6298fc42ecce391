"""Finality: when no label can come in time any more, and when a window is closed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from monitor_agent.contracts.performance import STATES
from monitor_agent.pipeline.finality import (
    FINAL_STATES,
    NOT_FINAL_STATES,
    closed_windows,
    is_final,
    is_past_restatement,
)
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings

CALENDAR = Calendar(AgentSettings())
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
WINDOW = CALENDAR.base_window(datetime(2026, 3, 2, 10, tzinfo=timezone.utc))
LIMIT = CALENDAR.final_at(WINDOW) + 7 * DAY


def test_a_window_is_final_in_two_of_the_four_states() -> None:
    """A restated window is final, too."""
    assert {state: is_final(state) for state in STATES} == {
        "open": False,
        "provisional": False,
        "final": True,
        "restated": True,
    }
    assert sorted(FINAL_STATES + NOT_FINAL_STATES) == sorted(STATES)


def test_the_restatement_limit_begins_when_a_window_can_be_final() -> None:
    """Seven days later it is over."""
    assert CALENDAR.restated_until(WINDOW) == LIMIT
    assert not is_past_restatement(WINDOW, CALENDAR, LIMIT)
    assert is_past_restatement(WINDOW, CALENDAR, LIMIT + MICROSECOND)


@pytest.mark.parametrize(
    ("state", "now", "closed"),
    [
        ("final", LIMIT, False),
        ("final", LIMIT + MICROSECOND, True),
        ("restated", LIMIT + DAY, True),
        ("provisional", LIMIT + 80 * DAY, False),
        ("open", LIMIT + 80 * DAY, False),
    ],
)
def test_a_window_is_closed_if_it_has_been_final_for_the_restatement_limit(
    state: str, now: datetime, closed: bool
) -> None:
    """A window that no cycle has made final is not closed, however old it is."""
    row = ModelWindow("click", WINDOW)

    assert closed_windows([row], {row: state}, CALENDAR, now) == ({row} if closed else set())


@pytest.mark.parametrize(
    ("states", "closed"),
    [
        ({}, False),
        ({"1h": "final"}, True),
        ({"1h": "provisional", "1d": "restated"}, True),
        ({"1d": "final"}, True),
        ({"1h": "open", "1d": "provisional"}, False),
    ],
)
def test_a_window_without_events_is_closed_with_the_windows_that_hold_it(states: dict[str, str], closed: bool) -> None:
    """It has been final, with no event, since a larger window was: else only some late events of a day would count."""
    row, other = ModelWindow("click", WINDOW), ModelWindow("ads", WINDOW)
    stored = {ModelWindow("click", CALENDAR.window(size, WINDOW.start)): state for size, state in states.items()}

    assert closed_windows([row, other], stored, CALENDAR, LIMIT + DAY) == ({row} if closed else set())
    assert closed_windows([row, other], stored, CALENDAR, LIMIT) == set()
