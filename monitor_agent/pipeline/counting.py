"""How Elasticsearch counts a window: the aggregations, and the mergeable states that their response makes.

Histograms are requested by decade, so that a response holds only the bins that are not empty. Each prediction is
counted once: it is in one segment of the first label, and its label is positive, negative or unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.metrics import (
    FixedPoint,
    WindowState,
    merge_all,
)
from monitor_agent.metrics.exact_scores import COUNTED, from_terms
from monitor_agent.metrics.inverse_propensity import propensity_sums
from monitor_agent.metrics.ranking import NOT_JUDGED, REQUESTS, UNKNOWN_LABEL
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
from monitor_agent.pipeline.common_counting import (
    Aggregations,
    common_aggregations,
    common_counts,
    common_fields,
    fixed_point_of,
    histogram_between,
)
from monitor_agent.pipeline.countable import COUNTABLE_BINARY
from monitor_agent.pipeline.instants import within
from monitor_agent.pipeline.ranked_lists import FIRST_ITEM, IN_A_LIST
from monitor_agent.pipeline.score_resolution import NO_REFINED_BINS, RefinedBins
from monitor_agent.pipeline.segments import Segment, counts_twice
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings
from monitor_agent.vocabulary.prediction_kinds import BINARY

MAX_VERSIONS = 500
MAX_POSITION = 100
"""Items at later positions are counted without their position."""

_PREDICTED_POSITIVE = {"term": {"prediction.label": 1}}


@dataclass(frozen=True)
class CountRequest:
    """What is counted of a model's windows.

    Attributes
    ----------
    model : the model.
    segments : the segments of its predictions.
    now : the moment that decides which predictions are mature.
    refined : the bins of its scores that are counted in a finer resolution.
    kinds : the kinds of its predictions besides `binary`.
    classes : the classes of its multiclass predictions that are counted apart.
    """

    model: str
    segments: Sequence[Segment]
    now: datetime
    refined: RefinedBins = NO_REFINED_BINS
    kinds: Sequence[str] = ()
    classes: Sequence[str] = ()


class SegmentState(NamedTuple):
    """The state of one segment of one version."""

    version: str
    segment: Segment
    state: WindowState


def body(request: CountRequest, window: Window, settings: AgentSettings, version: str | None = None) -> dict[str, Any]:
    """Return the search that counts one window by version and segment.

    Parameters
    ----------
    version : only this version is counted; None = all versions are.
    """
    aggs = _segment_aggregations(settings, request.now, request.refined.decades(window))
    rule = COUNTABLE_BINARY if settings.kind in ("", BINARY) else {"match_none": {}}
    return search(request, window, aggs, version, rule)


def search(
    request: CountRequest,
    window: Window,
    aggs: Aggregations,
    version: str | None,
    rule: Mapping[str, Any] = COUNTABLE_BINARY,
) -> dict[str, Any]:
    """Return a search over the predictions of one window, with aggregations by version and segment.

    Parameters
    ----------
    version : only this version is searched; None = all versions are.
    rule : the filter for the predictions that are counted.
    """
    filters = [{"term": {"model.name": request.model}}, within(window), rule]
    if version is not None:
        filters.append({"term": {"model.version": version}})
    by_segment = {
        "filters": {"filters": {str(number): segment.query for number, segment in enumerate(request.segments)}},
        "aggs": aggs,
    }
    versions = {"terms": {"field": "model.version", "size": MAX_VERSIONS}, "aggs": {"segments": by_segment}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": filters}},
        "aggs": {"versions": versions, "in_lists": {"filter": IN_A_LIST}},
    }


def segment_states(response: Mapping[str, Any], request: CountRequest, window: Window) -> list[SegmentState]:
    """Return the states in a response to `body`; segments without predictions are left out."""
    fine = request.refined.decades(window)
    return states_of(response, request, lambda bucket: _state(bucket, fine))


def states_of(
    response: Mapping[str, Any], request: CountRequest, state: Callable[[Mapping[str, Any]], WindowState]
) -> list[SegmentState]:
    """Return the states in a response to `search`; segments without predictions are left out.

    Parameters
    ----------
    state : makes a state of the response's aggregations of one segment of one version.
    """
    counted: list[SegmentState] = []
    for version in response["aggregations"]["versions"]["buckets"]:
        buckets = version["segments"]["buckets"]
        for number, segment in enumerate(request.segments):
            bucket = buckets[str(number)]
            if bucket["doc_count"]:
                counted.append(SegmentState(version["key"], segment, state(bucket)))
    return counted


def states(counted: Iterable[SegmentState]) -> dict[tuple[str, str], WindowState]:
    """Return (version, segment) -> state; the segment `all` is merged from the segments that make it up."""
    by_name: dict[tuple[str, str], WindowState] = {}
    components: dict[str, list[WindowState]] = {}
    for version, segment, state in counted:
        if segment.name:
            by_name[version, segment.name] = state
        if segment.part_of_all:
            components.setdefault(version, []).append(state)
    return by_name | {(version, ALL_SEGMENT): merge_all(group) for version, group in components.items()}


def scores() -> Aggregations:
    """Return the aggregations that count scores, by decade."""
    return _decades("scores", "prediction.score")


def binned(aggregations: Mapping[str, Any], name: str) -> Histogram:
    """Return the histogram that the response to `_decades` holds under `name`."""
    return from_buckets(aggregations[f"{name}_{decade.number}"]["buckets"] for decade in DECADES)


def is_complete(response: Mapping[str, Any]) -> bool:
    """Return whether the response holds all versions."""
    return not response["aggregations"]["versions"]["sum_other_doc_count"]


def is_exact(response: Mapping[str, Any], request: CountRequest) -> bool:
    """Return whether a response holds all versions, and each prediction once."""
    numbers = [str(number) for number in range(len(request.segments))]
    for version in response["aggregations"]["versions"]["buckets"]:
        sizes = [version["segments"]["buckets"][number]["doc_count"] for number in numbers]
        if counts_twice(request.segments, sizes, version["doc_count"]):
            return False
    return is_complete(response)


def has_lists(response: Mapping[str, Any]) -> bool:
    """Return whether the window has items of ranked lists."""
    return bool(response["aggregations"]["in_lists"]["doc_count"])


def _segment_aggregations(settings: AgentSettings, now: datetime, fine: Sequence[ScoreDecade]) -> Aggregations:
    aggs = common_aggregations(settings, now)
    aggs["impressions"]["aggs"] = {"predicted": {"filter": _PREDICTED_POSITIVE, "aggs": _sum_and_scores()}}
    aggs["mature"]["aggs"]["first_items"] = {
        "filter": FIRST_ITEM,
        "aggs": {"labelled": {"filter": labels.labelled(settings)}},
    }
    return {
        **aggs,
        "unknown": {
            "filter": labels.unknown(settings, now),
            "aggs": {**_scores(), "shown": {"filter": labels.impressions(settings), "aggs": _sum_and_scores()}},
        },
        "judged": {
            "filter": labels.judged(settings, now),
            "aggs": {
                "pos": {"filter": labels.positive(), "aggs": _class("prediction.log_loss_1", fine)},
                "neg": {"filter": labels.negative(settings), "aggs": _class("prediction.log_loss_0", fine)},
            },
        },
    }


def _scores() -> Aggregations:
    return {
        "predicted": {"filter": _PREDICTED_POSITIVE},
        "score": {"extended_stats": {"field": "prediction.score"}},
        **scores(),
    }


def _sum_and_scores() -> Aggregations:
    return {"score": {"sum": {"field": "prediction.score"}}, **scores()}


def _class(loss: str, fine: Sequence[ScoreDecade]) -> Aggregations:
    positions = {"field": "item.position", "interval": 1, "min_doc_count": 1}
    return {
        **_scores(),
        "exact": {"terms": {"field": "prediction.score", "size": COUNTED}},
        **{
            f"fine_{number}": histogram_between("prediction.score", decade.interval, decade.low, decade.high)
            for number, decade in enumerate(fine)
        },
        **_decades("propensity", "prediction.propensity"),
        "loss": {"sum": {"field": loss}},
        "without_loss": {"filter": {"bool": {"must_not": [{"exists": {"field": loss}}]}}, "aggs": scores()},
        "positions": {"histogram": {**positions, "hard_bounds": {"min": 1, "max": MAX_POSITION}}},
    }


def _decades(name: str, field: str) -> Aggregations:
    return {
        f"{name}_{decade.number}": histogram_between(field, decade.interval, decade.low, decade.high)
        for decade in DECADES
    }


def _state(bucket: Mapping[str, Any], fine: Sequence[ScoreDecade]) -> WindowState:
    unknown = bucket["unknown"]
    pos, neg = bucket["judged"]["pos"], bucket["judged"]["neg"]
    tp, fp = pos["predicted"]["doc_count"], neg["predicted"]["doc_count"]
    impressions_by_position, clicks_by_position = _positions(pos, neg)
    return WindowState(
        **common_fields(bucket),
        tp=tp,
        fn=pos["doc_count"] - tp,
        fp=fp,
        tn=neg["doc_count"] - fp,
        predicted_positive=tp + fp + unknown["predicted"]["doc_count"],
        score_sum=_total((pos, neg, unknown), "sum"),
        score_square_sum=_total((pos, neg, unknown), "sum_of_squares"),
        score_sum_pos=_total((pos,), "sum"),
        score_square_sum_pos=_total((pos,), "sum_of_squares"),
        score_sum_neg=_total((neg,), "sum"),
        score_square_sum_neg=_total((neg,), "sum_of_squares"),
        log_loss_pos=fixed_point_of(pos["loss"]["value"]),
        log_loss_neg=fixed_point_of(neg["loss"]["value"]),
        scores_unknown=binned(unknown, "scores"),
        scores_pos=binned(pos, "scores"),
        scores_neg=binned(neg, "scores"),
        impressions_by_position=impressions_by_position,
        clicks_by_position=clicks_by_position,
        counts=_named_counts(bucket),
        sums=_propensities(pos, neg),
        fine_pos=_fine(pos, fine),
        fine_neg=_fine(neg, fine),
        scores_pos_without_loss=binned(pos["without_loss"], "scores"),
        scores_neg_without_loss=binned(neg["without_loss"], "scores"),
        **_estimable(bucket),
        **_exact(pos, neg),
    )


def _exact(pos: Mapping[str, Any], neg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the single scores of both labels, if the response holds all of them."""
    if any(label_bucket["exact"]["sum_other_doc_count"] for label_bucket in (pos, neg)):
        return {}
    return {
        "exact_pos": from_terms(pos["exact"]["buckets"]),
        "exact_neg": from_terms(neg["exact"]["buckets"]),
    }


