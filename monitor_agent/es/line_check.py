"""The lines of each writer that have arrived in Elasticsearch, and those that never did.

The cost of a check grows with the number of new lines, not with the history.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitor_agent.contracts.bounds import SEQUENCE as SEQUENCES
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.ecs import DATASET_RELEASE
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import DAY
from monitor_agent.pipeline.sequences import Gap, Writer, bounded, narrowed, remembered_writers, with_counts
from monitor_agent.settings import AgentSettings

WRITERS = "writers"
EVENTS = ",".join(contract.alias for contract in (PREDICTIONS, FEEDBACK, ERRORS, RELEASES))
NODE, SEQUENCE, INGESTED, FILE = "service.node.name", "event.sequence", "event.ingested", "log.file.path"

MOST_WRITERS = 1000
MOST_FILES = 1000
MOST_LETTERS = 10_000
FILTERS_AT_ONCE = 500
LEVELS = 8
"""How often gaps of a writer are narrowed in one check."""

_NUMBERED = [
    {"exists": {"field": SEQUENCE}},
    {
        "bool": {
            "must_not": [{"range": {SEQUENCE: {"lt": SEQUENCES.low}}}, {"range": {SEQUENCE: {"gt": SEQUENCES.high}}}]
        }
    },
]
"""The filters for lines whose numbers are within their bounds; the other lines count as not numbered."""
_SEQUENCE_IN_TEXT = re.compile(r'"sequence"\s*:\s*(\d{1,16})(?!\d)')


@dataclass
class MissingLines:
    """The result of a check.

    Attributes
    ----------
    writers : number of writers whose lines arrived since the last check.
    pending : number of missing lines that may still arrive.
    lost : number of lines that are missing for longer than the grace, and are no dead letters.
    gaps : by writer.
    """

    writers: int = 0
    pending: int = 0
    lost: int = 0
    gaps: dict[str, list[Gap]] = field(default_factory=dict)


class LineCheck:
    """Checks the sequence numbers of the writers."""

    def __init__(self, gateway: Gateway, states: StateStore, settings: AgentSettings) -> None:
        self._gateway = gateway
        self._states = states
        self._settings = settings
        self._checked_at: datetime | None = None

    def check(self, now: datetime, settings: AgentSettings | None = None) -> MissingLines:
        """Return which lines are missing; remember what has arrived, so that it is not counted again.

        Parameters
        ----------
        settings : the settings from this check on; None = as before.
        """
        self._settings = settings or self._settings
        (stored,) = self._states.read(WRITERS)
        before = remembered_writers(stored.content)
        newest = self._newest_lines(now)
        limit = self._settings.restatement_limit
        writers = {name: writer for name, writer in before.items() if now - writer.active_at <= limit}
        for name in newest.keys() - writers.keys():
            writers[name] = self._new_writer(name, now)
        after = {**writers, **self._counted(writers, newest, now)}
        content = {name: writer.content() for name, writer in after.items()}
        if content != stored.content:
            self._states.write(stored, content, now)
        self._checked_at = now
        return self._missing_lines(after, len(newest), now)

    def _with_neighbour_times(self, name: str, gap: Gap, now: datetime) -> Gap:
        """Return a lost gap with the times of the lines right before and after it, if these have arrived."""
        if gap.neighbour_times or not gap.is_lost(now, self._settings.ingest_grace):
            return gap
        edges = {"terms": {SEQUENCE: [gap.first - 1, gap.last + 1]}}
        filters = [{"term": {NODE: name}}, edges, instants.in_calendar()]
        body = {"size": 2, "query": {"bool": {"filter": filters}}, "_source": ["@timestamp"], "sort": [SEQUENCE]}
        hits = self._gateway.search(EVENTS, body)["hits"]["hits"]
        return replace(gap, neighbour_times=tuple(instants.parse(hit["_source"]["@timestamp"]) for hit in hits))

    def _newest_lines(self, now: datetime) -> dict[str, int]:
        """Return the writers whose lines arrived since the last check, with the highest number among these lines."""
        since = (self._checked_at or now - self._settings.orphan_horizon) - self._settings.clock_skew
        recent = instants.range_filter(INGESTED, gte=since)
        newest = {"newest": {"max": {"field": SEQUENCE}}}
        writers = {"terms": {"field": NODE, "size": MOST_WRITERS}, "aggs": newest}
        buckets = self._aggregations({"bool": {"filter": [recent, *_NUMBERED]}}, {"writers": writers}).get(
            "writers", {}
        )
        return {
            bucket["key"]: int(bucket["newest"]["value"])
            for bucket in buckets.get("buckets", ())
            if bucket["newest"]["value"] is not None
        }

    def _new_writer(self, name: str, now: datetime) -> Writer:
        """Return a writer that is not stored yet: its first line is 1, unless its first days may have been deleted."""
        oldest = {"filter": instants.in_calendar(), "aggs": {"time": {"min": {"field": "@timestamp"}}}}
        aggs = {"oldest": oldest, "lowest": {"min": {"field": SEQUENCE}}}
        # Events of releases are kept for longer: they do not say that the lines after them are still there.
        releases = {"term": {"event.dataset": DATASET_RELEASE}}
        query = {"bool": {"filter": [{"term": {NODE: name}}, *_NUMBERED], "must_not": [releases]}}
        bounds = self._aggregations(query, aggs)
        time, lowest = bounds["oldest"]["time"]["value"], bounds["lowest"]["value"]
        deleted = time is not None and instants.parse(time) < now - self._settings.retention_events + DAY
        return Writer(int(lowest) - 1 if deleted else 0, now)

    def _counted(self, writers: Mapping[str, Writer], newest: Mapping[str, int], now: datetime) -> dict[str, Writer]:
        """Return the writers that have new lines or gaps, after their lines were counted."""
        last_lines = {
            name: max(writer.upto, newest.get(name, 0))
            for name, writer in writers.items()
            if writer.gaps or name in newest
        }
        ranges = {name: writers[name].uncounted_ranges(last) for name, last in last_lines.items()}
        counts = iter(self._counts([(name, first, last) for name in ranges for first, last in ranges[name]]))
        counted = {}
        for name, last in last_lines.items():
            writer = with_counts(writers[name], last, [next(counts) for _ in ranges[name]], now)
            active_at = now if name in newest else writers[name].active_at
            recent = [gap for gap in writer.gaps if now - gap.since <= self._settings.restatement_limit]
            gaps = [self._with_neighbour_times(name, gap, now) for gap in bounded(self._narrowed(name, recent))]
            counted[name] = replace(writer, active_at=active_at, gaps=tuple(gaps))
        return counted

    def _counts(self, ranges: Sequence[tuple[str, int, int]]) -> list[int]:
        """Return how many lines arrived in each range: writer, first and last line."""
        counts: list[int] = []
        for start in range(0, len(ranges), FILTERS_AT_ONCE):
            batch = ranges[start : start + FILTERS_AT_ONCE]
            filters = {str(number): _lines_filter(*line_range) for number, line_range in enumerate(batch)}
            # Only these lines are read, not all lines that the writers have ever written.
            query = {"bool": {"should": list(filters.values()), "minimum_should_match": 1}}
            aggregations = self._aggregations(query, {"ranges": {"filters": {"filters": filters}}})
            buckets = aggregations["ranges"]["buckets"] if aggregations else {}
            counts += [buckets.get(str(number), {"doc_count": 0})["doc_count"] for number in range(len(batch))]
        return counts

    def _narrowed(self, name: str, gaps: Sequence[Gap]) -> list[Gap]:
        """Return gaps narrowed to the missing lines, as far as a few more requests can."""
        narrow = list(gaps)
        for _ in range(LEVELS):
            rough = next((gap for gap in narrow if not gap.exact), None)
            if rough is None:
                break
            size = rough.bucket_size
            histogram = {"field": SEQUENCE, "interval": size, "offset": rough.first % size, "min_doc_count": 1}
            query = _lines_filter(name, rough.first, rough.last)
            aggregations = self._aggregations(query, {"lines": {"histogram": histogram}})
            buckets = {int(bucket["key"]): bucket["doc_count"] for bucket in aggregations["lines"]["buckets"]}
            narrow.remove(rough)
            narrow += narrowed(rough, buckets)
        return narrow

    def _missing_lines(self, writers: Mapping[str, Writer], active: int, now: datetime) -> MissingLines:
        missing = MissingLines(writers=active)
        for name, writer in writers.items():
            if writer.gaps:
                lost = [gap for gap in writer.gaps if gap.is_lost(now, self._settings.ingest_grace)]
                missing.gaps[name] = list(writer.gaps)
                missing.pending += sum(gap.missing for gap in writer.gaps if gap not in lost)
                dead_letters = self._dead_letters(name, lost) if lost else 0
                missing.lost += max(0, sum(gap.missing for gap in lost) - dead_letters)
        return missing

    def _dead_letters(self, name: str, gaps: Sequence[Gap]) -> int:
        """Return how many of the missing lines are dead letters: stored with their reason, not lost."""
        neighbours = sorted({line for gap in gaps for line in (gap.first - 1, gap.last + 1)})
        query = {"bool": {"filter": [{"term": {NODE: name}}, {"terms": {SEQUENCE: neighbours}}]}}
        files = {"files": {"terms": {"field": FILE, "size": MOST_FILES}}}
        buckets = self._aggregations(query, files).get("files", {"buckets": []})["buckets"]
        body = {
            "size": MOST_LETTERS,
            "query": {"terms": {FILE: [bucket["key"] for bucket in buckets]}},
            "_source": ["message"],
        }
        hits = self._gateway.search(DEADLETTERS.alias, body)["hits"]["hits"]
        matches = [_SEQUENCE_IN_TEXT.search(str(hit["_source"].get("message", ""))) for hit in hits]
        numbers = {int(match[1]) for match in matches if match}
        return sum(match is None for match in matches) + sum(_in_any(number, gaps) for number in numbers)

    def _aggregations(self, query: Mapping[str, Any], aggs: Mapping[str, Any]) -> dict[str, Any]:
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}
        aggregations: dict[str, Any] = self._gateway.search(EVENTS, body).get("aggregations", {})
        return aggregations


def stored_writers(states: StateStore) -> dict[str, Writer]:
    """Return the writers as the last check stored them."""
    (stored,) = states.read(WRITERS)
    return remembered_writers(stored.content)


def _lines_filter(name: str, first: int, last: int) -> dict[str, Any]:
    return {"bool": {"filter": [{"term": {NODE: name}}, {"range": {SEQUENCE: {"gte": first, "lte": last}}}]}}


def _in_any(number: int, gaps: Iterable[Gap]) -> bool:
    return any(gap.first <= number <= gap.last for gap in gaps)
