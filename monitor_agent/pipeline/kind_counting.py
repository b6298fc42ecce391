"""How Elasticsearch counts multiclass predictions and regressions: the aggregations, and the states they make (pure).

Feedback has written onto each prediction what its truth makes of it (`outputs.judged_output`): so sums and terms are
enough. A true class or number is final when it comes, so it counts at once, and a prediction without it is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from monitor_agent.metrics import FixedPoint, WindowState
from monitor_agent.metrics.kinds import (
    BINNED,
    CLASS_LOSS,
    HITS,
    IMPRESSIONS,
    LABELLED,
    MATURE,
    PREDICTIONS,
    SCORED,
    count_name,
)
from monitor_agent.metrics.multiclass.confusion_matrix import OTHER_CLASSES, pair_name
from monitor_agent.metrics.multiclass.top_k_accuracy import TOP, top_count
from monitor_agent.metrics.regression import error_means
from monitor_agent.pipeline import counting, labels
from monitor_agent.pipeline.common_counting import (
    Aggregations,
    common_aggregations,
    common_counts,
    common_fields,
    fixed_point_of,
)
from monitor_agent.pipeline.countable import COUNTABLE_OF_KIND
from monitor_agent.pipeline.counting import CountRequest, SegmentState
from monitor_agent.pipeline.outputs import CORRECT
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS, REGRESSION

MOST_BINS = 65_000
"""Elasticsearch makes at most 65,536 buckets for one request."""


def body(
    request: CountRequest, window: Window, settings: AgentSettings, kind: str, version: str | None = None
) -> dict[str, Any]:
    """Return the search that counts the predictions of one kind in a window, by version and segment.

    Parameters
    ----------
    kind : `multiclass` or `regression`.
    version : only this version is counted; None = all versions are.
    """
    aggs = common_aggregations(settings, request.now)
    if kind == MULTICLASS:
        judged, more = _class_aggregations(request.classes), {}
    else:
        judged, more = _number_aggregations(), {"value": {"sum": {"field": "prediction.value"}}}
    aggs["judged"] = {"filter": labels.of_known_truth(settings, TRUTH_FIELDS[kind]), "aggs": judged}
    return counting.search(request, window, {**aggs, **more}, version, COUNTABLE_OF_KIND[kind])


TRUTH_FIELDS = {MULTICLASS: "feedback.class", REGRESSION: "feedback.error"}
"""Kind -> the field that a prediction has if its truth is known."""


def segment_states(response: Mapping[str, Any], request: CountRequest, kind: str) -> list[SegmentState]:
    """Return the states in a response to `body`; segments without predictions are left out."""
    make: Callable[[Mapping[str, Any]], WindowState] = _class_state if kind == MULTICLASS else _number_state
    return counting.states_of(response, request, make)


def kinds_and_classes() -> Aggregations:
    """Return the aggregations that tell which kinds the predictions of a query have, and their classes."""
    classes = {"size": 2 * MOST_CLASSES_SEARCHED, "order": [{"_count": "desc"}, {"_key": "asc"}]}
    return {
        "kinds": {"terms": {"field": "prediction.kind", "include": [MULTICLASS, REGRESSION]}},
        "true": {"terms": {"field": "feedback.class", **classes}},
        "predicted": {"terms": {"field": "prediction.class", **classes}},
    }


MOST_CLASSES_SEARCHED = 100


def kinds_of(response: Mapping[str, Any]) -> list[str]:
    """Return the kinds in a response to `kinds_and_classes`, in order."""
    return sorted(bucket["key"] for bucket in response["kinds"]["buckets"])


def classes_of(response: Mapping[str, Any]) -> list[str]:
    """Return the classes in a response to `kinds_and_classes`, the most frequent ones first."""
    counts: Counter[str] = Counter()
    for name in ("true", "predicted"):
        counts.update({bucket["key"]: bucket["doc_count"] for bucket in response[name]["buckets"]})
    return [name for name, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))]


def _class_aggregations(classes: Sequence[str]) -> Aggregations:
    apart = list(classes)
    predicted = {"predicted": {"terms": {"field": "prediction.class", "include": apart, "size": len(apart)}}}
    by_true = {
        "true": {"terms": {"field": "feedback.class", "include": apart, "size": len(apart)}, "aggs": predicted},
        "true_other": {"filter": {"bool": {"must_not": [{"terms": {"feedback.class": apart}}]}}, "aggs": predicted},
    }
    tops = {f"top_{k}": {"filter": {"range": {"feedback.class_rank": {"lte": k}}}} for k in TOP}
    names = {"terms": {"field": "feedback.class_scores", "size": MOST_BINS}}
    return {
        **(by_true if apart else {}),
        "hits": {"filter": {"term": {"outcome": CORRECT}}},
        "scored": {
            "filter": {"exists": {"field": "feedback.class_log_loss"}},
            "aggs": {
                **tops,
                "loss": {"sum": {"field": "feedback.class_log_loss"}},
                "binned": {"filter": {"exists": {"field": "feedback.class_scores"}}, "aggs": {"names": names}},
            },
        },
    }


def _number_aggregations() -> Aggregations:
    return {
        "errors": {"extended_stats": {"field": "feedback.error"}},
        "truths": {"extended_stats": {"field": "feedback.truth"}},
        "percentages": {"extended_stats": {"field": "feedback.percentage_error"}},
        "bins": {"histogram": {"field": "feedback.error_bin", "interval": 1, "min_doc_count": 1}},
        **{
            f"{name}_{side}": {
                "filter": {"range": {field: {bound: 0.0}}},
                "aggs": {"sum": {"sum": {"field": field}}},
            }
            for name, field in (("error", "feedback.error"), ("truth", "feedback.truth"))
            for side, bound in (("above", "gt"), ("below", "lt"))
        },
    }


def _class_state(bucket: Mapping[str, Any]) -> WindowState:
    judged, scored = bucket["judged"], bucket["judged"]["scored"]
    counts = {
        **_counts(bucket, MULTICLASS),
        HITS: judged["hits"]["doc_count"],
        SCORED: scored["doc_count"],
        BINNED: scored["binned"]["doc_count"],
        **{top_count(k): scored[f"top_{k}"]["doc_count"] for k in TOP},
    }
    names = scored["binned"]["names"]["buckets"]
    return _state(
        bucket,
        counts,
        {CLASS_LOSS: fixed_point_of(scored["loss"]["value"])},
        confusion=_confusion(judged),
        class_scores={entry["key"]: entry["doc_count"] for entry in names},
    )


def _confusion(judged: Mapping[str, Any]) -> dict[str, int]:
    rows: list[tuple[str, Mapping[str, Any]]] = []
    if "true" in judged:
        rows = [(row["key"], row) for row in judged["true"]["buckets"]]
        rows.append((OTHER_CLASSES, judged["true_other"]))
    else:
        rows.append((OTHER_CLASSES, {"doc_count": judged["doc_count"], "predicted": {"buckets": []}}))
    return {name: count for true, row in rows for name, count in _row(true, row) if count}


def _row(true: str, row: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    cells = {cell["key"]: cell["doc_count"] for cell in row["predicted"]["buckets"]}
    for predicted, count in cells.items():
        yield pair_name(true, predicted), count
    yield pair_name(true, OTHER_CLASSES), row["doc_count"] - sum(cells.values())


def _number_state(bucket: Mapping[str, Any]) -> WindowState:
    judged = bucket["judged"]
    errors, truths, percentages = judged["errors"], judged["truths"], judged["percentages"]
    sums = {
        error_means.VALUES: fixed_point_of(bucket["value"]["value"]),
        error_means.OVER: _side(judged, "error_above"),
        error_means.UNDER: FixedPoint(-_side(judged, "error_below")),
        error_means.SQUARES: fixed_point_of(errors["sum_of_squares"]),
        error_means.TRUTH_ABOVE: _side(judged, "truth_above"),
        error_means.TRUTH_BELOW: FixedPoint(-_side(judged, "truth_below")),
        error_means.TRUTH_SQUARES: fixed_point_of(truths["sum_of_squares"]),
        error_means.SHARES: fixed_point_of(percentages["sum"]),
        error_means.SHARE_SQUARES: fixed_point_of(percentages["sum_of_squares"]),
    }
    counts = {**_counts(bucket, REGRESSION), error_means.NONZERO: percentages["count"]}
    bins = {round(entry["key"]): entry["doc_count"] for entry in judged["bins"]["buckets"]}
    return _state(bucket, counts, sums, error_bins=bins)


def _side(judged: Mapping[str, Any], name: str) -> FixedPoint:
    return fixed_point_of(judged[name]["sum"]["value"])


def _counts(bucket: Mapping[str, Any], kind: str) -> dict[str, int]:
    of_kind = {
        PREDICTIONS: bucket["doc_count"],
        IMPRESSIONS: bucket["impressions"]["doc_count"],
        MATURE: bucket["mature"]["doc_count"],
        LABELLED: bucket["judged"]["doc_count"],
    }
    return {count_name(kind, quantity): count for quantity, count in of_kind.items()} | common_counts(bucket)


def _state(
    bucket: Mapping[str, Any], counts: Mapping[str, int], sums: Mapping[str, FixedPoint], **fields: Any
) -> WindowState:
    return WindowState(
        **common_fields(bucket),
        counts={name: count for name, count in counts.items() if count},
        sums={name: total for name, total in sums.items() if total},
        **fields,
    )
