"""Dead letters in Elasticsearch: they are listed, and removed once they have been sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.es.responses import is_not_allowed


@dataclass(frozen=True)
class DeadLetter:
    """One dead letter; `document` has the fields of the dead letters' contract."""

    index: str
    id: str
    document: dict[str, Any]

    @property
    def reason(self) -> str:
        """Why it is one, such as `malformed` or `refused`."""
        return str(self.document.get("error", {}).get("type", ""))

    @property
    def ingested(self) -> str:
        """When the pipeline handled it, as text that sorts by time."""
        return str(self.document.get("event", {}).get("ingested", ""))


def all_dead_letters(gateway: Gateway, page: int) -> list[DeadLetter]:
    """Return all dead letters that the user may read, the oldest first.

    A user who may only read may miss those of the last second.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch does not return them.
    """
    try:
        gateway.refresh(gateway.existing(DEADLETTERS.pattern))
    except ElasticsearchError as error:
        if not is_not_allowed(error):
            raise
    hits = gateway.scan(DEADLETTERS.pattern, {"query": {"match_all": {}}}, page)
    return sorted(
        (DeadLetter(hit["_index"], hit["_id"], hit["_source"]) for hit in hits), key=lambda letter: letter.ingested
    )


def remove(gateway: Gateway, letters: Sequence[DeadLetter]) -> None:
    """Delete dead letters; a dead letter that does not exist any more is no error."""
    present = set(gateway.existing(DEADLETTERS.pattern))
    removed = [letter for letter in letters if letter.index in present]
    gateway.bulk(Operation("delete", letter.index, letter.id, None) for letter in removed)
    gateway.refresh({letter.index for letter in removed})
