"""Drift documents in Elasticsearch: counted for the smallest of the larger windows, merged for the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor_agent.contracts.drift import DRIFT
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.damaged_documents import reading
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.metrics.document import MetricFields
from monitor_agent.pipeline import instants, window_drift
from monitor_agent.pipeline.curves import CurvePoint
from monitor_agent.pipeline.documents import MetricsKey, hashed_id
from monitor_agent.pipeline.drift_references import DriftReference
from monitor_agent.pipeline.instants import DAY, within
from monitor_agent.pipeline.stale_windows import day_of
from monitor_agent.pipeline.window_drift import Sample
from monitor_agent.pipeline.windows import Calendar, Window

PAGE = 2_000
SamplesByVersion = dict[str, dict[str, Sample]]
"""Version -> feature -> sample."""
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
        for window, predictions in windows.items():
            reference, stored_drift = references[window], stored.get(window, {})
            samples = self._samples(model, window, predictions, reference, stored_drift)
            samples[ALL_VERSIONS] = _over_all(samples.values())
            totals = {**predictions, ALL_VERSIONS: sum(predictions.values())}
            for version, by_feature in samples.items():
                key = MetricsKey(model, version, ALL_SEGMENT, window)
                documents = dict(
                    window_drift.documents(key, reference, by_feature, totals.get(version, 0), self._min_samples)
                )
                results[key] = DriftResult(window_drift.drift_fields(documents.values(), reference))
                for name, sample in by_feature.items():
                    results[key].points += window_drift.points(name, reference.features[name], sample)
                operations += [
                    Operation("index", DRIFT.index_for(window.start), hashed_id(key.id, name), document)
                    for name, document in documents.items()
                    if stored_drift.get(version, {}).get(name) != document
                ]
        self._gateway.bulk(operations)
        self._gateway.refresh(operation.index for operation in operations)
        return results

    def _samples(
        self,
        model: str,
        window: Window,
        predictions: Mapping[str, int],
        reference: DriftReference,
        stored_drift: StoredDrift,
    ) -> SamplesByVersion:
        if window.size != self._calendar.larger[0]:
            return self._merged(model, window, reference)
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
        stored_samples = {
            version: {name: window_drift.restored(document["sample"]) for name, document in features.items()}
            for version, features in by_version.items()
            if features
        }
        counted = {version: next(iter(by_version[version].values()))["predictions"] for version in stored_samples}
        if counted == predictions:
            return stored_samples
        # If the predictions have been deleted, the stored samples stay.
        return self._counted(model, window, reference) or stored_samples

    def _counted(self, model: str, window: Window, reference: DriftReference) -> SamplesByVersion:
        days = [day_of(window.start)]
        while days[-1] + DAY < window.end:
            days.append(days[-1] + DAY)
        index = ",".join(PREDICTIONS.index_for(day) for day in days)
        response = self._gateway.search(index, window_drift.body(model, window, reference))
        buckets = response["aggregations"]["versions"]["buckets"] if "aggregations" in response else []
        return {bucket["key"]: window_drift.samples(bucket, reference.features) for bucket in buckets}

    def _merged(self, model: str, window: Window, reference: DriftReference) -> SamplesByVersion:
        size = self._calendar.component_size(window)
        filters: list[dict[str, Any]] = [
            {"term": {"model_name": model}},
            {"term": {"window_size": size}},
            {"term": {"reference": reference.name}},
            within(window),
        ]
        components: dict[str, dict[str, list[Sample]]] = {}
        for hit in self._scan(filters):
            with reading(hit):
                document = hit["_source"]
                version, feature = document["model_version"], document["feature"]
                if version != ALL_VERSIONS and feature in reference.features:
                    sample = window_drift.restored(document["sample"])
                    components.setdefault(version, {}).setdefault(feature, []).append(sample)
        return {
            version: {name: window_drift.merged(samples) for name, samples in features.items()}
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


def _over_all(versions: Iterable[Mapping[str, Sample]]) -> dict[str, Sample]:
    components: dict[str, list[Sample]] = {}
    for features in versions:
        for name, sample in features.items():
            components.setdefault(name, []).append(sample)
    return {name: window_drift.merged(samples) for name, samples in components.items()}
