"""Drift references in Elasticsearch: learnt from past predictions, stored in the agent's state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import structlog

from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.drift import CATEGORICAL, LABEL, NUMERIC, SCORE
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import DataError
from monitor_agent.es.damaged_documents import reading
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.logged_features import logged_features
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.es.state_store import StateStore, StoredState
from monitor_agent.metrics import Calibration, WindowState, merge
from monitor_agent.metrics.drift import CategoricalReference, NumericReference, NumericSample
from monitor_agent.metrics.drift.reference import FEW_VALUES, FINE_BINS, QUANTILES, edges_around, edges_from
from monitor_agent.pipeline import instants, window_drift
from monitor_agent.pipeline.countable import COUNTABLE_BINARY
from monitor_agent.pipeline.drift_references import (
    MOST_CATEGORIES,
    OTHER_CATEGORIES,
    DriftReference,
    FeatureReference,
    calibration_of,
    categories,
    field_of,
    kind_of,
    named_reference,
)
from monitor_agent.pipeline.instants import Interval, within
from monitor_agent.pipeline.windows import Calendar

KIND = "reference"
LEARN_AGAIN = "delete it, then learn the references again with `monitor-agent reference`"
MOST_FEATURES = 64


class ReferenceStore:
    """The drift references of models."""

    def __init__(self, gateway: Gateway, states: StateStore, performance: PerformanceStore, calendar: Calendar) -> None:
        self._gateway = gateway
        self._states = states
        self._performance = performance
        self._calendar = calendar

    def of(self, model: str) -> list[DriftReference]:
        """Return the references of a model, ordered by the start of their validity."""
        stored = self._stored(model)
        contents = stored.content.get("references", ())
        references = [reference for content in contents if (reference := _restored(model, content)) is not None]
        return sorted(references, key=lambda reference: reference.since)

    def _stored(self, model: str) -> StoredState:
        (stored,) = self._states.read(f"{KIND}:{model}")
        with reading({"_index": AGENT_STATE.name, "_id": stored.id}, LEARN_AGAIN):
            if stored.damaged:
                raise ValueError("it has no content")
        return stored

    def add(self, model: str, reference: DriftReference, now: datetime) -> None:
        """Store a reference; it replaces a reference that is valid from the same moment on."""
        while True:
            stored = self._stored(model)
            added = reference.content()
            before = stored.content.get("references", ())
            remaining = [content for content in before if content.get("since") != added["since"]]
            ordered = sorted([*remaining, added], key=lambda content: str(content.get("since")))
            if self._states.write(stored, {"references": ordered}, now):
                return

    def learn(self, model: str, interval: Interval, since: datetime) -> DriftReference:
        """Return a reference made from a model's predictions in an interval.

        Parameters
        ----------
        since : start of the first window that the reference is valid for.

        Raises
        ------
        DataError
            If the interval has no predictions.
        """
        start, end = instants.text(interval.start), instants.text(interval.end)
        shapes = self._shapes(model, interval)
        if not shapes:
            raise DataError(
                f"{model} has no predictions from {start} to {end}",
                "choose a range with predictions that have not been deleted",
            )
        aggregations = self._aggregations(model, interval, window_drift.aggregations(shapes))
        samples = window_drift.samples(aggregations, shapes)
        filled = {name: _filled(shapes[name], sample) for name, sample in samples.items()}
        features = {name: reference for name, reference in filled.items() if reference is not None}
        return named_reference(f"{start} to {end}", since, features, self._calibrations(model, interval))

    def _shapes(self, model: str, interval: Interval) -> dict[str, FeatureReference]:
        """Return the references without their counts: edges and categories of all features that have values."""
        features = (field.removeprefix("features.") for field in logged_features(self._gateway))
        names = [SCORE, LABEL, *features][:MOST_FEATURES]
        aggs = {key: body for name in names for key, body in _shape_aggregations(name).items()}
        aggregations = self._aggregations(model, interval, aggs)
        shapes = {
            name: _numeric(aggregations, name) if kind_of(name) == NUMERIC else _categorical(aggregations, name)
            for name in names
        }
        return {name: shape for name, shape in shapes.items() if shape is not None}

    def _aggregations(self, model: str, interval: Interval, aggs: Mapping[str, Any]) -> Mapping[str, Any]:
        query = {"bool": {"filter": [{"term": {"model.name": model}}, within(interval), COUNTABLE_BINARY]}}
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}
        aggregations: Mapping[str, Any] = self._gateway.search(PREDICTIONS.alias, body).get("aggregations", {})
        return aggregations

    def _calibrations(self, model: str, interval: Interval) -> dict[str, Calibration]:
        """Return the calibration of each version's scores, learnt from the labelled windows of an interval."""
        merged: dict[str, WindowState] = {}
        for key, state in self._performance.states(model, self._calendar.base, interval):
            if key.segment == ALL_SEGMENT:
                merged[key.version] = merge(merged[key.version], state) if key.version in merged else state
        calibrations = {version: calibration_of(state) for version, state in merged.items()}
        return {version: calibration for version, calibration in calibrations.items() if calibration is not None}


