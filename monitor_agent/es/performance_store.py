"""Metrics documents in Elasticsearch: read with their states, written only where their content differs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from monitor_agent.contracts.performance import ALL_SEGMENT, ALL_VERSIONS, PERFORMANCE
from monitor_agent.es.event_store import not_final, with_lost_lines
from monitor_agent.es.gateway import Gateway, Operation
from monitor_agent.es.retry import ResponseAction
from monitor_agent.metrics import WindowState, weekly
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import Document, Key, PlannedWrite
from monitor_agent.pipeline.stale_windows import StoredWindow
from monitor_agent.pipeline.windows import Calendar, Window

Stored = dict[Key, Document]

DECODED_CHARACTERS = 4_000_000
"""Text of states that are kept decoded: some 20 MiB."""

_SUMMARY = ["window_start", "window_size", "model_name", "state", "maturity", "predictions", "errors", "lost_lines"]


class Decoded:
    """States read lately: most of a larger window's parts have not changed since it was merged last."""

    def __init__(self, most: int = DECODED_CHARACTERS) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[str, WindowState] = OrderedDict()

    def states(self, blobs: Sequence[str]) -> list[WindowState]:
        """Return the states of stored texts."""
        new = [blob for blob in dict.fromkeys(blobs) if blob not in self._kept]
        self._kept.update(zip(new, WindowState.from_blobs(new), strict=True))
        self._size += sum(map(len, new))
        found = []
        for blob in blobs:
            self._kept.move_to_end(blob)
            found.append(self._kept[blob])
        while self._size > self._most:
            self._size -= len(self._kept.popitem(last=False)[0])
        return found


class PerformanceStore:
    """Metrics documents."""

    def __init__(self, gateway: Gateway, calendar: Calendar, page_size: int) -> None:
        self._gateway = gateway
        self._calendar = calendar
        self._page_size = page_size
        self._decoded = Decoded()

    def forget_states(self) -> None:
        """Let go of the states that are kept decoded."""
        self._decoded = Decoded()

    def not_final(self) -> list[StoredWindow]:
        """Return the windows that are not final, all sizes."""
        return list(self._summaries(not_final()["bool"]["filter"]))

    def with_lost_lines(self) -> list[StoredWindow]:
        """Return the windows that tell of lost lines, all sizes."""
        return list(self._summaries(with_lost_lines()["bool"]["filter"]))

    def summaries(self, start: datetime, end: datetime, sizes: Sequence[str] = ()) -> list[StoredWindow]:
        """Return the windows that begin in [start, end), of some sizes or all, over all versions and segments."""
        filters = [
            instants.range_filter("@timestamp", gte=start, lt=end),
            {"terms": {"window_size": list(sizes or self._calendar.names)}},
            {"term": {"model_version": ALL_VERSIONS}},
            {"term": {"segment": ALL_SEGMENT}},
        ]
        return list(self._summaries(filters))

    def _summaries(self, filters: Sequence[Mapping[str, Any]]) -> Iterator[StoredWindow]:
        body = {"query": {"bool": {"filter": filters}}, "_source": _SUMMARY}
        for hit in self._gateway.scan(PERFORMANCE.alias, body, self._page_size):
            source = hit["_source"]
            if source["window_size"] in self._calendar.names:
                yield StoredWindow(
                    source["model_name"],
                    self._window(source),
                    source["state"],
                    source["maturity"],
                    source["predictions"],
                    source["errors"],
                    source.get("lost_lines", 0),
                )

    def read(self, model: str, windows: Sequence[Window]) -> Stored:
        """Return the stored documents of windows of one size, every version and segment."""
        return self._documents(model, windows, True)

    def _documents(self, model: str, windows: Sequence[Window], source: Sequence[str] | bool) -> Stored:
        starts = [instants.milliseconds(window.start) for window in windows]
        filters = [
            {"term": {"model_name": model}},
            {"term": {"window_size": windows[0].size}},
            {"terms": {"@timestamp": starts}},
        ]
        body = {"query": {"bool": {"filter": filters}}, "_source": source}
        found: Stored = {}
        for hit in self._gateway.scan(PERFORMANCE.alias, body, self._page_size):
            found[self._key(hit["_source"])] = hit["_source"]
        return found

    def last_week(self, model: str, windows: Sequence[Window]) -> dict[Key, Document]:
        """Return what is compared of documents of windows of one size, every version and segment."""
        source = ["window_start", "window_size", "model_name", "model_version", "segment", *weekly.read_fields()]
        return self._documents(model, windows, source)

    def stored_states(self, keys: Sequence[Key]) -> dict[Key, str]:
        """Return the states (`open`, ...) of those documents that exist."""
        docs = self._gateway.mget([(key.index, key.id) for key in keys], ["state"])
        found = {doc["_id"]: doc["_source"]["state"] for doc in docs}
        return {key: found[key.id] for key in keys if key.id in found}

    def states(self, model: str, size: str, start: datetime, end: datetime) -> Iterator[tuple[Key, WindowState]]:
        """Yield the states of all windows of one size that begin in [start, end), every single version and segment."""
        filters = [
            {"term": {"model_name": model}},
            {"term": {"window_size": size}},
            instants.range_filter("@timestamp", gte=start, lt=end),
        ]
        source = ["window_start", "window_size", "model_name", "model_version", "segment", "state_blob"]
        # Those over all versions are merged from the versions, like everywhere.
        query = {"bool": {"filter": filters, "must_not": [{"term": {"model_version": ALL_VERSIONS}}]}}
        body = {"query": query, "_source": source}
        hits = self._gateway.scan(PERFORMANCE.alias, body, self._page_size)
        while page := [hit["_source"] for hit in islice(hits, self._page_size)]:
            states = self._decoded.states([source["state_blob"] for source in page])
            yield from ((self._key(source), state) for source, state in zip(page, states, strict=True))

    def write(self, writes: Sequence[PlannedWrite]) -> list[PlannedWrite]:
        """Write documents and return those that another agent has written in the meantime."""
        # What a document said before is kept before it says something else.
        self._gateway.bulk(
            Operation("create", each.index, each.id, each.document) for each in writes if each.version is None
        )
        documents = [each for each in writes if each.version is not None]
        results = self._gateway.bulk(
            Operation(
                "index", each.index, each.id, each.document, {"version": each.version, "version_type": "external"}
            )
            for each in documents
        )
        return [each for each, result in zip(documents, results, strict=True) if result is ResponseAction.CONFLICT]

    def refresh(self, writes: Iterable[PlannedWrite]) -> None:
        """Make written documents visible to searches."""
        self._gateway.refresh(each.index for each in writes if each.version is not None)

    def _key(self, source: Mapping[str, Any]) -> Key:
        return Key(source["model_name"], source["model_version"], source["segment"], self._window(source))

    def _window(self, source: Mapping[str, Any]) -> Window:
        return self._calendar.window(source["window_size"], instants.parse(source["window_start"]))
