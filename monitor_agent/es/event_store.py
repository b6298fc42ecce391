"""What Elasticsearch says of predictions and errors: how many there are where, and each window's counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor_agent.contracts.feedback import FEEDBACK, STATUS_NEW, STATUS_ORPHAN
from monitor_agent.contracts.performance import ALL_SEGMENT, ALL_VERSIONS, PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.es.feedback_store import overdue_filter
from monitor_agent.es.gateway import Gateway
from monitor_agent.metrics import WindowState
from monitor_agent.metrics.ranking import REQUESTS
from monitor_agent.metrics.score_histogram import Histogram
from monitor_agent.pipeline import counting, instants, ranks
from monitor_agent.pipeline.finality import NOT_FINAL_STATES
from monitor_agent.pipeline.instants import Interval, within
from monitor_agent.pipeline.score_resolution import NO_REFINED_BINS, RefinedBins
from monitor_agent.pipeline.segments import Segment, label_values_of
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

MAX_DAYS = 10_000
COMPOSITE_PAGE = 5_000
DAYS_AT_ONCE = 50
ITEMS_PAGE = 5_000
SEARCHES_AT_ONCE = 8
# Elasticsearch refuses to make more than 65,536 buckets for one request.
TOO_MANY_BUCKETS = "too_many_buckets_exception"

States = dict[tuple[str, str], WindowState]


@dataclass(frozen=True)
class WorkSummary:
    """What a first look shows.

    Attributes
    ----------
    documents : index -> documents in it, of predictions and errors.
    new, overdue : feedback that nobody has looked at; that waits no longer.
    young : documents (model, window) of all versions and segments that time alone may change, when they are few.
    marked : such documents that tell of lost lines.
    """

    documents: dict[str, int]
    new: int
    overdue: int
    not_final: int
    with_lost_lines: int


@dataclass
class WindowCounts:
    """Documents by (model, window)."""

    predictions: dict[ModelWindow, int] = field(default_factory=dict)
    errors: dict[ModelWindow, int] = field(default_factory=dict)


class EventStore:
    """Predictions, errors and orphans as counts."""

    def __init__(self, gateway: Gateway, settings: AgentSettings, calendar: Calendar) -> None:
        self._gateway = gateway
        self._settings = settings
        self._calendar = calendar

    def work_summary(self, now: datetime) -> WorkSummary:
        """Return what there is to do, by one request whose cost does not follow the history."""
        days = {"terms": {"field": "_index", "size": MAX_DAYS}}
        counted = {"size": 0, "track_total_hits": True}
        index = f"{PREDICTIONS.alias},{ERRORS.alias}"
        answers = self._gateway.msearch(
            [
                (index, {"size": 0, "track_total_hits": False, "aggs": {"days": days}}),
                (FEEDBACK.alias, {**counted, "query": {"term": {"feedback.status": STATUS_NEW}}}),
                (FEEDBACK.alias, {**counted, "query": overdue_filter(now, self._settings.orphan_horizon)}),
                (PERFORMANCE.alias, {**counted, "query": not_final()}),
                (PERFORMANCE.alias, {**counted, "query": with_lost_lines()}),
            ]
        )
        buckets = answers[0].get("aggregations", {}).get("days", {}).get("buckets", [])
        counts = [answer["hits"]["total"]["value"] for answer in answers[1:]]
        return WorkSummary({bucket["key"]: bucket["doc_count"] for bucket in buckets}, *counts)

    def hour_counts(self, days: Sequence[datetime]) -> dict[str, dict[str, int]]:
        """Return index -> start of an hour -> documents in it, of predictions and errors of days (UTC)."""
        hours = {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h", "min_doc_count": 1}}
        body = {"size": 0, "track_total_hits": False, "aggs": {"hours": hours}}
        names = [contract.index_for(day) for day in days for contract in (PREDICTIONS, ERRORS)]
        found: dict[str, dict[str, int]] = {}
        for first in range(0, len(names), DAYS_AT_ONCE):
            some = names[first : first + DAYS_AT_ONCE]
            for name, answer in zip(some, self._gateway.msearch([(each, body) for each in some]), strict=True):
                buckets = answer.get("aggregations", {}).get("hours", {}).get("buckets", [])
                found[name] = {instants.text(instants.parse(each["key"])): each["doc_count"] for each in buckets}
        return found

    def window_counts(self, day: datetime, interval: Interval | None = None) -> WindowCounts:
        """Return how many predictions and errors each base window of a day (UTC) holds, within `interval`."""
        return WindowCounts(
            dict(self._counts(PREDICTIONS.index_for(day), interval)),
            dict(self._counts(ERRORS.index_for(day), interval)),
        )

    def _counts(self, index: str, interval: Interval | None) -> Iterator[tuple[ModelWindow, int]]:
        fixed_interval = f"{self._settings.base_window // instants.MILLISECOND}ms"
        composite: dict[str, Any] = {
            "size": COMPOSITE_PAGE,
            "sources": [
                {"model": {"terms": {"field": "model.name"}}},
                {"window": {"date_histogram": {"field": "@timestamp", "fixed_interval": fixed_interval}}},
            ],
        }
        query = within(interval) if interval else {"match_all": {}}
        while True:
            body = {"size": 0, "track_total_hits": False, "query": query, "aggs": {"windows": {"composite": composite}}}
            found = self._gateway.search(index, body).get("aggregations", {}).get("windows", {"buckets": []})
            for bucket in found["buckets"]:
                window = self._calendar.base_window(instants.parse(bucket["key"]["window"]))
                yield ModelWindow(bucket["key"]["model"], window), bucket["doc_count"]
            if "after_key" not in found:
                return
            composite["after"] = found["after_key"]

    def label_values(self, model: str, start: datetime, end: datetime, size: int) -> dict[str, list[str]]:
        """Return the most frequent values of each segment label of a model's predictions in [start, end)."""
        if not self._settings.segments:
            return {}
        filters = [{"term": {"model.name": model}}, within(Interval(start, end))]
        aggs = {
            label: {"terms": {"field": f"labels.{label}", "size": size, "order": [{"_count": "desc"}, {"_key": "asc"}]}}
            for label in self._settings.segments
        }
        body = {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": filters}}, "aggs": aggs}
        answer = self._gateway.search(PREDICTIONS.alias, body).get("aggregations", {})
        return {label: [bucket["key"] for bucket in answer[label]["buckets"]] for label in answer}

    def scores(self, model: str, start: datetime, end: datetime) -> Histogram:
        """Return the score histogram of a model's predictions in [start, end)."""
        filters = [{"term": {"model.name": model}}, within(Interval(start, end))]
        body = {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": filters}}, "aggs": counting.scores()}
        answer = self._gateway.search(PREDICTIONS.alias, body)
        return counting.binned(answer["aggregations"], "scores") if "aggregations" in answer else Histogram.of({})

    def count(
        self,
        model: str,
        windows: Sequence[Window],
        segments: Sequence[Segment],
        now: datetime,
        refined: RefinedBins = NO_REFINED_BINS,
    ) -> dict[Window, States]:
        """Return the state of every version and segment of base windows, by (version, segment)."""
        found: dict[Window, States] = {}
        for first in range(0, len(windows), SEARCHES_AT_ONCE):
            some = windows[first : first + SEARCHES_AT_ONCE]
            bodies = [counting.body(model, each, segments, self._settings, now, refined=refined) for each in some]
            searches = [(PREDICTIONS.index_for(window.start), body) for window, body in zip(some, bodies, strict=True)]
            for window, answer in zip(some, self._gateway.msearch(searches, tolerate=TOO_MANY_BUCKETS), strict=True):
                if "error" in answer or ("aggregations" in answer and not counting.complete(answer)):
                    found[window] = self._count_in_pieces(model, window, segments, now, refined)
                elif "aggregations" in answer:
                    found[window] = counting.states(counting.counted(answer, segments, window, refined))
                else:
                    found[window] = {}
        orphans, errors = self._orphans(model, windows, now), self._errors(model, windows)
        self._add_ranks(model, found, segments, now)
        for window in windows:
            _add(found[window], orphans.get(window, {}), errors.get(window, {}))
        return found

    def _add_ranks(self, model: str, found: dict[Window, States], segments: Sequence[Segment], now: datetime) -> None:
        """Add what the ranking metrics need to the windows that have a click among ranked items."""
        windows = [
            window
            for window, states in found.items()
            if any(state.positives and REQUESTS in state.counts for state in states.values())
        ]
        kept = label_values_of(segments)
        for window, items in self._clicked_items(model, windows, now):
            for name, clicks in ranks.clicked_ranks(items, kept).items():
                # A click that came in between the two searches is counted with the next change.
                if name in found[window]:
                    found[window][name] = ranks.with_ranks(found[window][name], clicks)

    def _clicked_items(
        self, model: str, windows: Sequence[Window], now: datetime
    ) -> Iterator[tuple[Window, list[Mapping[str, Any]]]]:
        for first in range(0, len(windows), SEARCHES_AT_ONCE):
            some = windows[first : first + SEARCHES_AT_ONCE]
            searches = [
                (PREDICTIONS.index_for(window.start), ranks.body(model, window, self._settings, now)) for window in some
            ]
            pages = [(index, {**body, "size": ITEMS_PAGE, "track_total_hits": False}) for index, body in searches]
            for window, (index, body), answer in zip(some, searches, self._gateway.msearch(pages), strict=True):
                hits: Iterable[Mapping[str, Any]] = answer["hits"]["hits"]
                if len(answer["hits"]["hits"]) == ITEMS_PAGE:
                    hits = self._gateway.scan(index, body, ITEMS_PAGE)
                yield window, [hit["fields"] for hit in hits]

    def _count_in_pieces(
        self, model: str, window: Window, segments: Sequence[Segment], now: datetime, refined: RefinedBins
    ) -> States:
        """Count a window of very many versions or values one version and one segment at a time."""
        found: list[counting.Counted] = []
        index = PREDICTIONS.index_for(window.start)
        for version in self._versions(model, window):
            for segment in segments:
                body = counting.body(model, window, [segment], self._settings, now, version, refined)
                found += counting.counted(self._gateway.search(index, body), [segment], window, refined)
        return counting.states(found)

    def _versions(self, model: str, window: Window) -> list[str]:
        filters = [{"term": {"model.name": model}}, within(window)]
        composite: dict[str, Any] = {
            "size": COMPOSITE_PAGE,
            "sources": [{"version": {"terms": {"field": "model.version"}}}],
        }
        found: list[str] = []
        while True:
            body = {"size": 0, "query": {"bool": {"filter": filters}}, "aggs": {"versions": {"composite": composite}}}
            answer = self._gateway.search(PREDICTIONS.index_for(window.start), body)["aggregations"]["versions"]
            found += [bucket["key"]["version"] for bucket in answer["buckets"]]
            if "after_key" not in answer:
                return found
            composite["after"] = answer["after_key"]

    def _errors(self, model: str, windows: Sequence[Window]) -> dict[Window, dict[str, int]]:
        return self._by_version(ERRORS.alias, "@timestamp", [{"term": {"model.name": model}}], windows)

    def _orphans(self, model: str, windows: Sequence[Window], now: datetime) -> dict[Window, dict[str, int]]:
        # Those that will be marked at the end of this cycle count already.
        lost = [{"term": {"feedback.status": STATUS_ORPHAN}}, overdue_filter(now, self._settings.orphan_horizon)]
        filters: list[dict[str, Any]] = [{"term": {"model.name": model}}, {"bool": {"should": lost}}]
        return self._by_version(FEEDBACK.alias, "prediction.timestamp", filters, windows)

    def _by_version(
        self, index: str, time: str, filters: Sequence[Mapping[str, Any]], windows: Sequence[Window]
    ) -> dict[Window, dict[str, int]]:
        versions = {"versions": {"terms": {"field": "model.version", "size": counting.MAX_VERSIONS}}}
        names = {str(number): within(window, time) for number, window in enumerate(windows)}
        whole = within(Interval(windows[0].start, windows[-1].end), time)
        body = {
            "size": 0,
            "track_total_hits": False,
            "query": {"bool": {"filter": [*filters, whole]}},
            "aggs": {"windows": {"filters": {"filters": names}, "aggs": versions}},
        }
        answer = self._gateway.search(index, body).get("aggregations")
        if not answer:
            return {}
        buckets = answer["windows"]["buckets"]
        return {
            window: {each["key"]: each["doc_count"] for each in buckets[str(number)]["versions"]["buckets"]}
            for number, window in enumerate(windows)
        }


def not_final() -> dict[str, Any]:
    """Return the filter for the documents, over all versions and segments, that are not final."""
    return {
        "bool": {
            "filter": [
                {"terms": {"state": list(NOT_FINAL_STATES)}},
                {"term": {"model_version": ALL_VERSIONS}},
                {"term": {"segment": ALL_SEGMENT}},
            ]
        }
    }


def with_lost_lines() -> dict[str, Any]:
    """Return the filter for the documents, over all versions and segments, that tell of lost lines."""
    return {
        "bool": {
            "filter": [
                {"range": {"lost_lines": {"gt": 0}}},
                {"term": {"model_version": ALL_VERSIONS}},
                {"term": {"segment": ALL_SEGMENT}},
            ]
        }
    }


def _add(states: States, orphans: Mapping[str, int], errors: Mapping[str, int]) -> None:
    for version in orphans.keys() | errors.keys():
        key = (version, ALL_SEGMENT)
        states[key] = counting.with_feedback_and_errors(
            states.get(key, WindowState()), orphans.get(version, 0), errors.get(version, 0)
        )
