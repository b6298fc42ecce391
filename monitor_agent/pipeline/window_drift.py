"""How a window is compared with its drift reference: the search that counts it, and the documents that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from monitor_agent.contracts import curve
from monitor_agent.contracts.drift import KS_LOW, LABEL
from monitor_agent.metrics import Undefined
from monitor_agent.metrics.data_quality import FeatureCounts, merge_counts
from monitor_agent.metrics.document import MetricFields
from monitor_agent.metrics.drift import (
    CategoricalReference,
    Method,
    NumericReference,
    NumericSample,
    drift,
    lowest_ks_p_value,
    measure_drift,
)
from monitor_agent.pipeline import window_quality
from monitor_agent.pipeline.countable import COUNTABLE_BINARY
from monitor_agent.pipeline.counting import MAX_VERSIONS
from monitor_agent.pipeline.curves import CurvePoint, between
from monitor_agent.pipeline.documents import Document, MetricsKey
from monitor_agent.pipeline.drift_references import (
    NEW_CATEGORIES,
    OTHER_CATEGORIES,
    DriftReference,
    FeatureReference,
    Sample,
    field_of,
    kind_of,
)
from monitor_agent.pipeline.instants import text, within
from monitor_agent.pipeline.window_quality import FeatureValues
from monitor_agent.pipeline.windows import Window

Values = Mapping[str, FeatureValues]
"""By feature."""

_MEASURES: dict[str, tuple[Method, ...]] = {
    "numeric": ("psi", "jensenshannon", "wasserstein", "ks"),
    "categorical": ("psi", "jensenshannon", "chisquare"),
}


def body(model: str, window: Window, reference: DriftReference, aged: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the search that counts the scores, labels and features of a window by version.

    They are counted in the reference's bins, and by their data quality.

    Parameters
    ----------
    aged : features whose age is logged.
    """
    usual = {name: reference.usual_of(name) for name in reference.features}
    aggs = {**aggregations(reference.features), **window_quality.aggregations(reference.features, usual, aged)}
    versions = {"terms": {"field": "model.version", "size": MAX_VERSIONS}, "aggs": aggs}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"term": {"model.name": model}}, within(window), COUNTABLE_BINARY]}},
        "aggs": {"versions": versions},
    }


def aggregations(features: Mapping[str, FeatureReference]) -> dict[str, Any]:
    """Return the aggregations that count values in the bins of references."""
    aggs: dict[str, Any] = {}
    for name, reference in features.items():
        field = field_of(name)
        if isinstance(reference, NumericReference):
            inner = [{"from": low, "to": high} for low, high in pairwise(reference.edges)]
            ranges = [{"to": reference.edges[0]}, *inner, {"from": reference.edges[-1]}]
            aggs[name] = {"range": {"field": field, "ranges": ranges}}
            aggs[f"{name} stats"] = {"stats": {"field": field}}
        else:
            categories = [value for value in reference.counts if value != OTHER_CATEGORIES]
            values: Sequence[Any] = [int(value) for value in categories] if name == LABEL else categories
            aggs[name] = {"terms": {"field": field, "include": values, "size": max(1, len(categories))}}
            aggs[f"{name} stats"] = {"value_count": {"field": field}}
    return aggs


def samples(aggregations: Mapping[str, Any], features: Mapping[str, FeatureReference]) -> dict[str, Sample]:
    """Return the samples in a response to `aggregations`, by feature."""
    by_feature: dict[str, Sample] = {}
    for name, reference in features.items():
        buckets, stats = aggregations[name]["buckets"], aggregations[f"{name} stats"]
        if isinstance(reference, NumericReference):
            counts = tuple(bucket["doc_count"] for bucket in buckets)
            by_feature[name] = NumericSample(counts, stats.get("min") or 0.0, stats.get("max") or 0.0)
        else:
            by_category = {str(bucket["key"]): bucket["doc_count"] for bucket in buckets}
            remainder = stats["value"] - sum(by_category.values())
            remaining = OTHER_CATEGORIES if OTHER_CATEGORIES in reference.counts else NEW_CATEGORIES
            by_feature[name] = by_category | ({remaining: remainder} if remainder > 0 else {})
    return by_feature


