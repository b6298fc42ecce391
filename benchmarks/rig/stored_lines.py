"""The predictions in a node as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from benchmarks.rig.node import EVENTS, Node
from monitor_agent.contracts.prediction import PREDICTIONS

AT_ONCE = 5000


def stored_lines(node: Node) -> Iterator[bytes]:
    """Yield all predictions, one a line."""
    node.admin.indices.refresh(index=EVENTS)
    after: list[object] | None = None
    while True:
        hits = node.admin.search(
            index=PREDICTIONS.alias, size=AT_ONCE, sort=["@timestamp", "event.id"], search_after=after
        )["hits"]["hits"]
        if not hits:
            return
        yield from (orjson.dumps(hit["_source"]) + b"\n" for hit in hits)
        after = hits[-1]["sort"]
