"""Drift documents in Elasticsearch: counted once for the smallest of the larger windows, merged for the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor_agent.contracts.drift import DRIFT
from monitor_agent.contracts.performance import ALL_SEGMENT, ALL_VERSIONS
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway, Operation
from monitor_agent.metrics.document import MetricFields
from monitor_agent.pipeline import instants, window_drift
from monitor_agent.pipeline.curves import Point
from monitor_agent.pipeline.documents import Key, hashed
from monitor_agent.pipeline.drift_references import DriftReference
from monitor_agent.pipeline.stale_windows import DAY, day_of
from monitor_agent.pipeline.window_drift import Sample
from monitor_agent.pipeline.windows import Calendar, Window

PAGE = 2_000
Samples = dict[str, dict[str, Sample]]
"""By version and feature."""


@dataclass
class DriftResult:
    """What is known of one metrics document's drift: fields for it, points for its curves."""

    fields: MetricFields = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)


class DriftStore:
    """Compares windows with their references, and keeps the result."""

    def __init__(self, gateway: Gateway, calendar: Calendar, least: int) -> None:
        self._gateway = gateway
        self._calendar = calendar
        self._least = least

    def of(
        self, model: str, windows: Mapping[Window, Mapping[str, int]], references: Mapping[Window, DriftReference]
    ) -> dict[Key, DriftResult]:
        """Return the drift of windows that have ended, over all and by version; its documents are written.

        Parameters
        ----------
        windows : window -> version -> predictions.
        references : the reference of each window.

        Predictions never change, so a window is counted again only where their number or its reference is another.
        """
        found: dict[Key, DriftResult] = {}
        stored = self._stored(model, list(windows))
        operations: list[Operation] = []
        for window, predictions in windows.items():
            known = stored.get(window, {})
            samples = self._samples(model, window, predictions, references[window], known)
            samples[ALL_VERSIONS] = _over_all(samples.values())
            told = {**predictions, ALL_VERSIONS: sum(predictions.values())}
            for version, sample in samples.items():
                key = Key(model, version, ALL_SEGMENT, window)
                found[key] = DriftResult()
                wanted = dict(
                    window_drift.documents(key, references[window], sample, told.get(version, 0), self._least)
                )
                found[key].fields = window_drift.summary(wanted.values(), references[window])
                for name, each in sample.items():
                    found[key].points += window_drift.points(name, references[window].features[name], each)
                operations += [
                    Operation("index", DRIFT.index_for(window.start), hashed(key.id, name), document)
                    for name, document in wanted.items()
                    if known.get(version, {}).get(name) != document
                ]
        self._gateway.bulk(operations)
        self._gateway.refresh(each.index for each in operations)
        return found

    def _samples(
        self,
        model: str,
        window: Window,
        predictions: Mapping[str, int],
        reference: DriftReference,
        known: Mapping[str, Mapping[str, Mapping[str, Any]]],
    ) -> Samples:
        if window.size != self._calendar.larger[0]:
            return self._merged(model, window, reference)
        kept = {
            version: {name: window_drift.restored(each["sample"]) for name, each in features.items()}
            for version, features in known.items()
            if version != ALL_VERSIONS
        }
        counted = {
            version: next(iter(features.values()))["predictions"]
            for version, features in known.items()
            if version != ALL_VERSIONS and all(each["reference"] == reference.name for each in features.values())
        }
        if counted == predictions:
            return kept
        # Where the predictions have been deleted, what was counted stays.
        return self._counted(model, window, reference) or kept

    def _counted(self, model: str, window: Window, reference: DriftReference) -> Samples:
        days = [day_of(window.start)]
        while days[-1] + DAY < window.end:
            days.append(days[-1] + DAY)
        index = ",".join(PREDICTIONS.index_for(day) for day in days)
        answer = self._gateway.search(index, window_drift.body(model, window, reference)).get("aggregations")
        buckets = answer["versions"]["buckets"] if answer else []
        return {bucket["key"]: window_drift.samples(bucket, reference.features) for bucket in buckets}

    def _merged(self, model: str, window: Window, reference: DriftReference) -> Samples:
        size = self._calendar.part_size(window)
        filters: list[dict[str, Any]] = [
            {"term": {"model_name": model}},
            {"term": {"window_size": size}},
            {"term": {"reference": reference.name}},
            instants.within(window),
        ]
        parts: dict[str, dict[str, list[Sample]]] = {}
        for document in self._scan(filters):
            version = document["model_version"]
            if version != ALL_VERSIONS and document["feature"] in reference.features:
                sample = window_drift.restored(document["sample"])
                parts.setdefault(version, {}).setdefault(document["feature"], []).append(sample)
        return {
            version: {name: window_drift.merged(some) for name, some in features.items()}
            for version, features in parts.items()
        }

    def _stored(self, model: str, windows: Sequence[Window]) -> dict[Window, dict[str, dict[str, dict[str, Any]]]]:
        """Return window -> version -> feature -> document, of windows of one size."""
        if not windows:
            return {}
        starts = [instants.milliseconds(window.start) for window in windows]
        filters: list[dict[str, Any]] = [
            {"term": {"model_name": model}},
            {"term": {"window_size": windows[0].size}},
            {"terms": {"@timestamp": starts}},
        ]
        found: dict[Window, dict[str, dict[str, dict[str, Any]]]] = {}
        for document in self._scan(filters):
            window = self._calendar.window(document["window_size"], instants.parse(document["window_start"]))
            versions = found.setdefault(window, {})
            versions.setdefault(document["model_version"], {})[document["feature"]] = document
        return found

    def _scan(self, filters: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        for hit in self._gateway.scan(DRIFT.alias, {"query": {"bool": {"filter": filters}}}, PAGE):
            yield hit["_source"]


def _over_all(versions: Iterable[Mapping[str, Sample]]) -> dict[str, Sample]:
    parts: dict[str, list[Sample]] = {}
    for features in versions:
        for name, sample in features.items():
            parts.setdefault(name, []).append(sample)
    return {name: window_drift.merged(some) for name, some in parts.items()}