def _restored(model: str, content: Mapping[str, Any]) -> DriftReference | None:
    """Return a stored reference; None if it cannot be read: the other references and models go on."""
    try:
        return DriftReference.from_content(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        structlog.get_logger().warning(
            "a stored reference cannot be read; make it again with `monitor-agent reference`",
            model=model,
            reference=content.get("name"),
            reason=repr(error),
        )
        return None


def _shape_aggregations(name: str) -> dict[str, Any]:
    """Return the aggregations that the edges or categories of a feature are made from."""
    field = field_of(name)
    if kind_of(name) == CATEGORICAL:
        terms = {"terms": {"field": field, "size": MOST_CATEGORIES}}
        return {name: terms, f"{name} stats": {"value_count": {"field": field}}}
    percents = [100 * share for share in QUANTILES]
    return {
        name: {"percentiles": {"field": field, "percents": percents, "keyed": False}},
        f"{name} values": {"terms": {"field": field, "size": FINE_BINS}},
        f"{name} stats": {"extended_stats": {"field": field}},
    }


def _numeric(aggregations: Mapping[str, Any], name: str) -> NumericReference | None:
    stats = aggregations.get(f"{name} stats", {})
    if not stats.get("count"):
        return None
    values = aggregations[f"{name} values"]
    if values["sum_other_doc_count"]:
        quantiles = np.array([quantile["value"] for quantile in aggregations[name]["values"]], dtype=np.float64)
        heavy = sorted(
            bucket["key"] for bucket in values["buckets"] if bucket["doc_count"] * FINE_BINS >= stats["count"]
        )
        edges = edges_from(quantiles, heavy, stats["min"], stats["max"], stats["std_deviation"])
        distinct = FEW_VALUES + 1
    else:
        edges = edges_around(sorted(bucket["key"] for bucket in values["buckets"]))
        distinct = min(len(values["buckets"]), FEW_VALUES + 1)
    bounds = tuple(edges.tolist())
    no_counts = (0,) * (len(bounds) + 1)
    return NumericReference(bounds, no_counts, stats["min"], stats["max"], stats["std_deviation"], distinct)


def _categorical(aggregations: Mapping[str, Any], name: str) -> CategoricalReference | None:
    counts = {str(bucket["key"]): bucket["doc_count"] for bucket in aggregations.get(name, {}).get("buckets", ())}
    if not counts:
        return None
    remainder = aggregations[f"{name} stats"]["value"] - sum(counts.values())
    return CategoricalReference(counts | ({OTHER_CATEGORIES: remainder} if remainder > 0 else {}))


def _filled(shape: FeatureReference, sample: window_drift.Sample) -> FeatureReference | None:
    if isinstance(shape, NumericReference) and isinstance(sample, NumericSample):
        return NumericReference(shape.edges, sample.counts, shape.minimum, shape.maximum, shape.std, shape.distinct)
    return categories(sample) if isinstance(sample, Mapping) else shape
