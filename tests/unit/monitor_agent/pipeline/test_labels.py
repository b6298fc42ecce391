"""What a label is, as Elasticsearch is asked for it."""

from __future__ import annotations

from datetime import datetime, timezone

from monitor_agent.pipeline import labels
from monitor_agent.settings import AgentSettings

NOT_IN_SHADOW = [{"term": {"prediction.shadow": True}}]
NOW = datetime(2026, 3, 2, 10, 30, tzinfo=timezone.utc)


def test_everything_served_was_shown_but_in_shadow() -> None:
    """Implied impressions: no event must say so."""
    assert labels.shown(AgentSettings()) == {"bool": {"must_not": NOT_IN_SHADOW, "filter": []}}


def test_explicit_impressions_must_be_told() -> None:
    """Shown is what an event says."""
    told = [{"term": {"feedback.shown": True}}]

    assert labels.shown(AgentSettings(impressions="explicit")) == {"bool": {"must_not": NOT_IN_SHADOW, "filter": told}}


def test_mature_is_as_old_as_the_attribution_window() -> None:
    """A prediction made exactly 30 minutes ago is mature, in milliseconds since 1970."""
    ten = 1_772_445_600_000
    age = {"range": {"@timestamp": {"lte": ten, "format": "epoch_millis"}}}

    assert labels.mature(AgentSettings(), NOW) == {"bool": {"filter": [labels.shown(AgentSettings()), age]}}


def test_silence_is_a_no_or_unknown() -> None:
    """By default a mature prediction without a click was not clicked; where silence says nothing, 0 must be told."""
    silent = AgentSettings(absent_feedback="unknown")

    assert labels.negative(AgentSettings()) == {"bool": {"must_not": [{"term": {"feedback.label": 1}}]}}
    assert labels.negative(silent) == {"term": {"feedback.label": 0}}
    assert labels.positive() == {"term": {"feedback.label": 1}}
