"""Drift references in Elasticsearch: learnt from past predictions, stored in the agent's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from monitor_agent.es.logged_features import aged_features, logged_features
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.es.state_store import StateStore, StoredState
from monitor_agent.metrics import Calibration, WindowState, merge
from monitor_agent.metrics.data_quality import UsualValues
from monitor_agent.metrics.drift import CategoricalReference, NumericReference, NumericSample
from monitor_agent.metrics.drift.reference import FEW_VALUES, FINE_BINS, QUANTILES, edges_around, edges_from
from monitor_agent.pipeline import instants, window_drift, window_quality
from monitor_agent.pipeline.countable import COUNTABLE_BINARY
from monitor_agent.pipeline.drift_references import (
    MOST_CATEGORIES,
    MOST_KNOWN_CATEGORIES,
    OTHER_CATEGORIES,
    DriftReference,
    FeatureReference,
    Sample,
    calibration_of,
    categories,
    field_of,
    kind_of,
    named_reference,
    usual_categories,
)
from monitor_agent.pipeline.instants import Interval, within
from monitor_agent.pipeline.windows import Calendar

KIND = "reference"
LEARN_AGAIN = "delete it, then learn the references again with `monitor-agent reference`"
MOST_FEATURES = 64

_ALL = "predictions"


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
        shapes, usual = self._shapes(model, interval)
        if not shapes:
            raise DataError(
                f"{model} has no predictions from {start} to {end}",
                "choose a range with predictions that have not been deleted",
            )
        quality = window_quality.aggregations(shapes, usual, aged_features(self._gateway))
        aggregations = self._aggregations(model, interval, {**window_drift.aggregations(shapes), **quality})
        samples = window_drift.samples(aggregations, shapes)
        filled = {name: _filled(shapes[name], sample) for name, sample in samples.items()}
        features = {name: reference for name, reference in filled.items() if reference is not None}
        predictions = aggregations[_ALL]["value"]
        counts = {name: window_quality.counted(aggregations, name, predictions) for name in features}
        of_range = {
            name: replace(usual[name], predictions=predictions, missing=row.missing, ages=row.ages)
            for name, row in counts.items()
        }
        calibrations = self._calibrations(model, interval)
        return named_reference(f"{start} to {end}", since, features, calibrations, of_range)

    def _shapes(self, model: str, interval: Interval) -> tuple[dict[str, FeatureReference], dict[str, UsualValues]]:
        """Return the references without their counts: edges and categories of all features that have values.

        Of categorical features, also their dictionaries.
        """
        features = (field.removeprefix("features.") for field in logged_features(self._gateway))
        names = [SCORE, LABEL, *features][:MOST_FEATURES]
        aggs = {key: body for name in names for key, body in _shape_aggregations(name).items()}
        aggregations = self._aggregations(model, interval, aggs)
        shapes = {
            name: _numeric(aggregations, name) if kind_of(name) == NUMERIC else _categorical(aggregations, name)
            for name in names
        }
        usual = {name: _usual(aggregations, name) for name in names}
        return {name: shape for name, shape in shapes.items() if shape is not None}, usual

    def _aggregations(self, model: str, interval: Interval, aggs: Mapping[str, Any]) -> Mapping[str, Any]:
        query = {"bool": {"filter": [{"term": {"model.name": model}}, within(interval), COUNTABLE_BINARY]}}
        whole = {"value_count": {"field": field_of(SCORE)}}
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": {**aggs, _ALL: whole}}
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
        terms = {"terms": {"field": field, "size": MOST_KNOWN_CATEGORIES + 1}}
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
    counts = dict(list(_terms(aggregations, name).items())[:MOST_CATEGORIES])
    if not counts:
        return None
    remainder = aggregations[f"{name} stats"]["value"] - sum(counts.values())
    return CategoricalReference(counts | ({OTHER_CATEGORIES: remainder} if remainder > 0 else {}))


def _usual(aggregations: Mapping[str, Any], name: str) -> UsualValues:
    if kind_of(name) == NUMERIC:
        return UsualValues()
    return usual_categories(_terms(aggregations, name), UsualValues())


def _terms(aggregations: Mapping[str, Any], name: str) -> dict[str, int]:
    """Return the categories with their counts, the most frequent first."""
    return {str(bucket["key"]): bucket["doc_count"] for bucket in aggregations.get(name, {}).get("buckets", ())}


def _filled(shape: FeatureReference, sample: Sample) -> FeatureReference | None:
    if isinstance(shape, NumericReference) and isinstance(sample, NumericSample):
        return NumericReference(shape.edges, sample.counts, shape.minimum, shape.maximum, shape.std, shape.distinct)
    return categories(sample) if isinstance(sample, Mapping) else shape
