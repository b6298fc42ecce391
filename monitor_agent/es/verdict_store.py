"""What verdicts are made from, and the verdicts: read as columns of the metrics documents, written once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import (
    ALL_SEGMENT,
    IMMATURE,
    LOST_LINES,
    LOW_COVERAGE,
    PERFORMANCE,
    STATE_FINAL,
    STATE_RESTATED,
)
from monitor_agent.contracts.verdict import ANSWERED, AUC, EARLY, F1, FINAL, RATE
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.metrics.wilson import Z_95
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import PlannedWrite
from monitor_agent.pipeline.drift_verdicts import DriftRow
from monitor_agent.pipeline.instants import Interval, range_filter
from monitor_agent.pipeline.slo import RequestCounts
from monitor_agent.pipeline.stretches import SMALLEST_CLASS, Counts

PAGE = 5_000
MOST_MODELS = 1000
MOST_VERSIONS = 100
FEWEST_FEATURES = 3
"""Scores, labels and features that a verdict on drift needs."""

_VALUES = (AUC, F1)
_NUMBERS = (
    *("shown", "early_positives", "requests", "errors", "n", "tp", "fn"),
    *(name + end for name in _VALUES for end in ("", "_low", "_high")),
)
_KEYS = ("model_version", "segment", "state", "not_alertable")
_NOT_JUDGED = {LOW_COVERAGE, IMMATURE}
_COMPLETE = {"bool": {"must_not": [{"term": {"not_alertable": LOST_LINES}}]}}
"""A window that may miss lines says nothing; all others do."""


@dataclass(frozen=True)
class Hours:
    """Which hours are read.

    Attributes
    ----------
    size : the size of the windows.
    interval : the stretches that are judged.
    past : the times that they are compared with, of all versions together.
    segments : whether single segments are read, too; else all segments together only.
    """

    size: str
    interval: Interval
    past: Sequence[Interval]
    segments: bool


Row = tuple[str, str, datetime, Counts]
"""Version, segment, start and counts of one window."""


class VerdictStore:
    """Reads the counts of windows, and writes verdicts."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def models(self, since: datetime) -> list[str]:
        """Return the models that have windows since then."""
        body = {
            "size": 0,
            "track_total_hits": False,
            "query": {"bool": {"filter": [{"term": {"segment": ALL_SEGMENT}}, range_filter("@timestamp", gte=since)]}},
            "aggs": {"models": {"terms": {"field": "model_name", "size": MOST_MODELS}}},
        }
        aggregations = self._gateway.search(PERFORMANCE.alias, body).get("aggregations", {})
        return sorted(bucket["key"] for bucket in aggregations.get("models", {}).get("buckets", ()))

    def hours(self, model: str, hours: Hours, counted: str) -> Iterator[Row]:
        """Yield the windows of a model, without those that may miss lines.

        Parameters
        ----------
        counted : which positives count: `early` or `final`.
        """
        all_versions, in_time = {"term": {"model_version": ALL_VERSIONS}}, range_filter
        cases = [
            {"bool": {"filter": [in_time("@timestamp", gte=hours.interval.start, lt=hours.interval.end)]}},
            *(
                {"bool": {"filter": [in_time("@timestamp", gte=past.start, lt=past.end), all_versions]}}
                for past in hours.past
            ),
        ]
        filters = [
            {"term": {"model_name": model}},
            {"term": {"window_size": hours.size}},
            *([] if hours.segments else [{"term": {"segment": ALL_SEGMENT}}]),
            _COMPLETE,
            {"bool": {"should": cases, "minimum_should_match": 1}},
        ]
        body = {
            "query": {"bool": {"filter": filters}},
            "_source": False,
            "docvalue_fields": [{"field": "@timestamp", "format": "epoch_millis"}, *_KEYS, *_NUMBERS],
        }
        for hit in self._gateway.scan(PERFORMANCE.alias, body, PAGE):
            fields = {name: values[0] for name, values in hit.get("fields", {}).items() if name != "not_alertable"}
            reasons = set(hit.get("fields", {}).get("not_alertable", ()))
            start = instants.parse(int(fields["@timestamp"]))
            yield fields["model_version"], fields["segment"], start, _counts(fields, reasons, counted)

    def recent(self, model: str, size: str, interval: Interval, length: timedelta) -> Iterator[Row]:
        """Yield stretches of a length, each added up from base windows, over all segments.

        Parameters
        ----------
        size : the size of the base windows.
        """
        sums = {name: {"sum": {"field": name}} for name in ("shown", "early_positives", "requests", "errors")}
        complete = {"complete": {"value_count": {"field": "early_positives"}}}
        stretches = {
            "date_histogram": {
                "field": "@timestamp",
                "fixed_interval": f"{int(length.total_seconds())}s",
                "min_doc_count": 1,
            },
            "aggs": {**sums, **complete},
        }
        versions = {
            "terms": {"field": "model_version", "size": MOST_VERSIONS},
            "aggs": {"stretches": stretches},
        }
        filters = [
            {"term": {"model_name": model}},
            {"term": {"window_size": size}},
            {"term": {"segment": ALL_SEGMENT}},
            _COMPLETE,
            range_filter("@timestamp", gte=interval.start, lt=interval.end),
        ]
        body = {
            "size": 0,
            "track_total_hits": False,
            "query": {"bool": {"filter": filters}},
            "aggs": {"versions": versions},
        }
        aggregations = self._gateway.search(PERFORMANCE.alias, body).get("aggregations", {})
        for version in aggregations.get("versions", {}).get("buckets", ()):
            for bucket in version["stretches"]["buckets"]:
                fields = {name: bucket[name]["value"] for name in sums}
                if bucket["complete"]["value"] < bucket["doc_count"]:
                    del fields["early_positives"]
                yield version["key"], ALL_SEGMENT, instants.parse(bucket["key"]), _counts(fields, set(), EARLY)

    def requests(self, model: str, until: datetime, lengths: Mapping[str, timedelta]) -> dict[str, RequestCounts]:
        """Return the requests of a model in each of some times before a moment, from base windows.

        Parameters
        ----------
        lengths : by name.
        """
        if not lengths:
            return {}
        sums = {name: {"sum": {"field": name}} for name in ("requests", "errors", "slow_requests")}
        timed = {"filter": {"exists": {"field": "slow_requests"}}, "aggs": {"requests": sums["requests"]}}
        starts = {name: range_filter("@timestamp", gte=until - length) for name, length in lengths.items()}
        filters = [
            {"term": {"model_name": model}},
            {"term": {"is_base_window": True}},
            {"term": {"segment": ALL_SEGMENT}},
            {"term": {"model_version": ALL_VERSIONS}},
            range_filter("@timestamp", gte=until - max(lengths.values()), lt=until),
        ]
        body = {
            "size": 0,
            "track_total_hits": False,
            "query": {"bool": {"filter": filters}},
            "aggs": {"times": {"filters": {"filters": starts}, "aggs": {**sums, "timed": timed}}},
        }
        aggregations = self._gateway.search(PERFORMANCE.alias, body).get("aggregations", {})
        return {
            name: RequestCounts(
                bucket["requests"]["value"],
                bucket["errors"]["value"],
                bucket["timed"]["requests"]["value"],
                bucket["slow_requests"]["value"],
            )
            for name, bucket in aggregations.get("times", {}).get("buckets", {}).items()
        }

    def drift(self, model: str, sizes: Sequence[str], interval: Interval) -> list[DriftRow]:
        """Return the windows with a measured drift, of all segments together.

        Parameters
        ----------
        sizes : the sizes of the windows.
        """
        filters = [
            {"term": {"model_name": model}},
            {"terms": {"window_size": list(sizes)}},
            {"term": {"segment": ALL_SEGMENT}},
            {"range": {"drift_measured": {"gte": FEWEST_FEATURES}}},
            range_filter("@timestamp", gte=interval.start, lt=interval.end),
        ]
        fields = [{"field": "@timestamp", "format": "epoch_millis"}, "model_version", "window_size", "drift_share"]
        body = {"query": {"bool": {"filter": filters}}, "_source": False, "docvalue_fields": fields}
        rows = []
        for hit in self._gateway.scan(PERFORMANCE.alias, body, PAGE):
            values = {name: entries[0] for name, entries in hit.get("fields", {}).items()}
            if "drift_share" in values:
                start = instants.parse(int(values["@timestamp"]))
                rows.append(DriftRow(values["model_version"], values["window_size"], start, values["drift_share"]))
        return rows

    def write(self, writes: Sequence[PlannedWrite]) -> int:
        """Write verdicts that nobody has written yet and return how many there were."""
        if not writes:
            return 0
        self._gateway.bulk(Operation("create", write.index, write.id, write.document) for write in writes)
        self._gateway.refresh({write.index for write in writes})
        return len(writes)


