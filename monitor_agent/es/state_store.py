"""What the agents remember between cycles: small documents with fixed ids in `monitor-agent-state`."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.es.gateway import Gateway, Operation
from monitor_agent.es.retry import ResponseAction
from monitor_agent.pipeline import instants

OWNER = f"{platform.node()}:{os.getpid()}"


@dataclass(frozen=True)
class StoredState:
    """One document: its id, its content, and where it stood when it was read."""

    id: str
    content: dict[str, Any] = field(default_factory=dict)
    place: dict[str, int] | None = None

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> StoredState:
        """Return the document that Elasticsearch gives, by id or found by a search, with where it stands."""
        place = {"if_seq_no": stored["_seq_no"], "if_primary_term": stored["_primary_term"]}
        return cls(stored["_id"], stored["_source"]["content"], place)


class StateStore:
    """Reads and writes what is remembered; a document that another agent has changed meanwhile is not overwritten.

    The part of an id before its first colon is the document's kind.
    """

    def __init__(self, gateway: Gateway, owner: str = OWNER) -> None:
        self._gateway = gateway
        self._owner = owner

    def read(self, *ids: str) -> list[StoredState]:
        """Return the documents, empty ones where there is none yet."""
        docs = {doc["_id"]: doc for doc in self._gateway.mget([(AGENT_STATE.name, each) for each in ids])}
        return [StoredState.from_stored(docs[each]) if each in docs else StoredState(each) for each in ids]

    def write(self, known: StoredState, content: dict[str, Any], now: datetime) -> bool:
        """Write new content; return False, and write nothing, where `known` is not the latest."""
        kind = known.id.partition(":")[0]
        body = {"@timestamp": instants.text(now), "kind": kind, "owner": self._owner, "content": content}
        operation = "create" if known.place is None else "index"
        (result,) = self._gateway.bulk([Operation(operation, AGENT_STATE.name, known.id, body, known.place)])
        return result is ResponseAction.DONE

    def forget(self, known: StoredState) -> None:
        """Delete a document, if nobody has changed it since."""
        if known.place is not None:
            self._gateway.bulk([Operation("delete", AGENT_STATE.name, known.id, None, known.place)])
