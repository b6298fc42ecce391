"""Firings in Elasticsearch: the answers to the alerts' queries, the one list of open firings, and their documents.

The list in `monitor-agent-state` decides, and is written by `if_seq_no`: if two agents evaluate at the same moment, one
of them is refused and changes nothing. The documents in `model-alerts` follow the list, by their revision. If a crash
leaves a document behind the list, the next evaluation writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.alert import ALERTS, STATE_ACTIVE, STATE_PENDING, STATE_RECOVERED
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.es.state_store import StateStore, StoredState
from monitor_agent.pipeline import instants

STATE_ID = "alerts"
"""The id of the list, and its only field."""

MAX_OPEN = 10_000
"""Open firings that are read; more would be of no use to anybody."""

_OPEN = {"terms": {"state": [STATE_PENDING, STATE_ACTIVE]}}


@dataclass(frozen=True)
class AlertReadings:
    """What one evaluation reads from Elasticsearch.

    Attributes
    ----------
    answers : the answers to the alerts' queries, in order.
    stored_state : the list of open firings, as stored.
    firings : the firings in the list; if there is no list, the firings of the documents.
    revisions : the revisions of the open firings' documents, by id.
    """

    answers: Sequence[Mapping[str, Any]]
    stored_state: StoredState
    firings: Sequence[Firing] = ()
    revisions: Mapping[str, int] = field(default_factory=dict)


class AlertStore:
    """Reads and writes firings."""

    def __init__(self, gateway: Gateway, state_store: StateStore) -> None:
        self._gateway = gateway
        self._state_store = state_store

    def read(self, queries: Sequence[tuple[str, Mapping[str, Any]]]) -> AlertReadings:
        """Return the answers and the stored firings, by two requests.

        Parameters
        ----------
        queries : searches (index pattern, body).
        """
        # By its id: a search may show an earlier version, whose write is refused, and this evaluation would not count.
        (stored_state,) = self._state_store.read(STATE_ID)
        *answers, documents = self._gateway.msearch([*queries, (ALERTS.alias, {"query": _OPEN, "size": MAX_OPEN})])
        hits = documents["hits"]["hits"]
        readable = [hit for hit in hits if readable_firing(hit["_source"])]
        listed = stored_state.content.get(STATE_ID)
        stored = listed if isinstance(listed, list) else [hit["_source"] for hit in readable]
        firings = [firing for firing in map(readable_firing, stored) if firing is not None]
        damaged = len(hits) - len(readable) + len(stored) - len(firings)
        if damaged:
            structlog.get_logger().warning("some firings in model-alerts cannot be read", firings=damaged)
        return AlertReadings(
            answers, stored_state, firings, {hit["_id"]: hit["_source"]["revision"] for hit in readable}
        )

    def answers(self, queries: Sequence[tuple[str, Mapping[str, Any]]]) -> Sequence[Mapping[str, Any]]:
        """Return the answers to further searches (index pattern, body), by one request; by none if there are none."""
        return self._gateway.msearch(queries) if queries else ()

    def write(self, readings: AlertReadings, firings: Sequence[Firing], now: datetime) -> bool:
        """Write what differs from the readings; return False, and write nothing, if another agent was faster."""
        before = {firing.id: firing for firing in readings.firings}
        changed = [firing for firing in firings if firing != before.get(firing.id)]
        behind = [firing for firing in readings.firings if _is_behind(firing, readings.revisions)]
        if changed:
            ended = [firing for firing in behind if not firing.open]
            content = {STATE_ID: [firing.document() for firing in [*firings, *ended]]}
            if not self._state_store.write(readings.stored_state, content, now):
                return False
        newest = {firing.id: firing for firing in [*behind, *changed]}
        self._write_documents(newest.values())
        return True

    def _write_documents(self, firings: Iterable[Firing]) -> None:
        operations = [
            Operation(
                "index",
                ALERTS.index_for(firing.start),
                firing.id,
                firing.document(),
                {"version": firing.revision, "version_type": "external"},
            )
            for firing in firings
        ]
        if operations:
            self._gateway.bulk(operations)


def readable_firing(document: Mapping[str, Any]) -> Firing | None:
    """Return the firing of a document; None if somebody has damaged the document."""
    try:
        firing = Firing.from_document(document)
        texts = (firing.rule, firing.evaluations, firing.state, *(value for pair in firing.group for value in pair))
        numbers = (firing.revision, *(number for number in (firing.value, firing.limit) if number is not None))
        firing.document()
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    is_whole = all(isinstance(text, str) for text in texts) and all(isinstance(item, (int, float)) for item in numbers)
    return firing if is_whole else None


def _is_behind(firing: Firing, revisions: Mapping[str, int]) -> bool:
    """Return whether the firing's document differs from the list; searches show a write only after a moment."""
    if firing.open:
        return revisions.get(firing.id) != firing.revision
    return firing.id in revisions


def stored_firings(gateway: Gateway, since: datetime, page: int) -> list[Firing]:
    """Return the open firings and those that have recovered since; the newest first."""
    ended: dict[str, Any] = instants.range_filter("event.end", gte=since)
    recovered = {"bool": {"filter": [{"term": {"state": STATE_RECOVERED}}, ended]}}
    body = {"query": {"bool": {"should": [_OPEN, recovered], "minimum_should_match": 1}}}
    stored = map(readable_firing, (hit["_source"] for hit in gateway.scan(ALERTS.alias, body, page)))
    firings = [firing for firing in stored if firing is not None]
    return sorted(firings, key=lambda firing: (firing.start, firing.key), reverse=True)