def values_of(bucket: Mapping[str, Any], features: Mapping[str, FeatureReference]) -> dict[str, FeatureValues]:
    """Return the values in a bucket of the answer to `body`, by feature."""
    return {
        name: FeatureValues(sample, window_quality.counted(bucket, name, bucket["doc_count"]))
        for name, sample in samples(bucket, features).items()
    }


def empty(reference: FeatureReference) -> FeatureValues:
    """Return the values of a feature that no prediction has."""
    if isinstance(reference, NumericReference):
        return FeatureValues(NumericSample((0,) * len(reference.counts), 0.0, 0.0), FeatureCounts())
    return FeatureValues({}, FeatureCounts())


def merged_values(values_of_feature: Iterable[FeatureValues]) -> FeatureValues:
    """Return all values of one feature as one; without counts if an earlier release has counted some of them."""
    components = list(values_of_feature)
    counts = [values.counts for values in components if values.counts is not None]
    whole = merge_counts(counts) if len(counts) == len(components) else None
    return FeatureValues(merged([values.sample for values in components]), whole)


def merged(samples_of_feature: Iterable[Sample]) -> Sample:
    """Return all samples of one feature as one.

    >>> merged([{"a": 1}, {"a": 2, "b": 1}])
    {'a': 3, 'b': 1}
    """
    components = list(samples_of_feature)
    numeric = [sample for sample in components if isinstance(sample, NumericSample)]
    if not numeric:
        total: Counter[str] = Counter()
        for sample in components:
            total.update(sample if isinstance(sample, Mapping) else {})
        return dict(total)
    filled = [sample for sample in numeric if sample.n] or numeric[:1]
    counts = np.sum([sample.counts for sample in numeric], axis=0)
    minimum, maximum = min(sample.minimum for sample in filled), max(sample.maximum for sample in filled)
    return NumericSample(tuple(counts.tolist()), minimum, maximum)


def stored(values: FeatureValues) -> dict[str, Any]:
    """Return the field of a drift document that holds the counts of a feature."""
    sample, quality = values.sample, window_quality.stored(values.counts)
    if isinstance(sample, NumericSample):
        return {"counts": list(sample.counts), "minimum": sample.minimum, "maximum": sample.maximum, **quality}
    return {"counts": dict(sorted(sample.items())), **quality}


def restored(content: Mapping[str, Any]) -> FeatureValues:
    """Return the values that `stored` wrote."""
    counts = window_quality.restored(content)
    if isinstance(content["counts"], Mapping):
        return FeatureValues(dict(content["counts"]), counts)
    return FeatureValues(NumericSample(tuple(content["counts"]), content["minimum"], content["maximum"]), counts)


def documents(
    key: MetricsKey, reference: DriftReference, values_by_feature: Values, predictions: int, min_samples: int
) -> Iterator[tuple[str, Document]]:
    """Yield features of a window with their drift documents.

    Parameters
    ----------
    predictions : number of predictions that the values are from.
    min_samples : drift is undefined for a feature with fewer values.
    """
    for name, values in values_by_feature.items():
        feature, sample = reference.features[name], values.sample
        yield (
            name,
            {
                "@timestamp": text(key.window.start),
                "window_start": text(key.window.start),
                "window_end": text(key.window.end),
                "window_size": key.window.size,
                "model_name": key.model,
                "model_version": key.version,
                "metrics_id": key.id,
                "feature": name,
                "feature_kind": kind_of(name),
                "reference": reference.name,
                "predictions": predictions,
                "n": sample_size(sample),
                "n_reference": feature.n,
                **_drift(name, feature, sample, min_samples),
                **window_quality.fields(name, reference, values),
                "sample": stored(values),
            },
        )


