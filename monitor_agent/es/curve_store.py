"""Points of curves in Elasticsearch: written where they differ from the stored ones, deleted where they are no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor_agent.contracts.curve import CURVES
from monitor_agent.es.gateway import Gateway, Operation
from monitor_agent.pipeline.documents import Key

PAGE = 5_000
DOCUMENTS_AT_ONCE = 32
Points = Mapping[str, Mapping[str, Any]]
"""`_id` -> document."""


class CurveStore:
    """Curves of metrics documents."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def write(self, wanted: Mapping[Key, Points]) -> None:
        """Make the stored points of metrics documents those that are wanted."""
        keys = list(wanted)
        for first in range(0, len(keys), DOCUMENTS_AT_ONCE):
            some = keys[first : first + DOCUMENTS_AT_ONCE]
            stored = self._stored(some)
            operations = [each for key in some for each in _differences(key, wanted[key], stored)]
            if operations:
                self._gateway.bulk(operations)
                # Seen by the next who compares.
                self._gateway.refresh(each.index for each in operations)

    def _stored(self, keys: list[Key]) -> dict[str, dict[str, Any]]:
        body = {"query": {"terms": {"metrics_id": [key.id for key in keys]}}}
        return {hit["_id"]: hit["_source"] for hit in self._gateway.scan(CURVES.alias, body, PAGE)}


def _differences(key: Key, wanted: Points, stored: Points) -> list[Operation]:
    index, own = CURVES.index_for(key.window.start), key.id
    written = [
        Operation("index", index, identifier, point)
        for identifier, point in wanted.items()
        if stored.get(identifier) != point
    ]
    gone = [
        Operation("delete", index, identifier, None)
        for identifier, point in stored.items()
        if point["metrics_id"] == own and identifier not in wanted
    ]
    return written + gone
