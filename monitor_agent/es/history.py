"""Stored metrics documents of past ranges, for questions of users: they are read, never computed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.contracts.feedback import FEEDBACK, STATUS_INVALID
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.contracts.restatement import RESTATEMENTS
from monitor_agent.es.damaged_documents import reading
from monitor_agent.es.feedback_store import predicted_filter
from monitor_agent.es.gateway import Gateway
from monitor_agent.metrics import WindowState
from monitor_agent.metrics.positive_rate import CLICK
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.countable import counts_by_reason, set_aside
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.ranges import WindowRun

MOST_NAMES = 1000


@dataclass(frozen=True)
class Selection:
    """Which documents are read.

    Attributes
    ----------
    model : one model; empty = all models.
    versions : single versions; empty = the documents over all versions.
    by_version : all single versions instead of the documents over all versions.
    label : also the segments of this label, such as `scene`; empty = only the documents over all segments.
    further : further filters.
    """

    model: str = ""
    versions: tuple[str, ...] = ()
    by_version: bool = False
    label: str = ""
    further: tuple[dict[str, Any], ...] = ()

    def filters(self) -> list[dict[str, Any]]:
        """Return the selection as filters of a query."""
        all_versions = {"term": {"model_version": ALL_VERSIONS}}
        filters: list[dict[str, Any]] = [{"term": {"model_name": self.model}}] if self.model else []
        if self.versions:
            filters.append({"terms": {"model_version": list(self.versions)}})
        else:
            filters.append({"bool": {"must_not": [all_versions]}} if self.by_version else all_versions)
        segments: list[dict[str, Any]] = [{"term": {"segment": ALL_SEGMENT}}]
        if self.label:
            segments.append({"prefix": {"segment": f"labels.{self.label}="}})
        return [*filters, *self.further, {"bool": {"should": segments, "minimum_should_match": 1}}]


@dataclass(frozen=True)
class StoredMetrics:
    """The content of one stored metrics document."""

    model: str
    version: str
    segment: str
    start: datetime
    end: datetime
    finality: str
    state: WindowState
    judged_by: str = CLICK


@dataclass(frozen=True)
class ServedVersions:
    """The versions of a model: version -> start of its first window and end of its last window, of the base size."""

    model: str
    served: dict[str, tuple[datetime, datetime]]


class History:
    """Stored metrics documents."""

    def __init__(self, gateway: Gateway, page_size: int) -> None:
        self._gateway = gateway
        self._page_size = page_size

    def stored_metrics(self, run: WindowRun, selection: Selection) -> Iterator[StoredMetrics]:
        """Yield the documents of a run of windows."""
        filters = [
            {"term": {"window_size": run.size}},
            instants.within(run),
            *selection.filters(),
        ]
        source = [
            "window_start",
            "window_end",
            "model_name",
            "model_version",
            "segment",
            "state",
            "state_blob",
            "judged_by",
        ]
        body = {"query": {"bool": {"filter": filters}}, "_source": source}
        for hit in self._gateway.scan(PERFORMANCE.alias, body, self._page_size):
            with reading(hit):
                metrics = _stored_metrics(hit["_source"])
            yield metrics

    def versions(
        self, sizes: Sequence[str], start: datetime | None = None, end: datetime | None = None
    ) -> list[ServedVersions]:
        """Return the models and when their versions were served, by the windows that begin in [start, end).

        Parameters
        ----------
        sizes : the sizes of the windows.
        start, end : None = without a bound.
        """
        first, last = {"min": {"field": "window_start"}}, {"max": {"field": "window_end"}}
        versions = {
            "terms": {"field": "model_version", "size": MOST_NAMES, "exclude": [ALL_VERSIONS]},
            "aggs": {"first": first, "last": last},
        }
        aggs = {"models": {"terms": {"field": "model_name", "size": MOST_NAMES}, "aggs": {"versions": versions}}}
        filters = [
            {"terms": {"window_size": list(sizes)}},
            {"term": {"segment": ALL_SEGMENT}},
            instants.range_filter("@timestamp", gte=start, lt=end),
            {"range": {"predictions": {"gt": 0}}},
        ]
        body = {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": filters}}, "aggs": aggs}
        aggregations = self._gateway.search(PERFORMANCE.alias, body).get("aggregations", {"models": {"buckets": []}})
        return [
            ServedVersions(
                model["key"],
                {
                    version["key"]: (
                        instants.parse(version["first"]["value"]),
                        instants.parse(version["last"]["value"]),
                    )
                    for version in model["versions"]["buckets"]
                },
            )
            for model in aggregations["models"]["buckets"]
        ]

    def document(self, identifier: str) -> dict[str, Any] | None:
        """Return the metrics document with an `_id`; None if there is none."""
        response = self._gateway.search(PERFORMANCE.alias, {"size": 1, "query": {"ids": {"values": [identifier]}}})
        hits = response["hits"]["hits"]
        return dict(hits[0]["_source"]) if hits else None

    def not_counted(self, model: str, version: str, interval: Interval) -> dict[str, int]:
        """Return reason -> number of a model's predictions, errors and feedback of an interval that do not count.

        Parameters
        ----------
        version : one version, or `all`.
        """
        of_model: list[dict[str, Any]] = [{"term": {"model.name": model}}]
        of_version = [] if version == ALL_VERSIONS else [{"term": {"model.version": version}}]
        searches: list[tuple[str, dict[str, Any]]] = [
            (
                contract.alias,
                {
                    "size": 0,
                    "query": {"bool": {"filter": [*of_model, *of_version, instants.within(interval)]}},
                    "aggs": {"set_aside": set_aside(contract)},
                },
            )
            for contract in (PREDICTIONS, ERRORS)
        ]
        predicted = predicted_filter(gte=interval.start, lt=interval.end)
        invalid = [*of_model, {"term": {"feedback.status": STATUS_INVALID}}, predicted]
        problems = {"problems": {"terms": {"field": "feedback.problem", "size": MOST_NAMES}}}
        searches.append((FEEDBACK.alias, {"size": 0, "query": {"bool": {"filter": invalid}}, "aggs": problems}))
        *stored, feedback = [response.get("aggregations", {}) for response in self._gateway.msearch(searches)]
        counts: Counter[str] = Counter()
        for aggregations in stored:
            counts.update(counts_by_reason(aggregations["set_aside"]) if aggregations else {})
        for bucket in feedback.get("problems", {}).get("buckets", ()):
            counts[bucket["key"]] += bucket["doc_count"]
        return dict(sorted(counts.items()))

    def restatements(self, identifier: str) -> list[dict[str, Any]]:
        """Return the former contents of a metrics document, one before each restatement, the oldest first."""
        body = {"query": {"term": {"metrics_id": identifier}}}
        restatements = [hit["_source"] for hit in self._gateway.scan(RESTATEMENTS.alias, body, self._page_size)]
        return sorted(restatements, key=lambda restatement: int(restatement["revision"]))


def _stored_metrics(document: Mapping[str, Any]) -> StoredMetrics:
    return StoredMetrics(
        document["model_name"],
        document["model_version"],
        document["segment"],
        instants.parse(document["window_start"]),
        instants.parse(document["window_end"]),
        document["state"],
        WindowState.from_blob(document["state_blob"]),
        document.get("judged_by") or CLICK,
    )
