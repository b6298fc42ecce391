"""What the state of a window means: whether labels may still come, and whether the agent may restate it.

`Calendar.state` decides by the clock when a window becomes final; here is decided what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from monitor_agent.contracts.performance import STATE_FINAL, STATE_OPEN, STATE_PROVISIONAL, STATE_RESTATED
from monitor_agent.pipeline.stale_windows import ModelWindow, enclosing_windows
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


def closed_windows(
    model_windows: Iterable[ModelWindow], states: Mapping[ModelWindow, str], calendar: Calendar, now: datetime
) -> set[ModelWindow]:
    """Return the windows that have been final for longer than the restatement limit: only a backfill changes them.

    A window without events has no document. It has been final as long as any larger window that holds it: that window
    was computed without these events. So all base windows of a larger window close by the same rule, whether they had
    events or not.

    Parameters
    ----------
    states : the states of the stored documents of these windows, and of the larger windows that hold them.
    """
    return {
        row
        for row in model_windows
        if is_past_restatement(row.window, calendar, now) and _was_final(row, states, calendar)
    }


def _was_final(row: ModelWindow, states: Mapping[ModelWindow, str], calendar: Calendar) -> bool:
    if row in states:
        return is_final(states[row])
    return any(is_final(states.get(larger, STATE_OPEN)) for larger in enclosing_windows([row], calendar))