def _estimable(bucket: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that estimates need."""
    unknown, predicted = bucket["unknown"]["shown"], bucket["impressions"]["predicted"]
    return {
        "estimable": bucket["impressions"]["doc_count"],
        "scores_shown_unknown": binned(unknown, "scores"),
        "score_sum_shown_unknown": fixed_point_of(unknown["score"]["value"]),
        "scores_predicted_positive": binned(predicted, "scores"),
        "score_sum_predicted_positive": fixed_point_of(predicted["score"]["value"]),
    }


def _named_counts(bucket: Mapping[str, Any]) -> dict[str, int]:
    """Return the ranked lists by whether the label of the first-ranked item is known, and purchases without a click."""
    first_items = bucket["mature"]["first_items"]
    labelled = first_items["labelled"]["doc_count"]
    unknown = first_items["doc_count"] - labelled
    counts = {REQUESTS: labelled, NOT_JUDGED + UNKNOWN_LABEL: unknown, **common_counts(bucket)}
    return {name: count for name, count in counts.items() if count}


def _total(label_buckets: Iterable[Mapping[str, Any]], name: str) -> FixedPoint:
    return FixedPoint(sum(fixed_point_of(bucket["score"][name]) for bucket in label_buckets))


def _fine(label_bucket: Mapping[str, Any], fine: Sequence[ScoreDecade]) -> Histogram:
    return from_refined_buckets(
        (decade, label_bucket[f"fine_{number}"]["buckets"]) for number, decade in enumerate(fine)
    )


def _propensities(pos: Mapping[str, Any], neg: Mapping[str, Any]) -> dict[str, FixedPoint]:
    """Return the sums of inverse propensities; a propensity counts as the middle of its bin, at most 0.5 % off."""
    clicked, ignored = binned(pos, "propensity"), binned(neg, "propensity")
    displayed = add((clicked, ignored))
    if not displayed:
        return {}
    return propensity_sums((float(MIDDLES[index]), count, clicked.get(index, 0)) for index, count in displayed.items())


def _positions(pos: Mapping[str, Any], neg: Mapping[str, Any]) -> tuple[dict[int, int], dict[int, int]]:
    clicks, ignored = (
        {int(bucket["key"]): bucket["doc_count"] for bucket in label_bucket["positions"]["buckets"]}
        for label_bucket in (pos, neg)
    )
    return dict(Counter(clicks) + Counter(ignored)), clicks
