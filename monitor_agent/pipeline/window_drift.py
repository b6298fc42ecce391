"""How a window is compared with its reference: the search that counts it in the reference's bins, and what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from monitor_agent.contracts import curve
from monitor_agent.contracts.drift import LABEL
from monitor_agent.metrics import Undefined
from monitor_agent.metrics.document import MetricFields
from monitor_agent.metrics.drift import (
    CategoricalReference,
    Method,
    NumericReference,
    NumericSample,
    drift,
    measure_drift,
)
from monitor_agent.pipeline.counting import MAX_VERSIONS
from monitor_agent.pipeline.curves import Point, between
from monitor_agent.pipeline.documents import Document, Key
from monitor_agent.pipeline.drift_references import OTHERS, DriftReference, FeatureReference, field_of, kind_of
from monitor_agent.pipeline.instants import text, within
from monitor_agent.pipeline.windows import Window

Sample = NumericSample | Mapping[str, int]
Samples = Mapping[str, Sample]
"""By feature."""

NEW = "(new)"
"""Stands for all categories that the reference does not know."""

_MEASURES: dict[str, tuple[Method, ...]] = {
    "numeric": ("psi", "jensenshannon", "wasserstein", "ks"),
    "categorical": ("psi", "jensenshannon", "chisquare"),
}


def body(model: str, window: Window, reference: DriftReference) -> dict[str, Any]:
    """Return the search that counts a window's scores, labels and features in the reference's bins, by version."""
    versions = {"terms": {"field": "model.version", "size": MAX_VERSIONS}, "aggs": aggregations(reference.features)}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"term": {"model.name": model}}, within(window)]}},
        "aggs": {"versions": versions},
    }


def aggregations(features: Mapping[str, FeatureReference]) -> dict[str, Any]:
    """Return the aggregations that count values in the bins of references."""
    found: dict[str, Any] = {}
    for name, reference in features.items():
        field = field_of(name)
        if isinstance(reference, NumericReference):
            inner = [{"from": low, "to": high} for low, high in pairwise(reference.edges)]
            ranges = [{"to": reference.edges[0]}, *inner, {"from": reference.edges[-1]}]
            found[name] = {"range": {"field": field, "ranges": ranges}}
            found[f"{name} stats"] = {"stats": {"field": field}}
        else:
            known = [value for value in reference.counts if value != OTHERS]
            values: Sequence[Any] = [int(value) for value in known] if name == LABEL else known
            found[name] = {"terms": {"field": field, "include": values, "size": max(1, len(known))}}
            found[f"{name} stats"] = {"value_count": {"field": field}}
    return found


def samples(answer: Mapping[str, Any], features: Mapping[str, FeatureReference]) -> dict[str, Sample]:
    """Return what the answer to `aggregations` counts, by feature."""
    found: dict[str, Sample] = {}
    for name, reference in features.items():
        buckets, stats = answer[name]["buckets"], answer[f"{name} stats"]
        if isinstance(reference, NumericReference):
            counts = tuple(bucket["doc_count"] for bucket in buckets)
            found[name] = NumericSample(counts, stats.get("min") or 0.0, stats.get("max") or 0.0)
        else:
            known = {str(bucket["key"]): bucket["doc_count"] for bucket in buckets}
            rest = stats["value"] - sum(known.values())
            found[name] = known | ({OTHERS if OTHERS in reference.counts else NEW: rest} if rest > 0 else {})
    return found


def merged(parts: Iterable[Sample]) -> Sample:
    """Return the sample of all parts together.

    >>> merged([{"a": 1}, {"a": 2, "b": 1}])
    {'a': 3, 'b': 1}
    """
    some = list(parts)
    numeric = [each for each in some if isinstance(each, NumericSample)]
    if not numeric:
        total: Counter[str] = Counter()
        for each in some:
            total.update(each if isinstance(each, Mapping) else {})
        return dict(total)
    filled = [each for each in numeric if each.n] or numeric[:1]
    counts = np.sum([each.counts for each in numeric], axis=0)
    return NumericSample(
        tuple(counts.tolist()), min(each.minimum for each in filled), max(each.maximum for each in filled)
    )


def stored(sample: Sample) -> dict[str, Any]:
    """Return a sample as its document keeps it."""
    if isinstance(sample, NumericSample):
        return {"counts": list(sample.counts), "minimum": sample.minimum, "maximum": sample.maximum}
    return {"counts": dict(sorted(sample.items()))}


def restored(kept: Mapping[str, Any]) -> Sample:
    """Return what `stored` wrote."""
    if isinstance(kept["counts"], Mapping):
        return dict(kept["counts"])
    return NumericSample(tuple(kept["counts"]), kept["minimum"], kept["maximum"])


def documents(
    key: Key, reference: DriftReference, found: Samples, predictions: int, least: int
) -> Iterator[tuple[str, Document]]:
    """Yield feature and drift document of a window.

    Parameters
    ----------
    predictions : how many predictions the samples are of.
    least : values below which nothing is said.
    """
    for name, sample in found.items():
        usual = reference.features[name]
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
                "n": _size(sample),
                "n_reference": usual.n,
                **_measured(name, usual, sample, least),
                "sample": stored(sample),
            },
        )


def summary(found: Iterable[Mapping[str, Any]], reference: DriftReference | None) -> MetricFields:
    """Return what a metrics document says of the drift of its features.

    >>> summary([{"drifted": True}, {"drifted": False}, {"drifted": None}], None)["drift_share"]
    0.5
    """
    told = [each["drifted"] for each in found if each["drifted"] is not None]
    fields: MetricFields = {"drift_reference": reference.name if reference else None, "drift_measured": len(told)}
    if not told:
        reason = "insufficient_data" if reference else "no_reference"
        return fields | {"drifted_features": None, "drift_share": None, "drift_undefined": reason}
    return fields | {"drifted_features": sum(told), "drift_share": sum(told) / len(told)}


def points(name: str, usual: FeatureReference, sample: Sample) -> Iterator[Point]:
    """Yield the points of a feature's distribution beside its reference: bins of about equal mass, few values each."""
    total = _size(sample)
    for number, label, low, high, count, share in _bins(usual, sample):
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


