"""Silences and acknowledgements in `model-silences`: people write them, agents only read them."""

from __future__ import annotations

import dataclasses
import secrets
from datetime import datetime
from typing import Any

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.silence import KIND_ACKNOWLEDGEMENT, SILENCES
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.notifying.silences import Quiet, Silence, check_text, quiet_of
from monitor_agent.pipeline import instants

MOST_SILENCES = 10_000
ID_BYTES = 4


class SilenceStore:
    """Reads and writes silences and acknowledgements."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def read(self, since: datetime) -> Quiet:
        """Return all acknowledgements, and the silences that have not ended before a moment; the newest first."""
        # An acknowledgement has no end.
        over = instants.range_filter("end", lt=since)
        body = {"query": {"bool": {"must_not": [over]}}, "size": MOST_SILENCES, "sort": [{"@timestamp": "desc"}]}
        return quiet_of(self._gateway.search(SILENCES.alias, body)["hits"]["hits"])

    def add(self, silence: Silence) -> Silence:
        """Write a new silence; return it with its id.

        Raises
        ------
        DataError
            If it is none that anybody can want.
        """
        silence.check()
        silence = dataclasses.replace(silence, id=secrets.token_hex(ID_BYTES))
        self._write("create", silence.id, silence.document())
        return silence

    def end(self, identifier: str, now: datetime) -> Silence:
        """End a silence now.

        Raises
        ------
        DataError
            If no silence in force has this id.
        """
        silences = {silence.id: silence for silence in self.read(now).silences}
        if identifier not in silences:
            raise DataError(f"no silence in force has the id {identifier}", "see `monitor-agent alerts`")
        ended = dataclasses.replace(silences[identifier], end=now)
        self._write("index", identifier, ended.document())
        return ended

    def acknowledge(self, firing: Firing, author: str, reason: str, now: datetime) -> None:
        """Write that somebody knows of a firing: it is not repeated.

        Raises
        ------
        DataError
            If the author is empty, or a text is too long.
        """
        check_text("author", author)
        check_text("reason", reason, optional=True)
        document = {
            "@timestamp": instants.text(now),
            "kind": KIND_ACKNOWLEDGEMENT,
            "author": author,
            "reason": reason,
            "firing": firing.id,
        }
        self._write("index", f"{KIND_ACKNOWLEDGEMENT}:{firing.id}", document)

    def _write(self, kind: str, identifier: str, document: dict[str, Any]) -> None:
        self._gateway.bulk([Operation(kind, SILENCES.name, identifier, document)])
        self._gateway.refresh([SILENCES.alias])
