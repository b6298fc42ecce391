"""What is counted of predictions of all kinds alike: the funnel, feedback, clicks, and times of requests (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from monitor_agent.metrics import (
    DELAY_DECADES,
    DELAY_EDGES,
    DURATION_DECADES,
    DURATION_EDGES,
    FixedPoint,
    LogHistogram,
    to_fixed_point,
)
from monitor_agent.metrics.conversion_rate import WITHOUT_CLICK
from monitor_agent.metrics.log_histogram import LINEAR, bucket_of, linear_step, outer_decades
from monitor_agent.pipeline import labels
from monitor_agent.settings import AgentSettings

Aggregations = dict[str, Any]

_TIMES = {
    "duration": "event.duration",
    "queue_time": "prediction.queue_time",
    "compute_time": "prediction.compute_time",
}


def common_aggregations(settings: AgentSettings, now: datetime) -> Aggregations:
    """Return the aggregations of one segment; `common_fields` and `common_counts` read their response.

    Parameters
    ----------
    now : the moment that decides which predictions are mature.
    """
    return {
        "impressions": {"filter": labels.impressions(settings)},
        "mature": {
            "filter": labels.mature(settings, now),
            "aggs": {
                "clicked": {"filter": {"term": {"feedback.types": "click"}}},
                "bought": {
                    "filter": {"term": {"feedback.types": "purchase"}},
                    "aggs": {"clicked": {"filter": {"term": {"feedback.types": "click"}}}},
                },
                "value": {"sum": {"field": "feedback.value"}},
            },
        },
        "requests": {
            "filter": {"term": {"prediction.rank": 1}},
            "aggs": {
                key: aggregation
                for name, field in _TIMES.items()
                for key, aggregation in _times(name, field, DURATION_DECADES).items()
            },
        },
        "with_feedback": {
            "filter": {"exists": {"field": "feedback.count"}},
            "aggs": {
                **{name: {"sum": {"field": f"feedback.{name}"}} for name in ("count", "duplicates", "too_late")},
                **_times("delay", "feedback.delay", DELAY_DECADES),
            },
        },
    }


def common_fields(bucket: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `WindowState` that a response to `common_aggregations` holds."""
    mature, requests, with_feedback = bucket["mature"], bucket["requests"], bucket["with_feedback"]
    feedback, duplicates, late = (round(with_feedback[name]["value"]) for name in ("count", "duplicates", "too_late"))
    return {
        "predictions": bucket["doc_count"],
        "impressions": bucket["impressions"]["doc_count"],
        "mature": mature["doc_count"],
        "matched": feedback - duplicates - late,
        "duplicate": duplicates,
        "too_late": late,
        "clicks": mature["clicked"]["doc_count"],
        "conversions": mature["bought"]["doc_count"],
        "requests": requests["doc_count"],
        "value_sum": fixed_point_of(mature["value"]["value"]),
        **{name: _log_histogram(requests, name, DURATION_DECADES) for name in _TIMES},
        "delay": _log_histogram(with_feedback, "delay", DELAY_DECADES),
    }


def common_counts(bucket: Mapping[str, Any]) -> dict[str, int]:
    """Return the named counts of a response to `common_aggregations`; some may be 0."""
    bought = bucket["mature"]["bought"]
    return {WITHOUT_CLICK: bought["doc_count"] - bought["clicked"]["doc_count"]}


def fixed_point_of(value: float | str | None) -> FixedPoint:
    """Return a sum in a response in fixed point; a sum of nothing is 0."""
    # Elasticsearch answers a sum that is not finite as text: `Infinity`.
    return to_fixed_point(float(value or 0.0))


def histogram_between(field: str, interval: float, low: float, high: float) -> dict[str, Any]:
    """Return a histogram of a field in [low, high], without its empty bins."""
    bounds = {"min": low, "max": high}
    return {"histogram": {"field": field, "interval": interval, "min_doc_count": 1, "hard_bounds": bounds}}


def _times(name: str, field: str, decades: range) -> Aggregations:
    outer, linear = outer_decades(decades), linear_step(decades)
    inner = {f"{name}_{power}": histogram_between(field, _step(power), 10**power, 99 * _step(power)) for power in outer}
    ends = [{"to": 0}, {"from": 10**outer.stop}]
    return {
        f"{name}_linear": histogram_between(field, linear, 0, (LINEAR - 1) * linear),
        **inner,
        f"{name}_ends": {"range": {"field": field, "ranges": ends}},
        f"{name}_stats": {"stats": {"field": field}},
    }


def _step(power: int) -> int:
    step: int = 10 ** (power - 1)
    return step


def _log_histogram(aggregations: Mapping[str, Any], name: str, decades: range) -> LogHistogram:
    stats = aggregations[f"{name}_stats"]
    if not stats["count"]:
        return LogHistogram()
    below, above = (bucket["doc_count"] for bucket in aggregations[f"{name}_ends"]["buckets"])
    edges = DURATION_EDGES if decades == DURATION_DECADES else DELAY_EDGES
    counts = {0: below, len(edges): above}
    for number in ("linear", *outer_decades(decades)):
        for bucket in aggregations[f"{name}_{number}"]["buckets"]:
            counts[bucket_of(round(bucket["key"]), edges)] = bucket["doc_count"]
    filled = {index: count for index, count in counts.items() if count}
    return LogHistogram(filled, round(stats["sum"]), round(stats["min"]), round(stats["max"]))
