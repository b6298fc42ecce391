"""Drift documents in Elasticsearch: counted for the smallest windows that have them, merged for the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from monitor_agent.contracts.drift import DRIFT
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.damaged_documents import reading
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.logged_features import aged_features
from monitor_agent.es.operations import Operation
from monitor_agent.es.wrong_types import WrongTypes, wrong_types
from monitor_agent.metrics.data_quality import FeatureCounts
from monitor_agent.metrics.document import MetricFields
from monitor_agent.pipeline import instants, window_drift
from monitor_agent.pipeline.curves import CurvePoint
from monitor_agent.pipeline.documents import MetricsKey, hashed_id
from monitor_agent.pipeline.drift_references import DriftReference
from monitor_agent.pipeline.instants import DAY, within
from monitor_agent.pipeline.stale_windows import day_of
from monitor_agent.pipeline.window_quality import FeatureValues
from monitor_agent.pipeline.windows import Calendar, Window

PAGE = 2_000
ValuesByVersion = dict[str, dict[str, FeatureValues]]
"""Version -> feature -> its values."""
StoredDrift = dict[str, dict[str, dict[str, Any]]]
"""Version -> feature -> drift document."""


@dataclass
class DriftResult:
    """The drift of one metrics document.

    Attributes
    ----------
    fields : fields of the metrics document.
    points : points of its curves.
    """

    fields: MetricFields = field(default_factory=dict)
    points: list[CurvePoint] = field(default_factory=list)


class DriftStore:
    """Compares windows with their drift references, and stores the results.

    Parameters
    ----------
    min_samples : drift is undefined for a feature with fewer values.
    """

    def __init__(self, gateway: Gateway, calendar: Calendar, min_samples: int) -> None:
        self._gateway = gateway
        self._calendar = calendar
        self._min_samples = min_samples

    def of(
        self, model: str, windows: Mapping[Window, Mapping[str, int]], references: Mapping[Window, DriftReference]
    ) -> dict[MetricsKey, DriftResult]:
        """Return the drift of windows that have ended, over all versions and by version; write its documents.

        Parameters
        ----------
        windows : window -> version -> number of predictions.
        references : the reference of each window.

        Predictions never change, so a window is counted again only if their number or the window's reference changes.
        """
        results: dict[MetricsKey, DriftResult] = {}
        stored = self._stored(model, list(windows))
        operations: list[Operation] = []
        counter = _Counter(self._gateway, model, list(windows))
        for window, predictions in windows.items():
            reference, stored_drift = references[window], stored.get(window, {})
            values = self._values(window, predictions, reference, stored_drift, counter)
            values[ALL_VERSIONS] = _over_all(values.values())
            totals = {**predictions, ALL_VERSIONS: sum(predictions.values())}
            for version, by_feature in values.items():
                key = MetricsKey(model, version, ALL_SEGMENT, window)
                documents = dict(
                    window_drift.documents(key, reference, by_feature, totals.get(version, 0), self._min_samples)
                )
                results[key] = DriftResult(window_drift.drift_fields(documents.values(), reference))
                for name, of_feature in by_feature.items():
                    results[key].points += window_drift.points(name, reference.features[name], of_feature.sample)
                operations += [
                    Operation("index", DRIFT.index_for(window.start), hashed_id(key.id, name), document)
                    for name, document in documents.items()
                    if stored_drift.get(version, {}).get(name) != document
                ]
        self._gateway.bulk(operations)
        self._gateway.refresh(operation.index for operation in operations)
        return results

    def _values(
        self,
        window: Window,
        predictions: Mapping[str, int],
        reference: DriftReference,
        stored_drift: StoredDrift,
        counter: _Counter,
    ) -> ValuesByVersion:
        # Samples in the bins of another reference say nothing about this one.
        by_version = {
            version: {
                name: document
                for name, document in features.items()
                if name in reference.features and document["reference"] == reference.name
            }
            for version, features in stored_drift.items()
            if version != ALL_VERSIONS
        }
        stored_values = {
            version: {name: window_drift.restored(document["sample"]) for name, document in features.items()}
            for version, features in by_version.items()
            if features
        }
        if window.size != self._calendar.of_drift[0]:
            merged = self._merged(counter.model, window, reference)
            # An earlier release counted days at once if base windows were hours, and stored no hours of them.
            return stored_values if _size(stored_values) > _size(merged) else merged
        counted = {version: next(iter(by_version[version].values()))["predictions"] for version in stored_values}
        if {version: count for version, count in counted.items() if count} == predictions:
            return stored_values
        # If the predictions have been deleted, the stored values stay.
        return counter.count(window, reference) or stored_values

    def _merged(self, model: str, window: Window, reference: DriftReference) -> ValuesByVersion:
        size = self._calendar.component_size(window)
        filters: list[dict[str, Any]] = [
            {"term": {"model_name": model}},
            {"term": {"window_size": size}},
            {"term": {"reference": reference.name}},
            within(window),
        ]
        components: dict[str, dict[str, list[FeatureValues]]] = {}
        for hit in self._scan(filters):
            with reading(hit):
                document = hit["_source"]
                version, feature = document["model_version"], document["feature"]
                if version != ALL_VERSIONS and feature in reference.features:
                    values = window_drift.restored(document["sample"])
                    components.setdefault(version, {}).setdefault(feature, []).append(values)
        return {
            version: {name: window_drift.merged_values(values) for name, values in features.items()}
            for version, features in components.items()
        }

    def _stored(self, model: str, windows: Sequence[Window]) -> dict[Window, StoredDrift]:
        """Return the stored drift documents of windows of one size."""
        if not windows:
            return {}
        starts = [instants.milliseconds(window.start) for window in windows]
        filters: list[dict[str, Any]] = [
            {"term": {"model_name": model}},
            {"term": {"window_size": windows[0].size}},
            {"terms": {"@timestamp": starts}},
        ]
        stored: dict[Window, StoredDrift] = {}
        for hit in self._scan(filters):
            with reading(hit):
                document = hit["_source"]
                window_drift.restored(document["sample"])
                window = self._calendar.window(document["window_size"], instants.parse(document["window_start"]))
                versions = stored.setdefault(window, {})
                versions.setdefault(document["model_version"], {})[document["feature"]] = document
        return stored

    def _scan(self, filters: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        yield from self._gateway.scan(DRIFT.alias, {"query": {"bool": {"filter": filters}}}, PAGE)


class _Counter:
    """Counts windows in predictions; what they need to know of all windows, it reads once, if it is needed."""

    def __init__(self, gateway: Gateway, model: str, windows: Sequence[Window]) -> None:
        self._gateway = gateway
        self.model = model
        self._windows = windows
        self._aged: frozenset[str] | None = None
        self._wrong_types: WrongTypes = {}

    def count(self, window: Window, reference: DriftReference) -> ValuesByVersion:
        """Return the values of a window by version, and of versions of which all lines were refused."""
        if self._aged is None:
            self._aged = aged_features(self._gateway)
            self._wrong_types = wrong_types(self._gateway, self.model, self._windows)
        days = [day_of(window.start)]
        while days[-1] + DAY < window.end:
            days.append(days[-1] + DAY)
        index = ",".join(PREDICTIONS.index_for(day) for day in days)
        response = self._gateway.search(index, window_drift.body(self.model, window, reference, self._aged))
        buckets = response["aggregations"]["versions"]["buckets"] if "aggregations" in response else []
        values = {bucket["key"]: window_drift.values_of(bucket, reference.features) for bucket in buckets}
        for (version, name), lines in self._wrong_types.get(window, {}).items():
            if name in reference.features and buckets:
                of_version = values.setdefault(version, {})
                before = of_version.get(name, window_drift.empty(reference.features[name]))
                counts = replace(before.counts or FeatureCounts(), wrong_type=lines)
                of_version[name] = FeatureValues(before.sample, counts)
        return values


def _size(versions: ValuesByVersion) -> int:
    """Return the number of values of all versions and features."""
    return sum(
        window_drift.sample_size(values.sample) for features in versions.values() for values in features.values()
    )


def _over_all(versions: Iterable[Mapping[str, FeatureValues]]) -> dict[str, FeatureValues]:
    components: dict[str, list[FeatureValues]] = {}
    for features in versions:
        for name, values in features.items():
            components.setdefault(name, []).append(values)
    return {name: window_drift.merged_values(values) for name, values in components.items()}
