"""Stored metrics documents over ranges of time, for people's questions: read, never counted anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.contracts.performance import ALL_SEGMENT, ALL_VERSIONS, PERFORMANCE
from monitor_agent.contracts.restatement import RESTATEMENTS
from monitor_agent.es.gateway import Gateway
from monitor_agent.metrics import WindowState
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.ranges import WindowRun

MOST_NAMES = 1000


@dataclass(frozen=True)
class Selection:
    """Which documents are asked for.

    Attributes
    ----------
    model : one model; empty = every one.
    versions : those versions; empty = the documents over all versions.
    by_version : every single version instead of the documents over all.
    label : split by this label, such as `scene`; empty = only the documents over all segments.
    """

    model: str = ""
    versions: tuple[str, ...] = ()
    by_version: bool = False
    label: str = ""

    def filters(self) -> list[dict[str, Any]]:
        """Return the selection as filters of a query."""
        everything = {"term": {"model_version": ALL_VERSIONS}}
        found: list[dict[str, Any]] = [{"term": {"model_name": self.model}}] if self.model else []
        if self.versions:
            found.append({"terms": {"model_version": list(self.versions)}})
        else:
            found.append({"bool": {"must_not": [everything]}} if self.by_version else everything)
        segments: list[dict[str, Any]] = [{"term": {"segment": ALL_SEGMENT}}]
        if self.label:
            segments.append({"prefix": {"segment": f"labels.{self.label}="}})
        return [*found, {"bool": {"should": segments, "minimum_should_match": 1}}]


@dataclass(frozen=True)
class StoredMetrics:
    """What one stored document says."""

    model: str
    version: str
    segment: str
    start: datetime
    end: datetime
    finality: str
    state: WindowState


@dataclass(frozen=True)
class ServedVersions:
    """What is stored of a model: each version's first and last window of the base size."""

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
            instants.range_filter("@timestamp", gte=run.start, lt=run.end),
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
        ]
        body = {"query": {"bool": {"filter": filters}}, "_source": source}
        for hit in self._gateway.scan(PERFORMANCE.alias, body, self._page_size):
            found = hit["_source"]
            yield StoredMetrics(
                found["model_name"],
                found["model_version"],
                found["segment"],
                instants.parse(found["window_start"]),
                instants.parse(found["window_end"]),
                found["state"],
                WindowState.from_blob(found["state_blob"]),
            )

    def versions(self, size: str, start: datetime | None = None, end: datetime | None = None) -> list[ServedVersions]:
        """Return the models, and when each version was served, of the windows of one size that begin in [start, end).

        Parameters
        ----------
        start, end : None = without a bound.
        """
        served = {"min": {"field": "window_start"}}, {"max": {"field": "window_end"}}
        versions = {
            "terms": {"field": "model_version", "size": MOST_NAMES, "exclude": [ALL_VERSIONS]},
            "aggs": {"first": served[0], "last": served[1]},
        }
        aggs = {"models": {"terms": {"field": "model_name", "size": MOST_NAMES}, "aggs": {"versions": versions}}}
        filters = [
            {"term": {"window_size": size}},
            {"term": {"segment": ALL_SEGMENT}},
            instants.range_filter("@timestamp", gte=start, lt=end),
            {"range": {"predictions": {"gt": 0}}},
        ]
        body = {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": filters}}, "aggs": aggs}
        answer = self._gateway.search(PERFORMANCE.alias, body).get("aggregations", {"models": {"buckets": []}})
        return [
            ServedVersions(
                model["key"],
                {
                    each["key"]: (instants.parse(each["first"]["value"]), instants.parse(each["last"]["value"]))
                    for each in model["versions"]["buckets"]
                },
            )
            for model in answer["models"]["buckets"]
        ]

    def document(self, identifier: str) -> dict[str, Any] | None:
        """Return the metrics document of an `_id`; None where there is none."""
        answer = self._gateway.search(PERFORMANCE.alias, {"size": 1, "query": {"ids": {"values": [identifier]}}})
        hits = answer["hits"]["hits"]
        return dict(hits[0]["_source"]) if hits else None

    def restatements(self, identifier: str) -> list[dict[str, Any]]:
        """Return what a metrics document said before each restatement, oldest first."""
        body = {"query": {"term": {"metrics_id": identifier}}}
        found = [hit["_source"] for hit in self._gateway.scan(RESTATEMENTS.alias, body, self._page_size)]
        return sorted(found, key=lambda each: int(each["revision"]))
