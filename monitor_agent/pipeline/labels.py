"""What a label is, as query bodies: the one place for metrics, dashboards and documentation.

A label is known or unknown, never guessed:

- **shown**: not scored in shadow; where `impressions` is `explicit`, an impression, click or purchase says so too.
- **mature**: shown, and at least as old as the attribution window.
- **positive**: feedback of the judged type says 1 within the attribution window (`feedback.label` is 1).
- **negative**: feedback says 0; or, where `absent_feedback` is `negative`, a mature prediction has no positive.

Only mature predictions are counted, positives too: else the early clicks of a young window would look like a high rate.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitor_agent.pipeline.instants import range_filter
from monitor_agent.settings import AgentSettings

Query = dict[str, Any]


def shown(settings: AgentSettings) -> Query:
    """Return the filter for predictions that somebody saw."""
    told = [{"term": {"feedback.shown": True}}] if settings.impressions == "explicit" else []
    return {"bool": {"must_not": [{"term": {"prediction.shadow": True}}], "filter": told}}


def mature(settings: AgentSettings, now: datetime) -> Query:
    """Return the filter for shown predictions whose attribution window is over at `now`."""
    old_enough = range_filter("@timestamp", lte=now - settings.attribution_window)
    return {"bool": {"filter": [shown(settings), old_enough]}}


def positive() -> Query:
    """Return the filter, among mature predictions, for the label 1."""
    return {"term": {"feedback.label": 1}}


def negative(settings: AgentSettings) -> Query:
    """Return the filter, among mature predictions, for the label 0."""
    if settings.absent_feedback == "negative":
        return {"bool": {"must_not": [positive()]}}
    return {"term": {"feedback.label": 0}}


def unknown(settings: AgentSettings, now: datetime) -> Query:
    """Return the filter for predictions whose label is not known at `now`: neither positive nor negative."""
    told = [] if settings.absent_feedback == "negative" else [{"exists": {"field": "feedback.label"}}]
    return {"bool": {"must_not": [{"bool": {"filter": [mature(settings, now), *told]}}]}}
