"""How Elasticsearch counts a window: the aggregations, and the mergeable states that their answers make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from monitor_agent.metrics import DELAY_EDGES, DURATION_EDGES, SCORE_INTERVAL, Fixed, LogHistogram, WindowState, fixed
from monitor_agent.metrics.score_histogram import from_buckets
from monitor_agent.pipeline import instants, labels
from monitor_agent.pipeline.segments import Segment
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings

Aggregations = dict[str, Any]

MAX_VERSIONS = 500
MAX_POSITION = 100
"""Positions beyond it are not told apart."""

_TIMES = {
    "duration": "event.duration",
    "queue_time": "prediction.queue_time",
    "compute_time": "prediction.compute_time",
}


def within(window: Window, field: str = "@timestamp") -> dict[str, Any]:
    """Return the filter for events in a window."""
    bounds = {"gte": instants.milliseconds(window.start), "lt": instants.milliseconds(window.end)}
    return {"range": {field: {**bounds, "format": "epoch_millis"}}}


def body(
    model: str,
    window: Window,
    segments: Sequence[Segment],
    settings: AgentSettings,
    now: datetime,
    version: str | None = None,
) -> dict[str, Any]:
    """Return the search that counts one window of one model: by version (or of one `version`) and segment."""
    filters = [{"term": {"model.name": model}}, within(window)]
    if version is not None:
        filters.append({"term": {"model.version": version}})
    by_segment = {
        "filters": {"filters": {str(number): segment.query for number, segment in enumerate(segments)}},
        "aggs": _parts(settings, now),
    }
    versions = {"terms": {"field": "model.version", "size": MAX_VERSIONS}, "aggs": {"segments": by_segment}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": filters}},
        "aggs": {"versions": versions},
    }


def states(answer: Mapping[str, Any], segments: Sequence[Segment]) -> dict[tuple[str, str], WindowState]:
    """Return (version, segment) -> state of an answer to `body`; segments without predictions are left out."""
    found: dict[tuple[str, str], WindowState] = {}
    for bucket in answer["aggregations"]["versions"]["buckets"]:
        parts = bucket["segments"]["buckets"]
        for number, segment in enumerate(segments):
            part = parts[str(number)]
            if part["doc_count"]:
                found[bucket["key"], segment.name] = _state(part)
    return found


def complete(answer: Mapping[str, Any]) -> bool:
    """Return whether the answer holds every version."""
    return not answer["aggregations"]["versions"]["sum_other_doc_count"]


def with_feedback_and_errors(state: WindowState, orphans: int, errors: int) -> WindowState:
    """Return the state together with what is counted in other indices."""
    return replace(state, orphan=orphans, errors=errors) if orphans or errors else state


def _parts(settings: AgentSettings, now: datetime) -> Aggregations:
    known = {
        "clicked": {"filter": {"term": {"feedback.types": "click"}}},
        "bought": {"filter": {"term": {"feedback.types": "purchase"}}},
        "value": {"sum": {"field": "feedback.value"}},
        "pos": {"filter": labels.positive(), "aggs": _class("prediction.log_loss_1")},
        "neg": {"filter": labels.negative(settings), "aggs": _class("prediction.log_loss_0")},
    }
    return {
        "predicted": {"filter": {"term": {"prediction.label": 1}}},
        "scores": _scores(),
        "score": {"extended_stats": {"field": "prediction.score"}},
        "shown": {"filter": labels.shown(settings)},
        "mature": {"filter": labels.mature(settings, now), "aggs": known},
        "requests": {
            "filter": {"term": {"prediction.rank": 1}},
            "aggs": {
                name: _times(field, DURATION_EDGES) if part == "ranges" else {"stats": {"field": field}}
                for which, field in _TIMES.items()
                for part, name in (("ranges", which), ("stats", f"{which}_stats"))
            },
        },
        "told": {
            "filter": {"exists": {"field": "feedback.count"}},
            "aggs": {
                **{name: {"sum": {"field": f"feedback.{name}"}} for name in ("count", "duplicates", "too_late")},
                "delay": _times("feedback.delay", DELAY_EDGES),
                "delay_stats": {"stats": {"field": "feedback.delay"}},
            },
        },
    }


def _class(loss: str) -> Aggregations:
    return {
        "predicted": {"filter": {"term": {"prediction.label": 1}}},
        "scores": _scores(),
        "score": {"extended_stats": {"field": "prediction.score"}},
        "loss": {"sum": {"field": loss}},
        "positions": {
            "histogram": {
                "field": "item.position",
                "interval": 1,
                "min_doc_count": 1,
                "hard_bounds": {"min": 1, "max": MAX_POSITION},
            }
        },
    }


def _scores() -> dict[str, Any]:
    return {"histogram": {"field": "prediction.score", "interval": SCORE_INTERVAL, "min_doc_count": 1}}


def _times(field: str, edges: Sequence[int]) -> dict[str, Any]:
    inner = [{"from": low, "to": high} for low, high in pairwise(edges)]
    return {"range": {"field": field, "ranges": [{"to": edges[0]}, *inner, {"from": edges[-1]}]}}


def _state(part: Mapping[str, Any]) -> WindowState:
    mature, told, requests = part["mature"], part["told"], part["requests"]
    pos, neg = mature["pos"], mature["neg"]
    feedback, duplicates, late = (round(told[name]["value"]) for name in ("count", "duplicates", "too_late"))
    score, squares = _sums(part)
    score_pos, squares_pos = _sums(pos)
    score_neg, squares_neg = _sums(neg)
    shown_by_position, clicks_by_position = _positions(pos, neg)
    return WindowState(
        predictions=part["doc_count"],
        shown=part["shown"]["doc_count"],
        eligible=part["shown"]["doc_count"],
        mature=mature["doc_count"],
        labelled=pos["doc_count"] + neg["doc_count"],
        matched=feedback - duplicates - late,
        duplicate=duplicates,
        too_late=late,
        tp=pos["predicted"]["doc_count"],
        fn=pos["doc_count"] - pos["predicted"]["doc_count"],
        fp=neg["predicted"]["doc_count"],
        tn=neg["doc_count"] - neg["predicted"]["doc_count"],
        predicted_positive=part["predicted"]["doc_count"],
        clicks=mature["clicked"]["doc_count"],
        conversions=mature["bought"]["doc_count"],
        requests=requests["doc_count"],
        score_sum=score,
        score_square_sum=squares,
        score_sum_pos=score_pos,
        score_square_sum_pos=squares_pos,
        score_sum_neg=score_neg,
        score_square_sum_neg=squares_neg,
        log_loss_pos=_fixed(pos["loss"]["value"]),
        log_loss_neg=_fixed(neg["loss"]["value"]),
        value_sum=_fixed(mature["value"]["value"]),
        scores=_histogram(part),
        scores_pos=_histogram(pos),
        scores_neg=_histogram(neg),
        shown_by_position=shown_by_position,
        clicks_by_position=clicks_by_position,
        duration=_log_histogram(requests, "duration"),
        queue_time=_log_histogram(requests, "queue_time"),
        compute_time=_log_histogram(requests, "compute_time"),
        delay=_log_histogram(told, "delay"),
    )


def _sums(part: Mapping[str, Any]) -> tuple[Fixed, Fixed]:
    return _fixed(part["score"]["sum"]), _fixed(part["score"]["sum_of_squares"])


def _fixed(value: float | None) -> Fixed:
    return fixed(value or 0.0)


def _histogram(part: Mapping[str, Any]) -> dict[int, int]:
    return from_buckets((bucket["key"], bucket["doc_count"]) for bucket in part["scores"]["buckets"])


def _positions(pos: Mapping[str, Any], neg: Mapping[str, Any]) -> tuple[dict[int, int], dict[int, int]]:
    clicks = {int(bucket["key"]): bucket["doc_count"] for bucket in pos["positions"]["buckets"]}
    shown = dict(clicks)
    for bucket in neg["positions"]["buckets"]:
        position = int(bucket["key"])
        shown[position] = shown.get(position, 0) + bucket["doc_count"]
    return shown, clicks


def _log_histogram(part: Mapping[str, Any], name: str) -> LogHistogram:
    stats = part[f"{name}_stats"]
    if not stats["count"]:
        return LogHistogram()
    counts = {index: bucket["doc_count"] for index, bucket in enumerate(part[name]["buckets"]) if bucket["doc_count"]}
    return LogHistogram(counts, round(stats["sum"]), round(stats["min"]), round(stats["max"]))
