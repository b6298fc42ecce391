"""A layer lists every column once, groups before values, and orders by columns that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import SavedObject


def check(_bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield columns that Kibana would drop or miss."""
    if saved.type != "lens":
        return
    for name, layer in saved.attributes["state"]["datasourceStates"]["formBased"]["layers"].items():
        for message in _layer(layer["columns"], layer["columnOrder"]):
            yield f"layer {name}: {message}"


def _layer(columns: Mapping[str, Mapping[str, Any]], order: list[str]) -> Iterator[str]:
    if sorted(order) != sorted(columns):
        yield f"columnOrder and columns differ: {sorted(set(order) ^ set(columns)) or 'one is listed twice'}"
        return
    bucketed = [columns[name]["isBucketed"] for name in order]
    if bucketed != sorted(bucketed, reverse=True):
        yield "the columns that group must come before the columns that count"
    for name, column in columns.items():
        by = column.get("params", {}).get("orderBy", {})
        if by.get("type") == "column" and by.get("columnId") not in columns:
            yield f"{name} is ordered by {by.get('columnId')}, which is no column"
        elif by.get("type") == "column" and columns[by["columnId"]]["isBucketed"]:
            yield f"{name} is ordered by {by['columnId']}, which is a column that groups"
        elif by.get("type") == "column" and columns[by["columnId"]]["operationType"] in ("formula", "last_value"):
            yield f"{name} is ordered by {by['columnId']}: Elasticsearch cannot order by a formula or a last value"
        for reference in column.get("references", ()):
            if reference not in columns:
                yield f"{name} is computed from {reference}, which is no column"
