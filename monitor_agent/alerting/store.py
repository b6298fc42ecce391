"""Firings in Elasticsearch: answers to what is asked for them, the one list of open ones, and their documents.

The list in `monitor-agent-state` decides, and is written by `if_seq_no`: of two agents that look at the same moment one
is refused and changes nothing. Documents in `model-alerts` follow from it, by their revision; one that a crash has left
behind is written by the next look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS, STATE_ACTIVE, STATE_PENDING, STATE_RECOVERED
from monitor_agent.es.gateway import Gateway, Operation
from monitor_agent.es.state_store import StateStore, StoredState
from monitor_agent.pipeline import instants

REMEMBERED = "alerts"
"""The id of the list, and its only field."""

MOST = 10_000
"""Open firings that are looked at; more are no more use to anybody."""

_OPEN = {"terms": {"state": [STATE_PENDING, STATE_ACTIVE]}}


@dataclass(frozen=True)
class AlertReadings:
    """What one look has found.

    Attributes
    ----------
    answers : those to the questions, in order.
    known : the list of firings, as it was.
    firings : those in it; where there is no list, those that the documents tell of.
    shown : revisions of the open firings' documents by id.
    """

    answers: Sequence[Mapping[str, Any]]
    known: StoredState
    firings: Sequence[Firing] = ()
    shown: Mapping[str, int] = field(default_factory=dict)


class AlertStore:
    """Firings."""

    def __init__(self, gateway: Gateway, memory: StateStore) -> None:
        self._gateway = gateway
        self._memory = memory

    def look(self, questions: Sequence[tuple[str, Mapping[str, Any]]]) -> AlertReadings:
        """Return what is found, by one request.

        Parameters
        ----------
        questions : searches (index pattern, body).
        """
        remembered = {"query": {"ids": {"values": [REMEMBERED]}}, "seq_no_primary_term": True}
        shown = {"query": _OPEN, "size": MOST}
        own: list[tuple[str, Mapping[str, Any]]] = [(AGENT_STATE.name, remembered), (ALERTS.alias, shown)]
        *answers, listed, documents = self._gateway.msearch([*questions, *own])
        hits = documents["hits"]["hits"]
        known = StoredState(REMEMBERED)
        told = [hit["_source"] for hit in hits]
        for hit in listed["hits"]["hits"]:
            known = StoredState.from_stored(hit)
            told = known.content[REMEMBERED]
        return AlertReadings(
            answers,
            known,
            [Firing.from_document(each) for each in told],
            {hit["_id"]: hit["_source"]["revision"] for hit in hits},
        )

    def keep(self, look: AlertReadings, firings: Sequence[Firing], now: datetime) -> bool:
        """Write what differs; return False, having written nothing, where another agent was faster."""
        before = {each.id: each for each in look.firings}
        changed = [each for each in firings if each != before.get(each.id)]
        behind = [each for each in look.firings if self._behind(each, look.shown)]
        if changed:
            ended = [each for each in behind if not each.open]
            content = {REMEMBERED: [each.document() for each in [*firings, *ended]]}
            if not self._memory.write(look.known, content, now):
                return False
        newest = {each.id: each for each in [*behind, *changed]}
        self._write(newest.values())
        return True

    @staticmethod
    def _behind(firing: Firing, shown: Mapping[str, int]) -> bool:
        """Return whether the firing's document does not say what the list says; searches see a write a moment later."""
        if firing.open:
            return shown.get(firing.id) != firing.revision
        return firing.id in shown

    def _write(self, firings: Iterable[Firing]) -> None:
        operations = [
            Operation(
                "index",
                ALERTS.index_for(each.start),
                each.id,
                each.document(),
                {"version": each.revision, "version_type": "external"},
            )
            for each in firings
        ]
        if operations:
            self._gateway.bulk(operations)


def stored_firings(gateway: Gateway, since: datetime, page: int) -> list[Firing]:
    """Return the open firings, and those that have recovered since; the newest first."""
    ended: dict[str, Any] = instants.range_filter("event.end", gte=since)
    recovered = {"bool": {"filter": [{"term": {"state": STATE_RECOVERED}}, ended]}}
    body = {"query": {"bool": {"should": [_OPEN, recovered], "minimum_should_match": 1}}}
    found = [Firing.from_document(hit["_source"]) for hit in gateway.scan(ALERTS.alias, body, page)]
    return sorted(found, key=lambda each: (each.start, each.key), reverse=True)
