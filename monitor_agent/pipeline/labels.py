"""What a label is, as query bodies: the one definition for metrics, dashboards and documentation (pure).

A label is known or unknown, never guessed:

- An **impression** is a prediction that was not scored in shadow. If the setting `impressions` is `explicit`, an
  impression, click or purchase event must confirm it.
- A **mature** prediction is an impression that is at least as old as the attribution window.
- A **positive** has feedback of the judged type that says 1 within the attribution window (`feedback.label` is 1).
- A **negative** has feedback that says 0. If the setting `absent_feedback` is `negative`, every mature prediction
  without a positive is one.

Only mature predictions are judged, positives too: otherwise the early clicks of a young window would give a high rate.
There is one exception: if feedback of type `label` judges, and a prediction without it has no label, then each label is
final when it comes, 1 as well as 0. So it counts at once, and the attribution window only limits how long it may take.
The same holds for the true class of a `multiclass` prediction and the true number of a `regression`.

Young windows are compared at **equal age**: a positive is an impression whose first positive feedback came within some
minutes, all other impressions of at least this age are negatives, and the reference is counted by the same rule. This
needs a model whose missing feedback means 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.metrics.positive_rate import CLICK
from monitor_agent.pipeline.instants import parse, range_filter
from monitor_agent.settings import AgentSettings

Query = dict[str, Any]


def impressions(settings: AgentSettings) -> Query:
    """Return the filter for predictions that were displayed to somebody."""
    confirmed = [{"term": {"feedback.shown": True}}] if settings.impressions == "explicit" else []
    return {"bool": {"must_not": [{"term": {"prediction.shadow": True}}], "filter": confirmed}}


def mature(settings: AgentSettings, now: datetime) -> Query:
    """Return the filter for impressions whose attribution window is over at `now`."""
    old_enough = range_filter("@timestamp", lte=now - settings.attribution_window)
    return {"bool": {"filter": [impressions(settings), old_enough]}}


def count_early(settings: AgentSettings) -> bool:
    """Return whether labels count before the attribution window is over."""
    return settings.feedback_type == "label" and settings.absent_feedback == "unknown"


def judged(settings: AgentSettings, now: datetime) -> Query:
    """Return the filter for the predictions whose labels count at `now`."""
    return impressions(settings) if count_early(settings) else mature(settings, now)


def judged_by_early_clicks(settings: AgentSettings) -> bool:
    """Return whether a model is compared at equal age: a missing click soon means that there is none."""
    return settings.feedback_type == CLICK and settings.absent_feedback == "negative"


def of_age(settings: AgentSettings, now: datetime, age: timedelta) -> Query:
    """Return the filter for impressions of at least an age, whose feedback of that time has been joined."""
    old_enough = range_filter("@timestamp", lte=now - age - settings.ingest_grace)
    return {"bool": {"filter": [impressions(settings), old_enough]}}


def positive_within(age: timedelta) -> Query:
    """Return the filter for predictions whose first positive feedback came within an age."""
    return {"range": {"feedback.delay": {"lt": age // timedelta(microseconds=1) * 1000}}}


def of_known_truth(settings: AgentSettings, field: str) -> Query:
    """Return the filter for impressions of another kind than `binary` whose truth is known: they count at once.

    Parameters
    ----------
    field : the field that a prediction has if its truth is known.
    """
    return {"bool": {"filter": [impressions(settings), {"exists": {"field": field}}]}}


def positive() -> Query:
    """Return the filter for the label 1 among judged predictions."""
    return {"term": {"feedback.label": 1}}


def negative(settings: AgentSettings) -> Query:
    """Return the filter for the label 0 among judged predictions."""
    if settings.absent_feedback == "negative":
        return {"bool": {"must_not": [positive()]}}
    return {"term": {"feedback.label": 0}}


def labelled(settings: AgentSettings) -> Query:
    """Return the filter for the labels 1 and 0 among judged predictions."""
    return {"bool": {"should": [positive(), negative(settings)]}}


def unknown(settings: AgentSettings, now: datetime) -> Query:
    """Return the filter for predictions whose label is not known at `now`: neither positive nor negative."""
    labelled = [] if settings.absent_feedback == "negative" else [{"exists": {"field": "feedback.label"}}]
    return {"bool": {"must_not": [{"bool": {"filter": [judged(settings, now), *labelled]}}]}}


def label_of(prediction: Mapping[str, Any], settings: AgentSettings, now: datetime) -> int | None:
    """Return the label that counts at `now`; None if it is not known: the rule of the queries, for one document.

    Parameters
    ----------
    prediction : a stored prediction without nesting: dotted names of fields -> values.

    >>> noon = parse("2026-11-23T12:00Z")
    >>> label_of({"@timestamp": "2026-11-23T11:00Z"}, AgentSettings(), noon)
    0
    >>> label_of({"@timestamp": "2026-11-23T11:45Z", "feedback.label": 1}, AgentSettings(), noon) is None
    True
    """
    if prediction.get("prediction.shadow") is True:
        return None
    if settings.impressions == "explicit" and prediction.get("feedback.shown") is not True:
        return None
    if not count_early(settings) and parse(prediction["@timestamp"]) > now - settings.attribution_window:
        return None
    label: int | None = prediction.get("feedback.label")
    return 0 if label is None and settings.absent_feedback == "negative" else label