def drift_fields(drift_documents: Iterable[Mapping[str, Any]], reference: DriftReference | None) -> MetricFields:
    """Return the fields of a metrics document about the drift of its features.

    >>> drift_fields([{"drifted": True}, {"drifted": False}, {"drifted": None}], None)["drift_share"]
    0.5
    """
    results = [document["drifted"] for document in drift_documents if document["drifted"] is not None]
    fields: MetricFields = {"drift_reference": reference.name if reference else None, "drift_measured": len(results)}
    if not results:
        reason = "insufficient_data" if reference else "no_reference"
        return fields | {"drifted_features": None, "drift_share": None, "drift_undefined": reason}
    return fields | {"drifted_features": sum(results), "drift_share": sum(results) / len(results)}


def points(name: str, reference: FeatureReference, sample: Sample) -> Iterator[CurvePoint]:
    """Yield the points of a feature's distribution and of its reference: bins of about equal mass, or single values."""
    total = sample_size(sample)
    for number, label, low, high, count, share in _bins(reference, sample):
        yield {
            "curve": curve.FEATURE,
            "feature": name,
            "bin": number,
            "bin_label": label,
            "x": None if low is None or high is None else (low + high) / 2,
            "low": low,
            "high": high,
            "n": count,
            "share": count / total if total else None,
            "share_reference": share,
        }


def _bins(
    reference: FeatureReference, sample: Sample
) -> Iterator[tuple[int, str, float | None, float | None, int, float]]:
    """Yield number, label, ends, count and reference share of each bin that is not empty, now or in the reference."""
    if isinstance(reference, CategoricalReference) and isinstance(sample, Mapping):
        names = [*reference.counts, *(name for name in sample if name not in reference.counts)]
        for number, name in enumerate(names):
            yield number, name, None, None, sample.get(name, 0), reference.counts.get(name, 0) / reference.n
    elif isinstance(reference, NumericReference) and isinstance(sample, NumericSample):
        groups = reference.groups()
        ends = [min(reference.minimum, sample.minimum), *reference.edges, max(reference.maximum, sample.maximum)]
        for group in np.unique(groups).tolist():
            inside = np.flatnonzero(groups == group)
            first, high = int(inside[0]), float(ends[inside[-1] + 1])
            # A bin that begins just above the bin of a single value begins, for people, at that value.
            after_a_value = first and ends[first] <= np.nextafter(ends[first - 1], np.inf)
            low = float(ends[first - 1] if after_a_value else ends[first])
            count, usual = (int(np.sum(np.asarray(counts)[inside])) for counts in (sample.counts, reference.counts))
            if count or usual:
                single_value = high <= np.nextafter(low, np.inf)
                label = f"{low:g}" if single_value else between(low, high)
                yield group, label, low, high, count, usual / reference.n


def _drift(name: str, reference: FeatureReference, sample: Sample, min_samples: int) -> Document:
    measures = _MEASURES[kind_of(name)]
    result = drift(reference, sample, min_samples=min_samples)
    if isinstance(result, Undefined):
        low = [KS_LOW] if isinstance(reference, NumericReference) else []
        nothing = dict.fromkeys(("method", "value", "threshold", "drifted", *measures, *low))
        return {**nothing, "undefined": result.reason}
    return {
        "method": result.method,
        "value": result.value,
        "threshold": result.threshold,
        "drifted": result.is_drift,
        **{method: measure_drift(reference, sample, method) for method in measures},
        **_lowest_p_value(reference, sample),
    }


def _lowest_p_value(reference: FeatureReference, sample: Sample) -> Document:
    if isinstance(reference, NumericReference) and isinstance(sample, NumericSample):
        return {KS_LOW: lowest_ks_p_value(reference, sample)}
    return {}


def sample_size(sample: Sample) -> int:
    """Return the number of values."""
    return sample.n if isinstance(sample, NumericSample) else sum(sample.values())
