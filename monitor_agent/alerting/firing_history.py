"""The value of a firing over time, and the documents behind it: searches, and their answers (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from statistics import median
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.alerting.conditions import without_values
from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Firing
from monitor_agent.durations import parse_duration
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import HOUR, Interval, within

Search = tuple[str, dict[str, Any]]

MOST_POINTS = 300
MOST_DOCUMENTS = 15
LEAST_SECONDS = 60
LONGEST_BREAK = 1.5
"""Points are joined if they are at most this many times their usual distance apart."""
_ENDS = ("_high", "_low")


@dataclass(frozen=True)
class ValuePoint:
    """The value that an alert compares, at one moment; of several documents, the worst.

    Attributes
    ----------
    value : None = it was not measured.
    low, high : ends of its 95 % interval; None = it has none.
    met : whether a document of this moment met the whole condition.
    """

    at: datetime
    value: float | None
    low: float | None = None
    high: float | None = None
    met: bool = False


@dataclass(frozen=True)
class BehindDocument:
    """A document that met the condition of an alert."""

    id: str
    source: Mapping[str, Any]


@dataclass(frozen=True)
class ValueHistory:
    """The value of a firing over time.

    Attributes
    ----------
    measure : the field that is shown; it has an interval if the alert compares an end of one.
    limit : None = the alert compares no value.
    upwards : whether values above the limit are worse.
    interval : the time that is shown.
    """

    measure: str
    limit: float | None
    upwards: bool
    interval: Interval
    points: Sequence[ValuePoint]

    def runs(self) -> list[list[ValuePoint]]:
        """Return the points with a value that a line may join: no line goes through a gap."""
        steps = [(b.at - a.at).total_seconds() for a, b in zip(self.points, self.points[1:], strict=False)]
        longest = LONGEST_BREAK * median(steps) if steps else 0.0
        joined: list[list[ValuePoint]] = []
        before: ValuePoint | None = None
        for point in self.points:
            if point.value is not None:
                near = before is not None and (point.at - before.at).total_seconds() <= longest
                if near and joined:
                    joined[-1].append(point)
                else:
                    joined.append([point])
            before = point if point.value is not None else None
        return joined


def shown_interval(alert: Alert, firing: Firing, now: datetime) -> Interval:
    """Return the time around a firing that its page shows."""
    end = firing.end or now
    length = end - firing.start
    before = max(parse_duration(alert.look_back), length / 4, HOUR)
    after = max(length / 8, HOUR / 2)
    return Interval(firing.start - before, min(now, end + after))


def values_search(alert: Alert, firing: Firing, now: datetime) -> Search:
    """Return the search for the values over time: index and body."""
    interval = shown_interval(alert, firing, now)
    seconds = max(LEAST_SECONDS, ceil(interval.seconds / MOST_POINTS))
    measure = firing.measure or ""
    worse, _ = alert.limits().get(measure, ("max", 0.0))
    order = {measure: {"order": "desc" if worse == "max" else "asc", "unmapped_type": "double"}}
    # Not `top_metrics`: a minimal Elasticsearch does not have it.
    worst = {"size": 1, "sort": [order], "_source": list(_fields_of(measure))}
    measured = {"filter": {"exists": {"field": measure}}, "aggs": {"worst": {"top_hits": worst}}}
    times = {"field": "@timestamp", "fixed_interval": f"{seconds}s", "min_doc_count": 1}
    aggs = {"measured": measured, "met": {"filter": kql.query(alert.where)}}
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": {
            "bool": {"filter": [within(interval), without_values(kql.query(alert.where)), *_group_filters(firing)]}
        },
        "aggs": {"times": {"date_histogram": times, "aggs": aggs}},
    }
    return alert.index, body


def value_history(alert: Alert, firing: Firing, answer: Mapping[str, Any], now: datetime) -> ValueHistory:
    """Return the values in the answer to `values_search`."""
    buckets = answer.get("aggregations", {}).get("times", {}).get("buckets", [])
    measure = firing.measure or ""
    rows = [(bucket, _worst(bucket)) for bucket in buckets]
    metric, low, high = _fields_of(measure)[1:] if measure.endswith(_ENDS) else ("", "", "")
    # Without its interval, a metric is not what the alert compares.
    has_interval = bool(metric) and any(row.get(low) is not None and row.get(high) is not None for _, row in rows)
    names = (metric, low, high) if has_interval else (measure, "", "")
    points = []
    for bucket, row in rows:
        value, low_end, high_end = (row.get(name) for name in names)
        met = bucket["met"]["doc_count"] > 0
        points.append(ValuePoint(instants.parse(bucket["key"]), value, low_end, high_end, met))
    worse, limit = alert.limits().get(measure, ("max", firing.limit))
    interval = shown_interval(alert, firing, now)
    return ValueHistory(names[0], limit, worse == "max", interval, points)


def documents_search(alert: Alert, firing: Firing) -> Search:
    """Return the search for the newest documents that met the condition: index and body."""
    # A window has the time of its start, and is evaluated after its end.
    times = instants.range_filter("@timestamp", gte=firing.start - parse_duration(alert.look_back), lte=firing.end)
    body = {
        "size": MOST_DOCUMENTS,
        "query": {"bool": {"filter": [times, kql.query(alert.where), *_group_filters(firing)]}},
        "sort": [{"@timestamp": {"order": "desc"}}],
        "_source": {"excludes": ["state_blob"]},
    }
    return alert.index, body


def documents_behind(answer: Mapping[str, Any]) -> list[BehindDocument]:
    """Return the documents in the answer to `documents_search`, the newest first."""
    return [BehindDocument(hit["_id"], hit["_source"]) for hit in answer.get("hits", {}).get("hits", [])]


def _group_filters(firing: Firing) -> list[dict[str, Any]]:
    return [{"term": {name: value}} for name, value in firing.group]


def _fields_of(measure: str) -> tuple[str, str, str, str]:
    """Return the field that an alert compares, its metric, and the ends of its interval.

    >>> _fields_of("f1_high")
    ('f1_high', 'f1', 'f1_low', 'f1_high')
    """
    metric = next((measure.removesuffix(end) for end in _ENDS if measure.endswith(end)), measure)
    return measure, metric, f"{metric}_low", f"{metric}_high"


def _worst(bucket: Mapping[str, Any]) -> Mapping[str, Any]:
    hits = bucket["measured"].get("worst", {}).get("hits", {}).get("hits", [])
    row: Mapping[str, Any] = hits[0]["_source"] if hits else {}
    return row
