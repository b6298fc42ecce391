"""The data quality of a window's features: the search that counts it beside drift, and the fields of its documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from monitor_agent.contracts.drift import AGE
from monitor_agent.metrics.data_quality import (
    AGE_EDGES,
    CONSTANT,
    MISSING,
    NEW_CATEGORY,
    OUT_OF_RANGE,
    STALE,
    WRONG_TYPE,
    FeatureCounts,
    QualityCheck,
    UsualValues,
    age_quantile,
    constant_check,
    missing_check,
    new_category_check,
    out_of_range_check,
    stale_check,
    wrong_type_check,
)
from monitor_agent.metrics.drift import NumericReference
from monitor_agent.pipeline.documents import Document
from monitor_agent.pipeline.drift_references import (
    NEW_CATEGORIES,
    OTHER_CATEGORIES,
    DriftReference,
    FeatureReference,
    Sample,
    field_of,
)

CHECKS = (MISSING, OUT_OF_RANGE, NEW_CATEGORY, WRONG_TYPE, CONSTANT, STALE)
EARLIER_RELEASE = "earlier_release"

_REQUESTS = "requests"
_POOLED = frozenset({OTHER_CATEGORIES, NEW_CATEGORIES})
_QUALITY, _AGES, _AGE_STATS = "quality", "ages", "age stats"


@dataclass(frozen=True)
class FeatureValues:
    """The values of a feature in a window: in the bins of its reference, and what they are worth.

    Attributes
    ----------
    counts : None = an earlier release has counted the window.
    """

    sample: Sample
    counts: FeatureCounts | None


def aggregations(
    features: Mapping[str, FeatureReference], usual: Mapping[str, UsualValues], aged: frozenset[str]
) -> dict[str, Any]:
    """Return the aggregations that count the data quality of features.

    Parameters
    ----------
    aged : features whose age is logged.
    """
    aggs: dict[str, Any] = {_REQUESTS: {"filter": {"bool": {"must_not": [{"range": {"prediction.rank": {"gt": 1}}}]}}}}
    for name, reference in features.items():
        field = field_of(name)
        exists = {"exists": {"field": field}}
        filters: dict[str, Any] = {"missing": {"bool": {"must_not": [exists]}}}
        categories = usual[name].categories if name in usual else None
        if isinstance(reference, NumericReference):
            filters["below"] = {"range": {field: {"lt": reference.minimum}}}
            filters["above"] = {"range": {field: {"gt": reference.maximum}}}
        elif categories is not None:
            filters["new"] = {"bool": {"filter": [exists], "must_not": [{"terms": {field: list(categories)}}]}}
        aggs[f"{name} {_QUALITY}"] = {"filters": {"filters": filters}}
        if name in aged:
            age = f"features.{AGE}.{name.partition('.')[2]}"
            inner = [{"from": low, "to": high} for low, high in pairwise(AGE_EDGES)]
            ranges = [{"to": AGE_EDGES[0]}, *inner, {"from": AGE_EDGES[-1]}]
            aggs[f"{name} {_AGES}"] = {"range": {"field": age, "ranges": ranges}}
            aggs[f"{name} {_AGE_STATS}"] = {"stats": {"field": age}}
    return aggs


def counted(bucket: Mapping[str, Any], name: str, predictions: int) -> FeatureCounts:
    """Return the counts of a feature in an answer to `aggregations`.

    Parameters
    ----------
    predictions : the predictions of the bucket.
    """
    buckets = bucket[f"{name} {_QUALITY}"]["buckets"]
    filtered = {key: entry["doc_count"] for key, entry in buckets.items()}
    ages = bucket.get(f"{name} {_AGES}", {}).get("buckets", ())
    stats = bucket.get(f"{name} {_AGE_STATS}", {})
    return FeatureCounts(
        predictions=predictions,
        requests=bucket[_REQUESTS]["doc_count"],
        missing=filtered["missing"],
        below=filtered.get("below", 0),
        above=filtered.get("above", 0),
        new=filtered.get("new", 0),
        ages={number: entry["doc_count"] for number, entry in enumerate(ages) if entry["doc_count"]},
        age_sum=stats.get("sum") or 0.0,
        oldest=stats.get("max") or 0.0,
    )


def stored(counts: FeatureCounts | None) -> dict[str, Any]:
    """Return the entry of a drift document's sample that holds the counts."""
    if counts is None:
        return {}
    content = {name: value for name, value in vars(counts).items() if value and name != _AGES}
    if counts.ages:
        content[_AGES] = {str(number): count for number, count in counts.ages.items()}
    return {_QUALITY: content}


