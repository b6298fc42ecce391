"""Points of curves in Elasticsearch: written if they differ from the stored points, deleted if they are obsolete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor_agent.contracts.curve import CURVES
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.pipeline.documents import MetricsKey

PAGE = 5_000
DOCUMENTS_AT_ONCE = 32
PointDocuments = Mapping[str, Mapping[str, Any]]
"""`_id` -> document of a point."""


class CurveStore:
    """Curves of metrics documents."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def write(self, curves: Mapping[MetricsKey, PointDocuments]) -> None:
        """Replace the stored points of metrics documents by these points."""
        keys = list(curves)
        for first in range(0, len(keys), DOCUMENTS_AT_ONCE):
            batch = keys[first : first + DOCUMENTS_AT_ONCE]
            stored = self._stored(batch)
            operations = [operation for key in batch for operation in _differences(key, curves[key], stored)]
            if operations:
                self._gateway.bulk(operations)
                # The next comparison must find them.
                self._gateway.refresh(operation.index for operation in operations)

    def _stored(self, keys: list[MetricsKey]) -> dict[str, dict[str, Any]]:
        body = {"query": {"terms": {"metrics_id": [key.id for key in keys]}}}
        return {hit["_id"]: hit["_source"] for hit in self._gateway.scan(CURVES.alias, body, PAGE)}


def _differences(key: MetricsKey, points: PointDocuments, stored: PointDocuments) -> list[Operation]:
    index, metrics_id = CURVES.index_for(key.window.start), key.id
    changed = [
        Operation("index", index, identifier, point)
        for identifier, point in points.items()
        if stored.get(identifier) != point
    ]
    obsolete = [
        Operation("delete", index, identifier, None)
        for identifier, point in stored.items()
        if point["metrics_id"] == metrics_id and identifier not in points
    ]
    return changed + obsolete
