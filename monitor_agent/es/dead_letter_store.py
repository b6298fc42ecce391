"""Dead letters: which there are, and their removal once they are on their way again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.es.gateway import Gateway, Operation


@dataclass(frozen=True)
class DeadLetter:
    """One dead letter: its place, and the document as `contracts.DEADLETTERS` says."""

    index: str
    id: str
    document: dict[str, Any]

    @property
    def reason(self) -> str:
        """Why it is one, such as `malformed` or `refused`."""
        return str(self.document.get("error", {}).get("type", ""))

    @property
    def ingested(self) -> str:
        """When the pipeline handled it, as text; it sorts by time."""
        return str(self.document.get("event", {}).get("ingested", ""))


def all_dead_letters(gateway: Gateway, page: int) -> list[DeadLetter]:
    """Return all dead letters, the oldest first; ElasticsearchError where Elasticsearch cannot tell."""
    gateway.refresh(gateway.existing(DEADLETTERS.pattern))
    hits = gateway.scan(DEADLETTERS.pattern, {"query": {"match_all": {}}}, page)
    return sorted(
        (DeadLetter(hit["_index"], hit["_id"], hit["_source"]) for hit in hits), key=lambda found: found.ingested
    )


def remove(gateway: Gateway, letters: Sequence[DeadLetter]) -> None:
    """Delete dead letters; one that is gone already is no error."""
    gateway.bulk(Operation("delete", letter.index, letter.id, None) for letter in letters)
    gateway.refresh({letter.index for letter in letters})
