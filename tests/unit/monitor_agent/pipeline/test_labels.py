"""What a label is: the filters that Elasticsearch gets."""

from __future__ import annotations

from datetime import datetime, timezone

from monitor_agent.pipeline import labels
from monitor_agent.settings import AgentSettings

IN_SHADOW = [{"term": {"prediction.shadow": True}}]
NOW = datetime(2026, 3, 2, 10, 30, tzinfo=timezone.utc)


def test_all_predictions_are_impressions_but_those_in_shadow() -> None:
    """With implied impressions no event is needed."""
    assert labels.impressions(AgentSettings()) == {"bool": {"must_not": IN_SHADOW, "filter": []}}


def test_explicit_impressions_need_an_event() -> None:
    """An event must confirm that the prediction was displayed."""
    settings = AgentSettings(impressions="explicit")
    confirmed = [{"term": {"feedback.shown": True}}]

    assert labels.impressions(settings) == {"bool": {"must_not": IN_SHADOW, "filter": confirmed}}


def test_mature_is_as_old_as_the_attribution_window() -> None:
    """A prediction made exactly 30 minutes ago is mature, in milliseconds since 1970."""
    ten = 1_772_445_600_000
    age = {"range": {"@timestamp": {"lte": ten, "format": "epoch_millis"}}}

    assert labels.mature(AgentSettings(), NOW) == {"bool": {"filter": [labels.impressions(AgentSettings()), age]}}


def test_absent_feedback_is_negative_or_unknown() -> None:
    """By default a mature prediction without a click is a negative; otherwise a negative needs feedback that says 0."""
    unknown = AgentSettings(absent_feedback="unknown")

    assert labels.negative(AgentSettings()) == {"bool": {"must_not": [{"term": {"feedback.label": 1}}]}}
    assert labels.negative(unknown) == {"term": {"feedback.label": 0}}
    assert labels.positive() == {"term": {"feedback.label": 1}}


def test_labels_count_early_only_if_both_values_come_as_feedback() -> None:
    """Clicks come early but their absence does not; the same holds for labels if silence is a negative."""
    early = AgentSettings(feedback_type="label", absent_feedback="unknown")
    late = [AgentSettings(feedback_type="label"), AgentSettings(absent_feedback="unknown"), AgentSettings()]

    assert labels.judged(early, NOW) == labels.impressions(early)
    assert all(labels.judged(settings, NOW) == labels.mature(settings, NOW) for settings in late)
