"""The lines of each writer that are in Elasticsearch, and those that never came; a check's cost follows what is new."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.sequences import Gap, Writer, bounded, counted, located, lost
from monitor_agent.pipeline.stale_windows import DAY
from monitor_agent.settings import AgentSettings

WRITERS = "writers"
EVENTS = ",".join(contract.alias for contract in (PREDICTIONS, FEEDBACK, ERRORS))
NODE, SEQUENCE, INGESTED, FILE = "service.node.name", "event.sequence", "event.ingested", "log.file.path"

MOST_WRITERS = 1000
MOST_FILES = 1000
MOST_LETTERS = 10_000
FILTERS_AT_ONCE = 500
LEVELS = 8
"""How often a gap is cut smaller before it is told as it is."""

_SEQUENCE_IN_TEXT = re.compile(r'"sequence"\s*:\s*(\d+)')


@dataclass
class MissingLines:
    """What a check found.

    Attributes
    ----------
    writers : writers whose lines came since the last check.
    pending : lines that are missing, but not for longer than the grace.
    lost : lines that are missing for longer, and no dead letter either.
    gaps : by writer.
    """

    writers: int = 0
    pending: int = 0
    lost: int = 0
    gaps: dict[str, list[Gap]] = field(default_factory=dict)


class LineCheck:
    """Checks the sequences of the writers."""

    def __init__(self, gateway: Gateway, memory: StateStore, settings: AgentSettings) -> None:
        self._gateway = gateway
        self._memory = memory
        self._settings = settings
        self._checked_at: datetime | None = None

    def check(self, now: datetime) -> MissingLines:
        """Return which lines are missing; remembers what has arrived, so that it is not counted again."""
        (known,) = self._memory.read(WRITERS)
        before = {name: Writer.from_content(each) for name, each in known.content.items()}
        active = self._active(now)
        writers = {name: each for name, each in before.items() if now - each.seen <= self._settings.restatement_limit}
        for name in active.keys() - writers.keys():
            writers[name] = self._first_seen(name, now)
        after = {**writers, **self._counted(writers, active, now)}
        content = {name: each.content() for name, each in after.items()}
        if content != known.content:
            self._memory.write(known, content, now)
        self._checked_at = now
        return self._lines(after, len(active), now)

    def _placed(self, name: str, gap: Gap, now: datetime) -> Gap:
        """Return a lost gap with the times of the lines right before and after it, as far as they are there."""
        if gap.around or not lost([gap], now, self._settings.ingest_grace):
            return gap
        filters = [{"term": {NODE: name}}, {"terms": {SEQUENCE: [gap.first - 1, gap.last + 1]}}]
        body = {"size": 2, "query": {"bool": {"filter": filters}}, "_source": ["@timestamp"], "sort": [SEQUENCE]}
        hits = self._gateway.search(EVENTS, body)["hits"]["hits"]
        return replace(gap, around=tuple(instants.parse(hit["_source"]["@timestamp"]) for hit in hits))

    def _active(self, now: datetime) -> dict[str, int]:
        """Return the writers whose lines came since the last check, each with the highest number among them."""
        since = (self._checked_at or now - self._settings.orphan_horizon) - self._settings.clock_skew
        recent = instants.range_filter(INGESTED, gte=since)
        newest = {"newest": {"max": {"field": SEQUENCE}}}
        writers = {"terms": {"field": NODE, "size": MOST_WRITERS}, "aggs": newest}
        buckets = self._aggregated({"bool": {"filter": [recent]}}, {"writers": writers}).get("writers", {})
        return {
            bucket["key"]: int(bucket["newest"]["value"])
            for bucket in buckets.get("buckets", ())
            if bucket["newest"]["value"] is not None
        }

    def _first_seen(self, name: str, now: datetime) -> Writer:
        """Return a writer that was not known: its first line is 1, unless its first days may have been deleted."""
        aggs = {"oldest": {"min": {"field": "@timestamp"}}, "lowest": {"min": {"field": SEQUENCE}}}
        found = self._aggregated({"term": {NODE: name}}, aggs)
        oldest, lowest = instants.parse(found["oldest"]["value"]), int(found["lowest"]["value"])
        deleted = oldest < now - self._settings.retention_events + DAY
        return Writer(lowest - 1 if deleted else 0, now)

    def _counted(self, writers: Mapping[str, Writer], active: Mapping[str, int], now: datetime) -> dict[str, Writer]:
        """Return the writers that have something new or a gap, counted."""
        asked = {
            name: max(each.upto, active.get(name, 0)) for name, each in writers.items() if each.gaps or name in active
        }
        stretches = [
            (name, first, last) for name, newest in asked.items() for first, last in writers[name].stretches(newest)
        ]
        counts = iter(self._counts(stretches))
        found = {}
        for name, newest in asked.items():
            own = [next(counts) for _ in writers[name].stretches(newest)]
            writer = counted(writers[name], newest, own, now)
            seen = now if name in active else writers[name].seen
            kept = [gap for gap in writer.gaps if now - gap.since <= self._settings.restatement_limit]
            gaps = [self._placed(name, gap, now) for gap in bounded(self._located(name, kept))]
            found[name] = replace(writer, seen=seen, gaps=tuple(gaps))
        return found

    def _counts(self, stretches: Sequence[tuple[str, int, int]]) -> list[int]:
        found: list[int] = []
        for start in range(0, len(stretches), FILTERS_AT_ONCE):
            part = stretches[start : start + FILTERS_AT_ONCE]
            filters = {str(number): _stretch(*each) for number, each in enumerate(part)}
            # Only these lines are gone through, not everything that the writers have ever written.
            asked = {"bool": {"should": list(filters.values()), "minimum_should_match": 1}}
            answer = self._aggregated(asked, {"stretches": {"filters": {"filters": filters}}})
            buckets = answer["stretches"]["buckets"] if answer else {}
            found += [buckets.get(str(number), {"doc_count": 0})["doc_count"] for number in range(len(part))]
        return found

    def _located(self, name: str, gaps: Sequence[Gap]) -> list[Gap]:
        """Return gaps cut to the lines that are missing, as far as a few more requests can tell."""
        found = list(gaps)
        for _ in range(LEVELS):
            rough = next((gap for gap in found if not gap.exact), None)
            if rough is None:
                break
            step = rough.step
            parts = {
                "histogram": {"field": SEQUENCE, "interval": step, "offset": rough.first % step, "min_doc_count": 1}
            }
            answer = self._aggregated(_stretch(name, rough.first, rough.last), {"parts": parts})
            buckets = {int(bucket["key"]): bucket["doc_count"] for bucket in answer["parts"]["buckets"]}
            found.remove(rough)
            found += located(rough, buckets)
        return found

    def _lines(self, writers: Mapping[str, Writer], active: int, now: datetime) -> MissingLines:
        lines = MissingLines(writers=active)
        for name, writer in writers.items():
            if writer.gaps:
                old = lost(writer.gaps, now, self._settings.ingest_grace)
                lines.gaps[name] = list(writer.gaps)
                lines.pending += sum(gap.missing for gap in writer.gaps if gap not in old)
                lines.lost += max(0, sum(gap.missing for gap in old) - (self._dead_letters(name, old) if old else 0))
        return lines

    def _dead_letters(self, name: str, gaps: Sequence[Gap]) -> int:
        """Return how many of the missing lines are dead letters: kept with their reason, not lost."""
        beside = sorted({line for gap in gaps for line in (gap.first - 1, gap.last + 1)})
        neighbours = {"bool": {"filter": [{"term": {NODE: name}}, {"terms": {SEQUENCE: beside}}]}}
        files = {"files": {"terms": {"field": FILE, "size": MOST_FILES}}}
        buckets = self._aggregated(neighbours, files).get("files", {"buckets": []})["buckets"]
        body = {
            "size": MOST_LETTERS,
            "query": {"terms": {FILE: [bucket["key"] for bucket in buckets]}},
            "_source": ["message"],
        }
        hits = self._gateway.search(DEADLETTERS.alias, body)["hits"]["hits"]
        told = [_SEQUENCE_IN_TEXT.search(str(hit["_source"].get("message", ""))) for hit in hits]
        numbers = {int(each[1]) for each in told if each}
        return sum(each is None for each in told) + sum(_in_any(number, gaps) for number in numbers)

    def _aggregated(self, query: Mapping[str, Any], aggs: Mapping[str, Any]) -> dict[str, Any]:
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}
        found: dict[str, Any] = self._gateway.search(EVENTS, body).get("aggregations", {})
        return found


def remembered_writers(memory: StateStore) -> dict[str, Writer]:
    """Return the writers as the last check left them."""
    (known,) = memory.read(WRITERS)
    return {name: Writer.from_content(each) for name, each in known.content.items()}


def _stretch(name: str, first: int, last: int) -> dict[str, Any]:
    return {"bool": {"filter": [{"term": {NODE: name}}, {"range": {SEQUENCE: {"gte": first, "lte": last}}}]}}


def _in_any(number: int, gaps: Iterable[Gap]) -> bool:
    return any(gap.first <= number <= gap.last for gap in gaps)