def _bins(usual: FeatureReference, sample: Sample) -> Iterator[tuple[int, str, float | None, float | None, int, float]]:
    """Yield number, label, ends, count and usual share of each bin that holds something, now or in the reference."""
    if isinstance(usual, CategoricalReference) and isinstance(sample, Mapping):
        names = [*usual.counts, *(name for name in sample if name not in usual.counts)]
        for number, name in enumerate(names):
            yield number, name, None, None, sample.get(name, 0), usual.counts.get(name, 0) / usual.n
    elif isinstance(usual, NumericReference) and isinstance(sample, NumericSample):
        groups = usual.groups()
        ends = [min(usual.minimum, sample.minimum), *usual.edges, max(usual.maximum, sample.maximum)]
        for group in np.unique(groups).tolist():
            inside = np.flatnonzero(groups == group)
            first, high = int(inside[0]), float(ends[inside[-1] + 1])
            # A bin that begins just above a value's own begins, for people, at that value.
            after_a_value = first and ends[first] <= np.nextafter(ends[first - 1], np.inf)
            low = float(ends[first - 1] if after_a_value else ends[first])
            theirs, ours = (int(np.sum(np.asarray(each.counts)[inside])) for each in (sample, usual))
            if theirs or ours:
                one_value = high <= np.nextafter(low, np.inf)
                label = f"{low:g}" if one_value else between(low, high)
                yield group, label, low, high, theirs, ours / usual.n


def _measured(name: str, usual: FeatureReference, sample: Sample, least: int) -> Document:
    measures = _MEASURES[kind_of(name)]
    result = drift(usual, sample, min_samples=least)
    if isinstance(result, Undefined):
        nothing = dict.fromkeys(("method", "value", "threshold", "drifted", *measures))
        return {**nothing, "undefined": result.reason}
    return {
        "method": result.method,
        "value": result.value,
        "threshold": result.threshold,
        "drifted": result.is_drift,
        **{method: measure_drift(usual, sample, method) for method in measures},
    }


def _size(sample: Sample) -> int:
    return sample.n if isinstance(sample, NumericSample) else sum(sample.values())