def restored(content: Mapping[str, Any]) -> FeatureCounts | None:
    """Return the counts that `stored` wrote; None in a document of an earlier release."""
    if _QUALITY not in content:
        return None
    values = dict(content[_QUALITY])
    ages = {int(number): count for number, count in values.pop(_AGES, {}).items()}
    return FeatureCounts(**values, ages=ages)


def fields(name: str, reference: DriftReference, values: FeatureValues) -> Document:
    """Return the fields of a drift document about the data quality of its feature."""
    feature, counts = reference.features[name], values.counts
    of_feature = {check.name: check for check in checks(name, reference, values)}
    document: Document = {}
    for check in of_feature.values():
        document |= _fields_of_check(check)
    if isinstance(feature, NumericReference):
        document |= {"range_low": feature.minimum, "range_high": feature.maximum}
    measured = [check for check in of_feature.values() if check.is_broken is not None]
    broken = [check for check in measured if check.is_broken]
    shares = [check.excess for check in measured if check.name != CONSTANT or check.is_broken]
    excesses = [excess for excess in shares if excess is not None]
    document["quality_measured"] = len(measured)
    document["broken"] = [check.name for check in broken]
    document["worst_share"] = max(excesses) if excesses else None
    if counts is None:
        return document
    document |= {"requests": counts.requests, "missing": counts.missing, "wrong_type": counts.wrong_type}
    if isinstance(feature, NumericReference):
        document |= {"below_range": counts.below, "above_range": counts.above}
    elif of_feature[NEW_CATEGORY].undefined is None:
        document["new_category"] = counts.new
    if counts.ages:
        document |= {
            "age_mean": counts.age_sum / counts.aged,
            "age_p95": age_quantile(counts.ages, 0.95),
            "age_max": counts.oldest,
            "age_p95_reference": age_quantile(reference.usual_of(name).ages, 0.95),
        }
    return document


def checks(name: str, reference: DriftReference, values: FeatureValues) -> list[QualityCheck]:
    """Return the checks of a feature's values against its reference."""
    feature, usual, counts = reference.features[name], reference.usual_of(name), values.counts
    numeric = isinstance(feature, NumericReference)
    if counts is None:
        names = (MISSING, OUT_OF_RANGE if numeric else NEW_CATEGORY, WRONG_TYPE, CONSTANT, STALE)
        return [QualityCheck(check, undefined=EARLIER_RELEASE) for check in names]
    constant = constant_check(values.sample, feature, counts, _POOLED)
    of_all = [missing_check(counts, usual), wrong_type_check(counts, usual), constant, stale_check(counts, usual)]
    if isinstance(feature, NumericReference):
        return [*of_all, out_of_range_check(counts, feature)]
    return [*of_all, new_category_check(counts, feature, usual)]


def _fields_of_check(check: QualityCheck) -> Document:
    if check.name == CONSTANT:
        constant = None if check.share is None else check.share == 1.0
        return {CONSTANT: constant, "constant_undefined": check.undefined}
    interval = check.interval
    document: Document = {
        f"{check.name}_share": check.share,
        f"{check.name}_share_low": interval.low if interval else None,
        f"{check.name}_share_high": interval.high if interval else None,
        f"{check.name}_undefined": check.undefined,
    }
    if check.name in (MISSING, NEW_CATEGORY, STALE):
        document[f"{check.name}_share_reference"] = check.reference
    return document
