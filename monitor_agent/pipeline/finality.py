"""What the state of a window means: whether labels may still come, and whether the agent may restate it.

`Calendar.state` decides by the clock when a window becomes final; here is decided what follows from it.
"""

from __future__ import annotations

from datetime import datetime

from monitor_agent.contracts.performance import STATE_FINAL, STATE_OPEN, STATE_PROVISIONAL, STATE_RESTATED
from monitor_agent.pipeline.windows import Calendar, Window

FINAL_STATES = (STATE_FINAL, STATE_RESTATED)
NOT_FINAL_STATES = (STATE_OPEN, STATE_PROVISIONAL)


def is_final(state: str) -> bool:
    """Return whether no label of a window in this state can come in time any more.

    >>> is_final("restated"), is_final("provisional")
    (True, False)
    """
    return state in FINAL_STATES


def is_past_restatement(window: Window, calendar: Calendar, now: datetime) -> bool:
    """Return whether the restatement limit of a window is over, if the window has become final."""
    return now > calendar.restated_until(window)


def is_closed(window: Window, state: str, calendar: Calendar, now: datetime) -> bool:
    """Return whether a window has been final for longer than the restatement limit: only a backfill changes it."""
    return is_final(state) and is_past_restatement(window, calendar, now)
