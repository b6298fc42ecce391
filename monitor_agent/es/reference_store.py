"""References in Elasticsearch: learnt from a past range of predictions, kept in the agent's memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from monitor_agent.contracts.drift import CATEGORICAL, LABEL, NUMERIC, SCORE
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.es.state_store import StateStore
from monitor_agent.metrics import Calibration, WindowState, merge_all
from monitor_agent.metrics.drift import CategoricalReference, NumericReference, NumericSample
from monitor_agent.metrics.drift.reference import FEW_VALUES, FINE_BINS, QUANTILES, edges_around, edges_from
from monitor_agent.pipeline import instants, window_drift
from monitor_agent.pipeline.drift_references import (
    KEPT_CATEGORIES,
    OTHERS,
    DriftReference,
    FeatureReference,
    calibration_of,
    categories,
    field_of,
    kind_of,
    named,
)
from monitor_agent.pipeline.instants import Interval, within
from monitor_agent.pipeline.windows import Calendar

KIND = "reference"
MOST_FEATURES = 64


class ReferenceStore:
    """The references of models."""

    def __init__(self, gateway: Gateway, memory: StateStore, performance: PerformanceStore, calendar: Calendar) -> None:
        self._gateway = gateway
        self._memory = memory
        self._performance = performance
        self._calendar = calendar

    def of(self, model: str) -> list[DriftReference]:
        """Return the references of a model, in the order of their validity."""
        (known,) = self._memory.read(f"{KIND}:{model}")
        return [DriftReference.restored(each) for each in known.content.get("references", ())]

    def add(self, model: str, reference: DriftReference, now: datetime) -> None:
        """Keep a reference; one that is valid from the same moment on is replaced."""
        while True:
            (known,) = self._memory.read(f"{KIND}:{model}")
            before = [DriftReference.restored(each) for each in known.content.get("references", ())]
            others = [each for each in before if each.since != reference.since]
            kept = [each.content() for each in sorted([*others, reference], key=lambda each: each.since)]
            if self._memory.write(known, {"references": kept}, now):
                return

    def learn(self, model: str, start: datetime, end: datetime, since: datetime) -> DriftReference:
        """Return the reference that a model's predictions of [start, end) are; DataError where there are none."""
        interval = Interval(start, end)
        shapes = self._shapes(model, interval)
        if not shapes:
            raise DataError(
                f"{model} has no predictions from {instants.text(start)} to {instants.text(end)}",
                "choose a range with predictions that have not been deleted",
            )
        answer = self._search(model, interval, window_drift.aggregations(shapes))
        found = {name: _filled(shapes[name], sample) for name, sample in window_drift.samples(answer, shapes).items()}
        features = {name: usual for name, usual in found.items() if usual is not None}
        name = f"{instants.text(start)} to {instants.text(end)}"
        return named(name, since, features, self._calibrations(model, interval))

    def _shapes(self, model: str, interval: Interval) -> dict[str, FeatureReference]:
        """Return the references without their counts: edges and categories of every feature that has values."""
        names = [SCORE, LABEL, *self._logged_features()][:MOST_FEATURES]
        answer = self._search(model, interval, {part: body for name in names for part, body in _asked(name).items()})
        found: dict[str, FeatureReference] = {}
        for name in names:
            shape = _numeric(answer, name) if kind_of(name) == NUMERIC else _categorical(answer, name)
            if shape is not None:
                found[name] = shape
        return found

    def _logged_features(self) -> list[str]:
        patterns = [f"features.{kind}.*" for kind in (NUMERIC, CATEGORICAL)]
        answer = self._gateway.call(
            "list the logged features",
            lambda client: (
                client.field_caps(
                    index=PREDICTIONS.alias, fields=patterns, ignore_unavailable=True, allow_no_indices=True
                ).body
            ),
        )
        return sorted(name.removeprefix("features.") for name in answer["fields"])

    def _search(self, model: str, interval: Interval, aggs: Mapping[str, Any]) -> Mapping[str, Any]:
        query = {"bool": {"filter": [{"term": {"model.name": model}}, within(interval)]}}
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}
        found: Mapping[str, Any] = self._gateway.search(PREDICTIONS.alias, body).get("aggregations", {})
        return found

    def _calibrations(self, model: str, interval: Interval) -> dict[str, Calibration]:
        """Return what the labelled windows of the range teach of each version's scores."""
        parts: dict[str, list[WindowState]] = {}
        for key, state in self._performance.states(model, self._calendar.base, interval.start, interval.end):
            if key.segment == ALL_SEGMENT:
                parts[key.version] = [merge_all([*parts.get(key.version, ()), state])]
        learnt = {version: calibration_of(merge_all(states)) for version, states in parts.items()}
        return {version: each for version, each in learnt.items() if each is not None}


def _asked(name: str) -> dict[str, Any]:
    field = field_of(name)
    if kind_of(name) == CATEGORICAL:
        terms = {"terms": {"field": field, "size": KEPT_CATEGORIES}}
        return {name: terms, f"{name} stats": {"value_count": {"field": field}}}
    percents = [100 * share for share in QUANTILES]
    return {
        name: {"percentiles": {"field": field, "percents": percents, "keyed": False}},
        f"{name} values": {"terms": {"field": field, "size": FINE_BINS}},
        f"{name} stats": {"extended_stats": {"field": field}},
    }


def _numeric(answer: Mapping[str, Any], name: str) -> NumericReference | None:
    stats = answer.get(f"{name} stats", {})
    if not stats.get("count"):
        return None
    values = answer[f"{name} values"]
    if values["sum_other_doc_count"]:
        quantiles = np.array([each["value"] for each in answer[name]["values"]], dtype=np.float64)
        heavy = sorted(each["key"] for each in values["buckets"] if each["doc_count"] * FINE_BINS >= stats["count"])
        edges = edges_from(quantiles, heavy, stats["min"], stats["max"], stats["std_deviation"])
        distinct = FEW_VALUES + 1
    else:
        edges = edges_around(sorted(bucket["key"] for bucket in values["buckets"]))
        distinct = min(len(values["buckets"]), FEW_VALUES + 1)
    kept = tuple(edges.tolist())
    return NumericReference(kept, (0,) * (len(kept) + 1), stats["min"], stats["max"], stats["std_deviation"], distinct)


def _categorical(answer: Mapping[str, Any], name: str) -> CategoricalReference | None:
    known = {str(bucket["key"]): bucket["doc_count"] for bucket in answer.get(name, {}).get("buckets", ())}
    if not known:
        return None
    rest = answer[f"{name} stats"]["value"] - sum(known.values())
    return CategoricalReference(known | ({OTHERS: rest} if rest > 0 else {}))


def _filled(shape: FeatureReference, sample: window_drift.Sample) -> FeatureReference | None:
    if isinstance(shape, NumericReference) and isinstance(sample, NumericSample):
        return NumericReference(shape.edges, sample.counts, shape.minimum, shape.maximum, shape.std, shape.distinct)
    return categories(sample) if isinstance(sample, Mapping) else shape
