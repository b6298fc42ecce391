"""Orphan rate: the share of feedback without a prediction."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval
from monitor_agent.metrics.window_state import WindowState


def orphan_rate(orphans: int, feedback: int) -> float | Undefined:
    """orphans / feedback on the window's predictions; the time in the feedback selects the window.

    Undefined (``no_feedback``) without feedback.

    >>> orphan_rate(orphans=2, feedback=40)
    0.05
    """
    return orphans / feedback if feedback else Undefined("no_feedback")


def _feedback(state: WindowState) -> int:
    return state.matched + state.duplicate + state.too_late + state.orphan


SPEC = MetricSpec(
    "orphan_rate",
    "ratio",
    "share of the feedback whose prediction was not found",
    lambda s: orphan_rate(s.orphan, _feedback(s)),
    lambda s: wilson_interval(s.orphan, _feedback(s)),
    bigger_is_better=False,
    label_free=True,
    all_kinds=True,
    source="orphan / (matched + duplicate + too_late + orphan)",
)
