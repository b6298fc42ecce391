"""What the agent remembers between cycles: small documents with fixed ids in `monitor-agent-state`."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor_agent.contracts.state import STATE
from monitor_agent.es.gateway import Gateway, Operation
from monitor_agent.es.retry import Decision
from monitor_agent.pipeline import instants

OWNER = f"{platform.node()}:{os.getpid()}"


@dataclass(frozen=True)
class Remembered:
    """One document: its content, and where it stood when it was read."""

    kind: str
    content: dict[str, Any] = field(default_factory=dict)
    place: dict[str, int] | None = None


class Memory:
    """Reads and writes what is remembered; a document that another agent has changed meanwhile is not overwritten."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def read(self, *kinds: str) -> list[Remembered]:
        """Return the documents, empty ones where there is none yet."""
        docs = {doc["_id"]: doc for doc in self._gateway.mget([(STATE.name, kind) for kind in kinds])}
        return [self._remembered(kind, docs.get(kind)) for kind in kinds]

    def write(self, known: Remembered, content: dict[str, Any], now: datetime) -> bool:
        """Write new content; return False, and write nothing, where `known` is not the latest."""
        body = {"@timestamp": instants.text(now), "kind": known.kind, "owner": OWNER, "content": content}
        kind = "create" if known.place is None else "index"
        (result,) = self._gateway.bulk([Operation(kind, STATE.name, known.kind, body, known.place)])
        return result is Decision.DONE

    @staticmethod
    def _remembered(kind: str, doc: dict[str, Any] | None) -> Remembered:
        if doc is None:
            return Remembered(kind)
        place = {"if_seq_no": doc["_seq_no"], "if_primary_term": doc["_primary_term"]}
        return Remembered(kind, doc["_source"]["content"], place)
