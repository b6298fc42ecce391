"""How Elasticsearch counts a window: the aggregations, and the mergeable states that their answers make.

Histograms are asked for by decade, so that an answer holds only the bins that hold something. Predictions are counted
once each: by the segments of one label, in which each is in one, and by what is known of their label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.metrics import (
    DELAY_DECADES,
    DURATION_DECADES,
    FixedPoint,
    LogHistogram,
    WindowState,
    merge_all,
    to_fixed_point,
)
from monitor_agent.metrics.inverse_propensity import propensity_sums
from monitor_agent.metrics.log_histogram import PER_DECADE
from monitor_agent.metrics.ranking import REQUESTS
from monitor_agent.metrics.score_histogram import (
    DECADES,
    MIDDLES,
    Histogram,
    ScoreDecade,
    add,
    from_buckets,
    from_refined_buckets,
)
from monitor_agent.pipeline import labels
from monitor_agent.pipeline.instants import within
from monitor_agent.pipeline.score_resolution import NO_REFINED_BINS, RefinedBins
from monitor_agent.pipeline.segments import Segment
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings

Aggregations = dict[str, Any]
Counted = tuple[str, Segment, WindowState]
"""A version, a segment, and the state of both."""

MAX_VERSIONS = 500
MAX_POSITION = 100
"""Positions beyond it are not told apart."""

_TIMES = {
    "duration": "event.duration",
    "queue_time": "prediction.queue_time",
    "compute_time": "prediction.compute_time",
}


def body(
    model: str,
    window: Window,
    segments: Sequence[Segment],
    settings: AgentSettings,
    now: datetime,
    version: str | None = None,
    refined: RefinedBins = NO_REFINED_BINS,
) -> dict[str, Any]:
    """Return the search that counts one window of one model: by version (or of one `version`) and segment."""
    filters = [{"term": {"model.name": model}}, within(window)]
    if version is not None:
        filters.append({"term": {"model.version": version}})
    by_segment = {
        "filters": {"filters": {str(number): segment.query for number, segment in enumerate(segments)}},
        "aggs": _parts(settings, now, refined.decades(window)),
    }
    versions = {"terms": {"field": "model.version", "size": MAX_VERSIONS}, "aggs": {"segments": by_segment}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": filters}},
        "aggs": {"versions": versions},
    }


def counted(
    answer: Mapping[str, Any], segments: Sequence[Segment], window: Window, refined: RefinedBins = NO_REFINED_BINS
) -> list[Counted]:
    """Return what an answer to `body` counts; segments without predictions are left out."""
    found: list[Counted] = []
    for bucket in answer["aggregations"]["versions"]["buckets"]:
        parts = bucket["segments"]["buckets"]
        for number, segment in enumerate(segments):
            part = parts[str(number)]
            if part["doc_count"]:
                found.append((bucket["key"], segment, _state(part, refined.decades(window))))
    return found


def states(parts: Iterable[Counted]) -> dict[tuple[str, str], WindowState]:
    """Return (version, segment) -> state; the segment `all` is merged from the parts that make it up."""
    found: dict[tuple[str, str], WindowState] = {}
    everything: dict[str, list[WindowState]] = {}
    for version, segment, state in parts:
        if segment.name:
            found[version, segment.name] = state
        if segment.part_of_all:
            everything.setdefault(version, []).append(state)
    return found | {(version, ALL_SEGMENT): merge_all(some) for version, some in everything.items()}


def scores() -> Aggregations:
    """Return the aggregations that count scores, by decade."""
    return _decades("scores", "prediction.score")


def binned(part: Mapping[str, Any], name: str) -> Histogram:
    """Return the histogram that an answer to `scores` holds."""
    return from_buckets(part[f"{name}_{decade.number}"]["buckets"] for decade in DECADES)


def complete(answer: Mapping[str, Any]) -> bool:
    """Return whether the answer holds every version."""
    return not answer["aggregations"]["versions"]["sum_other_doc_count"]


def with_feedback_and_errors(state: WindowState, orphans: int, errors: int) -> WindowState:
    """Return the state together with what is counted in other indices."""
    return replace(state, orphan=orphans, errors=errors) if orphans or errors else state


def _parts(settings: AgentSettings, now: datetime, fine: Sequence[ScoreDecade]) -> Aggregations:
    return {
        "shown": {"filter": labels.shown(settings)},
        "unknown": {"filter": labels.unknown(settings, now), "aggs": _scores()},
        "mature": {
            "filter": labels.mature(settings, now),
            "aggs": {
                "clicked": {"filter": {"term": {"feedback.types": "click"}}},
                "bought": {"filter": {"term": {"feedback.types": "purchase"}}},
                "value": {"sum": {"field": "feedback.value"}},
                "pos": {"filter": labels.positive(), "aggs": _class("prediction.log_loss_1", fine)},
                "neg": {"filter": labels.negative(settings), "aggs": _class("prediction.log_loss_0", fine)},
            },
        },
        "requests": {
            "filter": {"term": {"prediction.rank": 1}},
            "aggs": {
                part: body
                for name, field in _TIMES.items()
                for part, body in _times(name, field, DURATION_DECADES).items()
            },
        },
        "told": {
            "filter": {"exists": {"field": "feedback.count"}},
            "aggs": {
                **{name: {"sum": {"field": f"feedback.{name}"}} for name in ("count", "duplicates", "too_late")},
                **_times("delay", "feedback.delay", DELAY_DECADES),
            },
        },
    }


def _scores() -> Aggregations:
    return {
        "predicted": {"filter": {"term": {"prediction.label": 1}}},
        "score": {"extended_stats": {"field": "prediction.score"}},
        **scores(),
    }


def _class(loss: str, fine: Sequence[ScoreDecade]) -> Aggregations:
    positions = {"field": "item.position", "interval": 1, "min_doc_count": 1}
    return {
        **_scores(),
        **{
            f"fine_{number}": _histogram("prediction.score", each.interval, each.low, each.high)
            for number, each in enumerate(fine)
        },
        **_decades("propensity", "prediction.propensity"),
        "loss": {"sum": {"field": loss}},
        "positions": {"histogram": {**positions, "hard_bounds": {"min": 1, "max": MAX_POSITION}}},
        "ranked": {"filter": {"term": {"ranking.rank": 1}}},
    }


def _decades(name: str, field: str) -> Aggregations:
    return {f"{name}_{each.number}": _histogram(field, each.interval, each.low, each.high) for each in DECADES}


def _times(name: str, field: str, decades: range) -> Aggregations:
    inner = {f"{name}_{power}": _histogram(field, _step(power), 10**power, 99 * _step(power)) for power in decades}
    ends = [{"to": 10**decades.start}, {"from": 10**decades.stop}]
    return {
        **inner,
        f"{name}_ends": {"range": {"field": field, "ranges": ends}},
        f"{name}_stats": {"stats": {"field": field}},
    }


def _histogram(field: str, interval: float, low: float, high: float) -> dict[str, Any]:
    bounds = {"min": low, "max": high}
    return {"histogram": {"field": field, "interval": interval, "min_doc_count": 1, "hard_bounds": bounds}}


def _step(power: int) -> int:
    step: int = 10 ** (power - 1)
    return step


def _state(part: Mapping[str, Any], fine: Sequence[ScoreDecade]) -> WindowState:
    mature, told, requests, unknown = part["mature"], part["told"], part["requests"], part["unknown"]
    pos, neg = mature["pos"], mature["neg"]
    feedback, duplicates, late = (round(told[name]["value"]) for name in ("count", "duplicates", "too_late"))
    tp, fp = pos["predicted"]["doc_count"], neg["predicted"]["doc_count"]
    impressions_by_position, clicks_by_position = _positions(pos, neg)
    requests_ranked = pos["ranked"]["doc_count"] + neg["ranked"]["doc_count"]
    return WindowState(
        predictions=part["doc_count"],
        impressions=part["shown"]["doc_count"],
        mature=mature["doc_count"],
        matched=feedback - duplicates - late,
        duplicate=duplicates,
        too_late=late,
        tp=tp,
        fn=pos["doc_count"] - tp,
        fp=fp,
        tn=neg["doc_count"] - fp,
        predicted_positive=tp + fp + unknown["predicted"]["doc_count"],
        clicks=mature["clicked"]["doc_count"],
        conversions=mature["bought"]["doc_count"],
        requests=requests["doc_count"],
        score_sum=_total((pos, neg, unknown), "sum"),
        score_square_sum=_total((pos, neg, unknown), "sum_of_squares"),
        score_sum_pos=_total((pos,), "sum"),
        score_square_sum_pos=_total((pos,), "sum_of_squares"),
        score_sum_neg=_total((neg,), "sum"),
        score_square_sum_neg=_total((neg,), "sum_of_squares"),
        log_loss_pos=_fixed(pos["loss"]["value"]),
        log_loss_neg=_fixed(neg["loss"]["value"]),
        value_sum=_fixed(mature["value"]["value"]),
        scores_unknown=binned(unknown, "scores"),
        scores_pos=binned(pos, "scores"),
        scores_neg=binned(neg, "scores"),
        impressions_by_position=impressions_by_position,
        clicks_by_position=clicks_by_position,
        duration=_log_histogram(requests, "duration", DURATION_DECADES),
        queue_time=_log_histogram(requests, "queue_time", DURATION_DECADES),
        compute_time=_log_histogram(requests, "compute_time", DURATION_DECADES),
        delay=_log_histogram(told, "delay", DELAY_DECADES),
        counts={REQUESTS: requests_ranked} if requests_ranked else {},
        sums=_propensities(pos, neg),
        fine_pos=_fine(pos, fine),
        fine_neg=_fine(neg, fine),
    )


def _total(classes: Iterable[Mapping[str, Any]], name: str) -> FixedPoint:
    return FixedPoint(sum(_fixed(each["score"][name]) for each in classes))


def _fixed(value: float | None) -> FixedPoint:
    return to_fixed_point(value or 0.0)


def _fine(part: Mapping[str, Any], fine: Sequence[ScoreDecade]) -> Histogram:
    return from_refined_buckets((each, part[f"fine_{number}"]["buckets"]) for number, each in enumerate(fine))


def _propensities(pos: Mapping[str, Any], neg: Mapping[str, Any]) -> dict[str, FixedPoint]:
    """Return the sums of inverse propensities, each taken as the middle of its bin: within 0.5 % of its own."""
    clicked, ignored = binned(pos, "propensity"), binned(neg, "propensity")
    seen = add((clicked, ignored))
    if not seen:
        return {}
    return propensity_sums((float(MIDDLES[index]), count, clicked.get(index, 0)) for index, count in seen.items())


def _positions(pos: Mapping[str, Any], neg: Mapping[str, Any]) -> tuple[dict[int, int], dict[int, int]]:
    clicks, ignored = (
        {int(bucket["key"]): bucket["doc_count"] for bucket in part["positions"]["buckets"]} for part in (pos, neg)
    )
    return dict(Counter(clicks) + Counter(ignored)), clicks


def _log_histogram(part: Mapping[str, Any], name: str, decades: range) -> LogHistogram:
    stats = part[f"{name}_stats"]
    if not stats["count"]:
        return LogHistogram()
    below, above = (bucket["doc_count"] for bucket in part[f"{name}_ends"]["buckets"])
    counts = {0: below, len(decades) * PER_DECADE + 1: above}
    for place, power in enumerate(decades):
        # The first of a decade's edges is 10 steps, and bucket 0 lies below the first edge of all.
        first = place * PER_DECADE - 9
        for bucket in part[f"{name}_{power}"]["buckets"]:
            counts[first + round(bucket["key"] / _step(power))] = bucket["doc_count"]
    kept = {index: count for index, count in counts.items() if count}
    return LogHistogram(kept, round(stats["sum"]), round(stats["min"]), round(stats["max"]))
