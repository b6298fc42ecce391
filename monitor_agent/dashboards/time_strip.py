"""What to know of a time, for all charts over it: outages, lost lines, windows without labels, alerts, releases.

The searches go with those of the panels; `read_strip` turns the responses into spans and marks (pure).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from monitor_agent.contracts.alert import ALERTS, GROUP_FIELDS
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE, segment_name
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES, SOURCE_SERVER
from monitor_agent.durations import parse_duration
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.search_outcomes import SearchOutcome
from monitor_agent.kibana.dashboard_model import Dashboard
from monitor_agent.kibana.filters import Query, conjunction, within
from monitor_agent.kibana.searches import SearchRequest
from monitor_agent.kibana.tables import JOIN, Annotation, source_value
from monitor_agent.kibana.times import TimeRange, interval
from monitor_agent.pipeline.instants import milliseconds, parse, range_filter
from monitor_agent.vocabulary.counted_nouns import counted

OUTAGE, LOST, IMMATURE, ALERT = "no events", "lines lost", "labels to come", "alert active"
COLORS = {OUTAGE: "#C61E25", LOST: "#D18B00", IMMATURE: "#8A93A3", ALERT: "#9B4DCA"}
"""Kind of a span -> its colour: red is bad, yellow is doubtful, grey only needs time."""
MOST_RELEASES, MOST_ALERTS = 100, 200
LEAST_BAR = timedelta(hours=1)
HOURLY = timedelta(days=62)
"""In ranges up to this length, an outage of an hour is shown."""
EXPECTED = 5.0
"""A time without events is an outage only if so many were to be expected in it."""
MATURE = 0.99


@dataclass(frozen=True)
class Span:
    """A time, in milliseconds since 1970, in which the numbers mean something else, and what it is in words."""

    kind: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class AlertSpan(Span):
    """A time in which an alert was active.

    Attributes
    ----------
    measure : the field that it compares; empty = none.
    model, version : what it is about; empty = all.
    dashboard : the dashboard that the list of alerts names for it.
    """

    measure: str = ""
    model: str = ""
    version: str = ""
    dashboard: str = ""


@dataclass(frozen=True)
class TimeStrip:
    """What disturbs the numbers of a range."""

    spans: tuple[Span, ...] = ()
    releases: tuple[Annotation, ...] = ()

    def at(self, start: float, end: float) -> str:
        """Return what disturbs the numbers between two moments, in words; empty if nothing does."""
        texts = [span.text for span in self.spans if span.start < end and start < span.end]
        return "; ".join(dict.fromkeys(texts))


@dataclass(frozen=True)
class StripSearches:
    """The searches for the strip of a dashboard, in the order in which `read_strip` takes their responses."""

    time: TimeRange
    bar: timedelta
    requests: tuple[SearchRequest, ...] = field(default=())


def strip_searches(dashboard: Dashboard, time: TimeRange, chosen: Mapping[str, Sequence[str]]) -> StripSearches:
    """Return the searches for a dashboard; they follow its model and version, and no other filter."""
    models = _filters(dashboard, chosen, ("model_name",))
    versions = _filters(dashboard, chosen, ("model_name", "model_version"))
    bar = LEAST_BAR if time.length <= HOURLY else max(LEAST_BAR, parse_duration(interval("auto", time)))
    dates = {"field": "@timestamp", "fixed_interval": f"{round(bar.total_seconds())}s"}
    bounds = {"min": milliseconds(time.start), "max": milliseconds(time.end)}
    events = {"date_histogram": {**dates, "min_doc_count": 0, "extended_bounds": bounds}}
    base = [
        *within(time, "@timestamp"),
        *versions,
        {"term": {"is_base_window": True}},
        {"term": {"segment": ALL_SEGMENT}},
    ]
    single = {"bool": {"must_not": [{"term": {"model_version": "all"}}]}}
    ends = {"start": {"min": {"field": "window_start"}}, "end": {"max": {"field": "window_end"}}}
    windows = {
        "lost": {
            "filter": {"range": {"lost_lines": {"gt": 0}}},
            "aggs": {
                "bars": {
                    "date_histogram": {**dates, "min_doc_count": 1},
                    "aggs": {"most": {"max": {"field": "lost_lines"}}},
                }
            },
        },
        "immature": {
            "filter": {"range": {"maturity": {"lt": MATURE}}},
            "aggs": {"bars": {"date_histogram": {**dates, "min_doc_count": 1}, "aggs": ends}},
        },
    }
    release = {
        "size": MOST_RELEASES,
        "track_total_hits": False,
        "query": conjunction(
            [*within(time, "@timestamp"), *models, {"bool": {"must_not": [{"term": {"source": SOURCE_SERVER}}]}}]
        ),
        "sort": [{"@timestamp": "asc"}],
        "_source": ["model_name", "model_version"],
    }
    requests = (
        SearchRequest(PREDICTIONS.pattern, _sums([*within(time, "@timestamp"), *versions], {"events": events})),
        SearchRequest(PERFORMANCE.pattern, _sums([*base, single], windows)),
        SearchRequest(RELEASES.pattern, release),
        SearchRequest(ALERTS.pattern, _active_alerts(time, versions)),
    )
    return StripSearches(time, bar, requests)


def read_strip(searches: StripSearches, outcomes: Sequence[SearchOutcome]) -> TimeStrip:
    """Return the strip; a search without a response adds nothing, because the panels say what could not be read."""
    events, windows, releases, alerts = (
        {} if isinstance(outcome, ElasticsearchError) else outcome for outcome in outcomes
    )
    length = round(searches.bar.total_seconds() * 1000)
    disturbed = windows.get("aggregations", {})
    spans = [
        *_outages(events.get("aggregations", {}).get("events", {}).get("buckets", ()), length, searches.time),
        *_joined(_lost(disturbed.get("lost", {}).get("bars", {}).get("buckets", ()), length)),
        *_joined(_immature(disturbed.get("immature", {}).get("bars", {}).get("buckets", ()))),
        *_alerts(alerts, searches.time),
    ]
    return TimeStrip(tuple(spans), tuple(_releases(releases)))


def _filters(dashboard: Dashboard, chosen: Mapping[str, Sequence[str]], fields: Sequence[str]) -> list[Query]:
    return [{"terms": {name: values}} for name in fields if (values := dashboard.chosen_values(name, chosen))]


def _sums(filters: Sequence[Query], aggregations: Mapping[str, Any]) -> dict[str, Any]:
    return {"size": 0, "track_total_hits": False, "query": conjunction(filters), "aggs": dict(aggregations)}


def _active_alerts(time: TimeRange, versions: Sequence[Query]) -> dict[str, Any]:
    """Return the search for the alerts that were active in a range, those on all models or all versions too."""
    filters: list[Query] = [range_filter("active_since", lte=time.end)]
    for query in versions:
        (field_name,) = query["terms"]
        on_all = {"bool": {"must_not": [{"exists": {"field": field_name}}]}}
        filters.append({"bool": {"should": [query, on_all], "minimum_should_match": 1}})
    fields = ("rule.description", *GROUP_FIELDS, "active_since", "event.end", "measure", "dashboard")
    return {
        "size": MOST_ALERTS,
        "track_total_hits": False,
        "query": {"bool": {"filter": filters, "must_not": [range_filter("event.end", lt=time.start)]}},
        "sort": [{"active_since": "desc"}],
        "_source": list(fields),
    }


def _alerts(response: Mapping[str, Any], time: TimeRange) -> Iterator[AlertSpan]:
    """Yield the times in which alerts were active, the latest first."""
    for hit in response.get("hits", {}).get("hits", ()):
        source = hit["_source"]
        model, version, segment, measure, dashboard = (
            str(source_value(source, name) or "") for name in (*GROUP_FIELDS, "measure", "dashboard")
        )
        names = ", ".join(name for name in (JOIN.join(filter(None, (model, version))), segment_name(segment)) if name)
        title = source_value(source, "rule.description") or ALERT
        start = milliseconds(parse(str(source_value(source, "active_since"))))
        end = source_value(source, "event.end")
        stop = milliseconds(parse(str(end)) if end else time.end)
        text = f"alert: {title}{f' ({names})' if names else ''}"
        yield AlertSpan(ALERT, start, stop, text, measure, model, version, dashboard)


def _outages(buckets: Sequence[Mapping[str, Any]], length: int, time: TimeRange) -> Iterator[Span]:
    """Yield the times without events after the first event of the range, if events were to be expected in them."""
    counts = [(int(bucket["key"]), int(bucket["doc_count"])) for bucket in buckets]
    busy = [count for _, count in counts if count]
    if not busy:
        return
    usual = sorted(busy)[len(busy) // 2]
    first = next(at for at, count in counts if count)
    last = min(milliseconds(time.end), max(at for at, _ in counts) + length)
    start: int | None = None
    for at, count in [*((at, count) for at, count in counts if at > first), (last, 1)]:
        if not count and start is None:
            start = at
        elif count and start is not None:
            if (at - start) / length * usual >= EXPECTED:
                yield Span(OUTAGE, start, at, OUTAGE)
            start = None


def _lost(buckets: Sequence[Mapping[str, Any]], length: int) -> Iterator[Span]:
    for bucket in buckets:
        lines = round(bucket["most"]["value"] or 0)
        yield Span(LOST, bucket["key"], bucket["key"] + length, f"up to {counted(lines, 'line')} lost")


def _immature(buckets: Sequence[Mapping[str, Any]]) -> Iterator[Span]:
    for bucket in buckets:
        yield Span(IMMATURE, int(bucket["start"]["value"]), int(bucket["end"]["value"]), IMMATURE)


def _joined(spans: Iterator[Span]) -> list[Span]:
    """Return spans of one kind, those that touch each other as one; it says what the first one says."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.start <= joined[-1].end and span.text == joined[-1].text:
            joined[-1] = Span(span.kind, joined[-1].start, max(span.end, joined[-1].end), span.text)
        else:
            joined.append(span)
    return joined


def _releases(response: Mapping[str, Any]) -> Iterator[Annotation]:
    for hit in response.get("hits", {}).get("hits", ()):
        names = [str(source_value(hit["_source"], name) or "") for name in ("model_name", "model_version")]
        yield Annotation(int(hit["sort"][0]), JOIN.join(names))