def _counts(fields: Mapping[str, Any], reasons: set[str], counted: str) -> Counts:
    pairs: dict[str, tuple[float, float]] = {}
    if fields.get("requests") or fields.get("errors"):
        requests, errors = float(fields.get("requests") or 0), float(fields.get("errors") or 0)
        pairs[ANSWERED] = (requests, requests + errors)
    final = fields.get("state") in (STATE_FINAL, STATE_RESTATED) and not reasons & _NOT_JUDGED
    # Documents of earlier releases have no early positives: that is not the same as none.
    if counted == EARLY and fields.get("shown") and fields.get("early_positives") is not None:
        impressions = float(fields["shown"])
        pairs[RATE] = (min(impressions, float(fields["early_positives"])), impressions)
    positives = float(fields.get("tp") or 0) + float(fields.get("fn") or 0)
    if counted == FINAL and final and fields.get("n"):
        pairs[RATE] = (positives, float(fields["n"]))
    values: dict[str, tuple[float, float]] = {}
    if final and min(positives, float(fields.get("n") or 0) - positives) >= SMALLEST_CLASS:
        for name in _VALUES:
            low, high = fields.get(f"{name}_low"), fields.get(f"{name}_high")
            if fields.get(name) is not None and low is not None and high is not None and high > low:
                values[name] = (float(fields[name]), ((high - low) / (2 * Z_95)) ** 2)
    return Counts(pairs, values)
