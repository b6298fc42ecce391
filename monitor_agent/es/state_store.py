"""The state of the agents between cycles: small documents with fixed ids in `monitor-agent-state`."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import DocumentVersion, Operation
from monitor_agent.es.retry import ResponseAction
from monitor_agent.pipeline import instants

OWNER = f"{platform.node()}:{os.getpid()}"


@dataclass(frozen=True)
class StoredState:
    """One state document.

    Attributes
    ----------
    id : its `_id`; the part before the first colon is its kind.
    content : what it holds; empty if it does not exist, or cannot be read.
    version : the version that was read; None if it does not exist.
    damaged : whether it exists and cannot be read.
    """

    id: str
    content: dict[str, Any] = field(default_factory=dict)
    version: DocumentVersion | None = None
    damaged: bool = False

    @classmethod
    def from_hit(cls, hit: Mapping[str, Any]) -> StoredState:
        """Return the document of a search hit or of a get response."""
        content, version = hit["_source"].get("content"), DocumentVersion.from_hit(hit)
        if isinstance(content, dict):
            return cls(hit["_id"], content, version)
        return cls(hit["_id"], {}, version, damaged=True)


class StateStore:
    """Reads and writes state documents; a document that another agent has changed in the meantime is not overwritten.

    Parameters
    ----------
    owner : the name of this agent, which is written into the documents.
    """

    def __init__(self, gateway: Gateway, owner: str = OWNER) -> None:
        self._gateway = gateway
        self._owner = owner

    def read(self, *ids: str) -> list[StoredState]:
        """Return the documents in the order of their ids; one that does not exist, or cannot be read, is empty."""
        docs = {doc["_id"]: doc for doc in self._gateway.mget([(AGENT_STATE.name, id_) for id_ in ids])}
        states = [StoredState.from_hit(docs[id_]) if id_ in docs else StoredState(id_) for id_ in ids]
        for state in states:
            if state.damaged:
                structlog.get_logger().warning("a state document has no content that can be read", id=state.id)
        return states

    def write(self, stored: StoredState, content: dict[str, Any], now: datetime) -> bool:
        """Write new content; return False, and write nothing, if `stored` is not the latest version."""
        kind = stored.id.partition(":")[0]
        body = {"@timestamp": instants.text(now), "kind": kind, "owner": self._owner, "content": content}
        operation = (
            Operation("create", AGENT_STATE.name, stored.id, body)
            if stored.version is None
            else stored.version.operation("index", body)
        )
        (result,) = self._gateway.bulk([operation])
        return result is ResponseAction.DONE

    def delete(self, stored: StoredState) -> None:
        """Delete a document, if nobody has changed it since it was read."""
        if stored.version is not None:
            self._gateway.bulk([stored.version.operation("delete", None)])
