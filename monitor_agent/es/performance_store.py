"""Metrics documents in Elasticsearch: read with their states, written only if their content differs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE, STATE_OPEN, STATE_PROVISIONAL
from monitor_agent.es.damaged_documents import model_of, reading
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.es.retry import ResponseAction
from monitor_agent.metrics import WindowState, weekly
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import Document, MetricsKey, PlannedWrite
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.finality import NOT_FINAL_STATES, closed_windows, is_past_restatement
from monitor_agent.pipeline.instants import Interval, range_filter, within
from monitor_agent.pipeline.model_scopes import WHOLE_SCOPE, ModelScope
from monitor_agent.pipeline.stale_windows import ModelWindow, StoredWindow, enclosing_windows
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

StoredDocuments = dict[MetricsKey, Document]

DECODED_CHARACTERS = 4_000_000
"""Length of the texts whose states stay decoded: some 20 MiB."""

_OVER_ALL = [{"term": {"model_version": ALL_VERSIONS}}, {"term": {"segment": ALL_SEGMENT}}]
LOST_LINES_FILTERS: list[dict[str, Any]] = [{"range": {"lost_lines": {"gt": 0}}}, *_OVER_ALL]
"""Filters for the documents, over all versions and segments, that name lost lines."""

_KEY_FIELDS = ["window_start", "window_size", "model_name", "model_version", "segment"]
_WINDOW_FIELDS = [
    "window_start",
    "window_size",
    "model_name",
    "state",
    "maturity",
    "predictions",
    "errors",
    "lost_lines",
]


def aged_filters(settings: AgentSettings, now: datetime, model_scope: ModelScope = WHOLE_SCOPE) -> list[dict[str, Any]]:
    """Return the filters for the documents, over all versions and segments, of windows that time alone may change.

    Windows that only wait for the end of their attribution window are not among them: it may last for weeks.
    """
    attribution, grace = settings.attribution_window, settings.ingest_grace
    maturing = {
        "filter": [
            {"terms": {"state": list(NOT_FINAL_STATES)}},
            range_filter("window_start", lte=now - attribution),
        ],
        "must_not": [{"range": {"maturity": {"gte": 1.0}}}],
    }
    ended = [{"term": {"state": STATE_OPEN}}, range_filter("window_end", lte=now)]
    decided = [{"term": {"state": STATE_PROVISIONAL}}, range_filter("window_end", lte=now - attribution - grace)]
    cases: list[dict[str, Any]] = [maturing, {"filter": ended}, {"filter": decided}]
    aged = {"bool": {"should": [{"bool": case} for case in cases], "minimum_should_match": 1}}
    return [aged, *_OVER_ALL, *model_scope.filters("model_name")]


class StateCache:
    """States that were decoded lately: most components of a larger window are the same when it is merged again.

    Parameters
    ----------
    capacity : total length of the texts whose states are in the cache, characters.
    """

    def __init__(self, capacity: int = DECODED_CHARACTERS) -> None:
        self._capacity = capacity
        self._size = 0
        self._states: OrderedDict[str, WindowState] = OrderedDict()

    def states(self, blobs: Sequence[str]) -> list[WindowState]:
        """Return the states of stored texts."""
        new = [blob for blob in dict.fromkeys(blobs) if blob not in self._states]
        self._states.update(zip(new, WindowState.from_blobs(new), strict=True))
        self._size += sum(map(len, new))
        decoded = []
        for blob in blobs:
            self._states.move_to_end(blob)
            decoded.append(self._states[blob])
        while self._size > self._capacity:
            self._size -= len(self._states.popitem(last=False)[0])
        return decoded


class PerformanceStore:
    """Metrics documents.

    Parameters
    ----------
    scopes : records the models whose documents cannot be read.
    model_scope : the models and times whose windows are read.
    """

    def __init__(
        self,
        gateway: Gateway,
        calendar: Calendar,
        page_size: int,
        scopes: FailureScopes | None = None,
        model_scope: ModelScope = WHOLE_SCOPE,
    ) -> None:
        self._model_scope = model_scope
        self._gateway = gateway
        self._calendar = calendar
        self._page_size = page_size
        self._scopes = scopes or FailureScopes()
        self._cache = StateCache()

    def clear_cache(self) -> None:
        """Release the memory of decoded states."""
        self._cache = StateCache()

    def aged(self, settings: AgentSettings, now: datetime) -> list[StoredWindow]:
        """Return the windows of all sizes that time alone may change."""
        return list(self._windows(aged_filters(settings, now, self._model_scope)))

    def with_lost_lines(self) -> list[StoredWindow]:
        """Return the windows of all sizes whose documents name lost lines."""
        return list(self._windows(LOST_LINES_FILTERS))

    def windows(self, interval: Interval, sizes: Sequence[str] = ()) -> list[StoredWindow]:
        """Return the windows that begin in an interval, over all versions and segments.

        Parameters
        ----------
        sizes : the sizes of the windows; empty = all sizes.
        """
        of_sizes = {"terms": {"window_size": list(sizes or self._calendar.names)}}
        return list(self._windows([within(interval), of_sizes, *_OVER_ALL]))

    def _windows(self, filters: Sequence[Mapping[str, Any]]) -> Iterator[StoredWindow]:
        body = {"query": {"bool": {"filter": filters}}, "_source": _WINDOW_FIELDS}
        for hit in self._gateway.scan(PERFORMANCE.alias, body, self._page_size):
            row = None
            with self._scopes.model(model_of(hit)), reading(hit):
                row = self._stored_window(hit["_source"])
            if row is not None and self._model_scope.includes(row.model_window):
                yield row

    def _stored_window(self, source: Mapping[str, Any]) -> StoredWindow | None:
        if source["window_size"] not in self._calendar.names:
            return None
        return StoredWindow(
            str(source["model_name"]),
            self._window(source),
            str(source["state"]),
            None if source["maturity"] is None else float(source["maturity"]),
            int(source["predictions"]),
            int(source["errors"]),
            int(source.get("lost_lines", 0)),
        )

    def read(self, model: str, windows: Sequence[Window]) -> StoredDocuments:
        """Return the stored documents of windows of one size, all versions and segments.

        If somebody else has written a document, its version is ahead of its revision, and the next revision follows it.
        """
        return self._documents(model, windows, True)

    def _documents(self, model: str, windows: Sequence[Window], source: Sequence[str] | bool) -> StoredDocuments:
        starts = [instants.milliseconds(window.start) for window in windows]
        filters = [
            {"term": {"model_name": model}},
            {"term": {"window_size": windows[0].size}},
            {"terms": {"@timestamp": starts}},
        ]
        body = {"query": {"bool": {"filter": filters}}, "_source": source, "version": True}
        documents: StoredDocuments = {}
        for hit in self._gateway.scan(PERFORMANCE.alias, body, self._page_size):
            with reading(hit):
                document = hit["_source"]
                if "revision" in document:
                    document["revision"] = max(document["revision"], hit["_version"])
                documents[self._key(document)] = document
        return documents

    def last_week(self, model: str, windows: Sequence[Window]) -> StoredDocuments:
        """Return the fields for comparisons with later windows: windows of one size, all versions and segments."""
        return self._documents(model, windows, [*_KEY_FIELDS, *weekly.read_fields()])

    def time_states(self, keys: Sequence[MetricsKey]) -> dict[MetricsKey, str]:
        """Return `open`, `provisional`, `final` or `restated` for the keys whose documents exist."""
        docs = self._gateway.mget([(key.index, key.id) for key in keys], ["state"])
        by_id = {doc["_id"]: str(doc["_source"].get("state")) for doc in docs}
        return {key: by_id[key.id] for key in keys if key.id in by_id}

    def closed(self, model_windows: Iterable[ModelWindow], now: datetime) -> set[ModelWindow]:
        """Return the windows that have been final for longer than the restatement limit."""
        past = {row for row in model_windows if is_past_restatement(row.window, self._calendar, now)}
        keys = [
            MetricsKey(model, ALL_VERSIONS, ALL_SEGMENT, window)
            for model, window in past | enclosing_windows(past, self._calendar)
        ]
        states = {ModelWindow(key.model, key.window): state for key, state in self.time_states(keys).items()}
        return closed_windows(past, states, self._calendar, now)

    def has_counted(self, model: str, interval: Interval) -> bool:
        """Return whether a window that lies in an interval as a whole counts predictions of a model."""
        filters = [
            {"term": {"model_name": model}},
            {"range": {"predictions": {"gt": 0}}},
            *_OVER_ALL,
            range_filter("window_start", gte=interval.start),
            range_filter("window_end", lte=interval.end),
        ]
        body = {"size": 0, "track_total_hits": 1, "query": {"bool": {"filter": filters}}}
        return bool(self._gateway.search(PERFORMANCE.alias, body)["hits"]["total"]["value"])

    def states(self, model: str, size: str, interval: Interval) -> Iterator[tuple[MetricsKey, WindowState]]:
        """Yield the states of the windows of one size that begin in an interval, for each version and segment."""
        filters = [{"term": {"model_name": model}}, {"term": {"window_size": size}}, within(interval)]
        # States over all versions are always merged from those of the versions.
        query = {"bool": {"filter": filters, "must_not": [{"term": {"model_version": ALL_VERSIONS}}]}}
        body = {"query": query, "_source": [*_KEY_FIELDS, "state_blob"]}
        hits = self._gateway.scan(PERFORMANCE.alias, body, self._page_size)
        while page := list(islice(hits, self._page_size)):
            keys = []
            for hit in page:
                with reading(hit):
                    keys.append((self._key(hit["_source"]), hit["_source"]["state_blob"]))
            yield from zip((key for key, _ in keys), self._decoded(page, [blob for _, blob in keys]), strict=True)

    def _decoded(self, page: Sequence[Mapping[str, Any]], blobs: Sequence[str]) -> list[WindowState]:
        try:
            return self._cache.states(blobs)
        except Exception:
            for hit, blob in zip(page, blobs, strict=True):
                with reading(hit):
                    WindowState.from_blob(blob)
            raise

    def write(self, writes: Sequence[PlannedWrite]) -> list[PlannedWrite]:
        """Write documents and return those that another agent has written in the meantime."""
        # The former content of a final document is stored before the document is written again.
        self._gateway.bulk(
            Operation("create", write.index, write.id, write.document) for write in writes if write.version is None
        )
        versioned = [write for write in writes if write.version is not None]
        results = self._gateway.bulk(
            Operation(
                "index", write.index, write.id, write.document, {"version": write.version, "version_type": "external"}
            )
            for write in versioned
        )
        return [write for write, result in zip(versioned, results, strict=True) if result is ResponseAction.CONFLICT]

    def refresh(self, writes: Iterable[PlannedWrite]) -> None:
        """Make written documents visible to searches."""
        self._gateway.refresh(write.index for write in writes if write.version is not None)

    def _key(self, source: Mapping[str, Any]) -> MetricsKey:
        return MetricsKey(source["model_name"], source["model_version"], source["segment"], self._window(source))

    def _window(self, source: Mapping[str, Any]) -> Window:
        return self._calendar.window(source["window_size"], instants.parse(source["window_start"]))
