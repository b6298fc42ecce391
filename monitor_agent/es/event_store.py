"""Predictions, errors and orphans in Elasticsearch as counts: by day and hour, and the states of windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitor_agent.contracts.feedback import FEEDBACK, STATUS_ORPHAN
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.es.feedback_store import WAITING, new_filter, overdue_filter, predicted_filter
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.kind_store import add_kinds
from monitor_agent.es.performance_store import LOST_LINES_FILTERS
from monitor_agent.es.ranked_list_store import RankedListStore
from monitor_agent.es.score_tail_store import SEARCHES_AT_ONCE, TOO_MANY_BUCKETS, add_tails
from monitor_agent.metrics import WindowState
from monitor_agent.metrics.score_histogram import Histogram
from monitor_agent.pipeline import counting, event_counts, instants, kind_counting
from monitor_agent.pipeline.countable import (
    COUNTABLE_BINARY,
    COUNTABLE_ERROR,
    OF_A_VERSION,
    countable,
    counts_by_reason,
    set_aside,
)
from monitor_agent.pipeline.counting import CountRequest, SegmentState
from monitor_agent.pipeline.event_counts import EventCounts
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.instants import Interval, within
from monitor_agent.pipeline.model_scopes import WHOLE_SCOPE, ModelScope
from monitor_agent.pipeline.ranked_lists import with_lists
from monitor_agent.pipeline.segments import disjoint
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

MAX_DAYS = 10_000
COMPOSITE_PAGE = 5_000
DAYS_AT_ONCE = 50

States = dict[tuple[str, str], WindowState]
"""(version, segment) -> state."""


@dataclass(frozen=True)
class WorkSummary:
    """How much work there may be.

    Attributes
    ----------
    documents : index -> number of documents in it, of predictions and errors.
    new : number of feedback documents that no agent has processed.
    waiting : number of feedback documents that wait for their predictions.
    overdue : number of feedback documents that have waited too long for their predictions.
    aged : number of windows that time alone may change.
    with_lost_lines : number of windows whose documents name lost lines.
    superseded : number of metrics documents that name another revision of the settings than the one that decides them.
    """

    documents: dict[str, int]
    new: int
    waiting: int
    overdue: int
    aged: int
    with_lost_lines: int
    superseded: int = 0


@dataclass
class WindowCounts:
    """Numbers of documents by model and base window."""

    predictions: dict[ModelWindow, int] = field(default_factory=dict)
    errors: dict[ModelWindow, int] = field(default_factory=dict)


@dataclass
class DayCounts:
    """Numbers of predictions and errors of some days.

    Attributes
    ----------
    hours : index -> start of an hour -> number of all documents in it.
    set_aside : index -> reason -> number of documents that metrics leave out.
    """

    hours: dict[str, dict[str, int]] = field(default_factory=dict)
    set_aside: dict[str, dict[str, int]] = field(default_factory=dict)


class EventStore:
    """Predictions, errors and orphans as counts.

    Parameters
    ----------
    scopes : records the models with events whose time has no window.
    model_scope : the models and times whose windows are counted.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: AgentSettings,
        calendar: Calendar,
        scopes: FailureScopes | None = None,
        model_scope: ModelScope = WHOLE_SCOPE,
    ) -> None:
        self._scopes = scopes or FailureScopes()
        self._model_scope = model_scope
        self._gateway = gateway
        self._settings = settings
        self._calendar = calendar
        self._lists = RankedListStore(gateway, settings, calendar)

    def work_summary(
        self, overdue: Mapping[str, Any], aged: Mapping[str, Any], superseded: Sequence[Mapping[str, Any]] = ()
    ) -> WorkSummary:
        """Return how much work there may be, by one request whose cost does not grow with the history.

        Parameters
        ----------
        overdue : the query for feedback that has waited too long.
        aged : the query for the documents of windows that time alone may change.
        superseded : filters for metrics documents that name another revision than the one that decides them; empty =
            there can be none.
        """
        days = {"terms": {"field": "_index", "size": MAX_DAYS}}
        total = {"size": 0, "track_total_hits": True}
        index = f"{PREDICTIONS.alias},{ERRORS.alias}"
        responses = self._gateway.msearch(
            [
                (index, {"size": 0, "track_total_hits": False, "aggs": {"days": days}}),
                (FEEDBACK.alias, {**total, "query": new_filter()}),
                (FEEDBACK.alias, {**total, "query": WAITING}),
                (FEEDBACK.alias, {**total, "query": overdue}),
                (PERFORMANCE.alias, {**total, "query": aged}),
                (PERFORMANCE.alias, {**total, "query": {"bool": {"filter": LOST_LINES_FILTERS}}}),
                *([(PERFORMANCE.alias, {**total, "query": {"bool": {"filter": superseded}}})] if superseded else []),
            ]
        )
        buckets = responses[0].get("aggregations", {}).get("days", {}).get("buckets", [])
        totals = [response["hits"]["total"]["value"] for response in responses[1:]]
        return WorkSummary({bucket["key"]: bucket["doc_count"] for bucket in buckets}, *totals)

    def day_counts(self, days: Sequence[datetime]) -> DayCounts:
        """Return the numbers of predictions and errors of days (UTC)."""
        hours = {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h", "min_doc_count": 1}}
        searches: list[tuple[str, dict[str, Any]]] = []
        for contract in (PREDICTIONS, ERRORS):
            # The query bounds the histogram; `global` leaves the bound again.
            everything = {"everything": {"global": {}, "aggs": {"set_aside": set_aside(contract, self._settings.kind)}}}
            body = {
                "size": 0,
                "track_total_hits": False,
                "query": instants.in_calendar(),
                "aggs": {"hours": hours, **everything},
            }
            searches += [(contract.index_for(day), body) for day in days]
        counts = DayCounts()
        for first in range(0, len(searches), DAYS_AT_ONCE):
            batch = searches[first : first + DAYS_AT_ONCE]
            for (index, _), response in zip(batch, self._gateway.msearch(batch), strict=True):
                aggregations = response.get("aggregations", {"hours": {"buckets": []}})
                counts.hours[index] = {}
                for hour in aggregations["hours"]["buckets"]:
                    with self._scopes.step(f"the count of the hours of {index}"):
                        start = instants.parse(hour["key"])
                        self._calendar.base_window(start)  # raises an error if no window can hold the hour
                        counts.hours[index][instants.text(start)] = hour["doc_count"]
                if "everything" in aggregations:
                    counts.set_aside[index] = counts_by_reason(aggregations["everything"]["set_aside"])
        return counts

    def window_counts(self, day: datetime, interval: Interval | None = None) -> WindowCounts:
        """Return the numbers of countable predictions and errors in each base window of a day (UTC).

        Parameters
        ----------
        interval : only events in it are counted; None = all events of the day are.
        """
        return WindowCounts(dict(self._counts(PREDICTIONS, day, interval)), dict(self._counts(ERRORS, day, interval)))

    def _counts(
        self, contract: IndexContract, day: datetime, interval: Interval | None
    ) -> Iterator[tuple[ModelWindow, int]]:
        fixed_interval = f"{self._settings.base_window // instants.MILLISECOND}ms"
        sources: list[dict[str, Any]] = [
            {"model": {"terms": {"field": "model.name"}}},
            {"window": {"date_histogram": {"field": "@timestamp", "fixed_interval": fixed_interval}}},
        ]
        filters = [countable(contract, self._settings.kind), *([within(interval)] if interval else [])]
        query = {"bool": {"filter": [*filters, *self._model_scope.filters("model.name")]}}
        for bucket in self._composite_buckets(contract.index_for(day), query, sources):
            window: Window | None = None
            with self._scopes.model(bucket["key"]["model"]):
                window = self._calendar.base_window(instants.parse(bucket["key"]["window"]))
            if window is not None:
                yield ModelWindow(bucket["key"]["model"], window), bucket["doc_count"]

    def _composite_buckets(
        self, index: str, query: Mapping[str, Any], sources: Sequence[Mapping[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """Yield all buckets of a composite aggregation, by as many requests as it takes."""
        composite: dict[str, Any] = {"size": COMPOSITE_PAGE, "sources": sources}
        while True:
            body = {"size": 0, "track_total_hits": False, "query": query, "aggs": {"pages": {"composite": composite}}}
            page = self._gateway.search(index, body).get("aggregations", {}).get("pages", {"buckets": []})
            yield from page["buckets"]
            if "after_key" not in page:
                return
            composite["after"] = page["after_key"]

    def label_values(self, model: str, interval: Interval, size: int) -> dict[str, list[str]]:
        """Return the most frequent values of each segment label of a model's predictions in an interval.

        The values that only errors have come last: so a segment whose requests all fail is seen too.

        Parameters
        ----------
        size : the greatest number of values of a label.
        """
        if not self._settings.segments:
            return {}
        aggs = {
            label: {"terms": {"field": f"labels.{label}", "size": size, "order": [{"_count": "desc"}, {"_key": "asc"}]}}
            for label in self._settings.segments
        }
        values: dict[str, list[str]] = {label: [] for label in aggs}
        searches = [
            (contract.alias, _search_of_model(model, interval, countable(contract, self._settings.kind), aggs))
            for contract in (PREDICTIONS, ERRORS)
        ]
        for response in self._gateway.msearch(searches):
            for label, aggregation in response.get("aggregations", {}).items():
                keys = [bucket["key"] for bucket in aggregation["buckets"]]
                values[label] += [key for key in keys if key not in values[label]]
        return values

    def scores(self, model: str, interval: Interval) -> Histogram:
        """Return the score histogram of a model's predictions in an interval."""
        body = _search_of_model(model, interval, COUNTABLE_BINARY, counting.scores())
        aggregations = self._gateway.search(PREDICTIONS.alias, body).get("aggregations")
        return counting.binned(aggregations, "scores") if aggregations else Histogram.of({})

    def kinds_and_classes(self, model: str, interval: Interval) -> tuple[list[str], list[str]]:
        """Return the kinds of a model's predictions in an interval besides `binary`, and their frequent classes."""
        rule = {"bool": {"filter": [countable(PREDICTIONS, self._settings.kind)], "must_not": [COUNTABLE_BINARY]}}
        body = _search_of_model(model, interval, rule, kind_counting.kinds_and_classes())
        aggregations = self._gateway.search(PREDICTIONS.alias, body).get("aggregations")
        if not aggregations:
            return [], []
        return kind_counting.kinds_of(aggregations), kind_counting.classes_of(aggregations)

    def count(self, request: CountRequest, windows: Sequence[Window]) -> dict[Window, States]:
        """Return the state of every version and segment of base windows."""
        counted: dict[Window, list[SegmentState]] = {}
        counted_apart: dict[Window, list[SegmentState]] = {}
        apart = replace(request, segments=disjoint(request.segments))
        with_lists_in: list[Window] = []
        for first in range(0, len(windows), SEARCHES_AT_ONCE):
            batch = windows[first : first + SEARCHES_AT_ONCE]
            searches = [
                (PREDICTIONS.index_for(window.start), counting.body(request, window, self._settings))
                for window in batch
            ]
            responses = self._gateway.msearch(searches, tolerate=TOO_MANY_BUCKETS)
            for window, response in zip(batch, responses, strict=True):
                if "error" in response or ("aggregations" in response and not counting.is_exact(response, request)):
                    counted_apart[window] = self._count_in_pieces(apart, window)
                elif "aggregations" in response:
                    counted[window] = counting.segment_states(response, request, window)
                else:
                    counted[window] = []
                if "error" in response or ("aggregations" in response and counting.has_lists(response)):
                    with_lists_in.append(window)
        add_tails(self._gateway, request, self._settings, counted)
        add_tails(self._gateway, apart, self._settings, counted_apart)
        counts = {window: counting.states(entries) for window, entries in (counted | counted_apart).items()}
        add_kinds(self._gateway, request, self._settings, counts)
        orphans, errors = self._orphans(request, windows), self._errors(request, windows)
        self._add_lists(request, counts, with_lists_in)
        for window in windows:
            _add_orphans_and_errors(counts[window], orphans.get(window, {}), errors.get(window, {}))
        return counts

    def _add_lists(self, request: CountRequest, counts: dict[Window, States], windows: Sequence[Window]) -> None:
        """Add what clicks tell about the ranked lists of windows."""
        for window, groups in self._lists.counts(request, windows).items():
            states = counts[window]
            for name, lists in groups.items():
                # A prediction that came in between the two searches is counted with the next change.
                if name in states:
                    states[name] = with_lists(states[name], lists)

    def linked_windows(self, model_windows: Iterable[ModelWindow], now: datetime) -> set[ModelWindow]:
        """Return the windows that own ranked lists with items in these windows, or have owned them before."""
        return self._lists.linked(model_windows, now)

    def _count_in_pieces(self, request: CountRequest, window: Window) -> list[SegmentState]:
        """Count a window of very many versions or values: one version and one segment at a time."""
        counted: list[SegmentState] = []
        index = PREDICTIONS.index_for(window.start)
        for version in self._versions(request.model, window):
            for segment in request.segments:
                piece = replace(request, segments=[segment])
                response = self._gateway.search(index, counting.body(piece, window, self._settings, version))
                counted += counting.segment_states(response, piece, window)
        return counted

    def _versions(self, model: str, window: Window) -> list[str]:
        query = {"bool": {"filter": [{"term": {"model.name": model}}, within(window), COUNTABLE_BINARY]}}
        sources = [{"version": {"terms": {"field": "model.version"}}}]
        buckets = self._composite_buckets(PREDICTIONS.index_for(window.start), query, sources)
        return [bucket["key"]["version"] for bucket in buckets]

    def _errors(self, request: CountRequest, windows: Sequence[Window]) -> dict[Window, EventCounts]:
        """Return the errors of windows, and those of each segment whose label value they carry."""
        filters = [{"term": {"model.name": request.model}}, COUNTABLE_ERROR]
        response = self._gateway.search(ERRORS.alias, event_counts.body(filters, windows, within))
        counts = event_counts.counts(response, windows, ALL_SEGMENT)
        named = [segment for segment in request.segments if segment.name]
        if not counts or not named:
            return counts
        with_errors = list(counts)
        # One search for each segment: one for all of them could make too many buckets.
        searches = [
            (ERRORS.alias, event_counts.body([*filters, segment.query], with_errors, within)) for segment in named
        ]
        for segment, response in zip(named, self._gateway.msearch(searches), strict=True):
            for window, of_segment in event_counts.counts(response, with_errors, segment.name).items():
                counts[window] |= of_segment
        return counts

    def _orphans(self, request: CountRequest, windows: Sequence[Window]) -> dict[Window, EventCounts]:
        # Feedback that becomes an orphan at the end of this cycle counts already.
        overdue = overdue_filter(request.now, self._settings.orphan_horizon)
        filters: list[dict[str, Any]] = [
            {"term": {"model.name": request.model}},
            {"bool": {"should": [{"term": {"feedback.status": STATUS_ORPHAN}}, overdue]}},
            OF_A_VERSION,
        ]

        def of_predictions(interval: Interval) -> dict[str, Any]:
            return predicted_filter(gte=interval.start, lt=interval.end)

        body = event_counts.body(filters, windows, of_predictions)
        return event_counts.counts(self._gateway.search(FEEDBACK.alias, body), windows, ALL_SEGMENT)


def _add_orphans_and_errors(states: States, orphans: EventCounts, errors: EventCounts) -> None:
    for key in orphans.keys() | errors.keys():
        state = states.get(key, WindowState())
        states[key] = replace(state, orphan=orphans.get(key, 0), errors=errors.get(key, 0))


def _search_of_model(
    model: str, interval: Interval, rule: Mapping[str, Any], aggs: Mapping[str, Any]
) -> dict[str, Any]:
    filters = [{"term": {"model.name": model}}, within(interval), rule]
    return {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": filters}}, "aggs": aggs}
