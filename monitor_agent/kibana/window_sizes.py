"""The size of the windows that a panel reads, as its filters name it (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monitor_agent.durations import parse_duration
from monitor_agent.kibana.times import TimeRange, interval

_FEW_BARS = 4
"""Windows may be so many times longer than the bars of other charts."""


def window_size(filters: Iterable[Mapping[str, Any]]) -> str:
    """Return the window size that all documents must have, such as `1h`; empty if the filters name none."""
    for query in filters:
        for kind, inner in query.items():
            if kind in ("match", "match_phrase", "term", "terms") and "window_size" in inner:
                values = inner["window_size"]
                return str(values[0]) if isinstance(values, list) else str(values)
            nested = window_size(inner.get("filter", ())) if kind == "bool" else ""
            if nested:
                return nested
    return ""


def with_base_window(filters: Iterable[Mapping[str, Any]], size: str) -> list[dict[str, Any]]:
    """Return filters that name the base windows by their size, if it is known."""
    return [_by_size(query, size) if size else dict(query) for query in filters]


def with_window_size(filters: Iterable[Mapping[str, Any]], old: str, new: str) -> list[dict[str, Any]]:
    """Return filters that name another window size."""
    return [_replaced(query, old, new) for query in filters]


def fitting_window(window: str, stored: Iterable[str], time: TimeRange) -> str:
    """Return the size of the stored windows that a chart has room for: not smaller than the chosen one.

    It is the next size that fills a bar, if it is not much longer than a bar; else the greatest that fits into a bar.

    >>> from datetime import datetime, timedelta
    >>> fortnight = TimeRange(datetime(2026, 3, 2), datetime(2026, 3, 16))
    >>> fitting_window("1h", ["1h", "1d", "7d"], fortnight), fitting_window("1h", ["1h", "7d"], fortnight)
    ('1d', '1h')
    >>> fitting_window("1h", ["1h", "1d"], TimeRange(datetime(2025, 3, 2), datetime(2026, 3, 16)))
    '1d'
    """
    bar = parse_duration(interval("auto", time))
    if bar <= parse_duration(window):
        return window
    sizes = sorted((window, *stored), key=parse_duration)
    fitting = [size for size in sizes if parse_duration(window) <= parse_duration(size) <= bar]
    return next((size for size in sizes if bar <= parse_duration(size) <= bar * _FEW_BARS), fitting[-1])


def _by_size(query: Mapping[str, Any], size: str) -> dict[str, Any]:
    if query == {"match": {"is_base_window": "true"}}:
        return {"match": {"window_size": size}}
    inner = query.get("bool", {}).get("filter")
    return {"bool": {**query["bool"], "filter": [_by_size(clause, size) for clause in inner]}} if inner else dict(query)


def _replaced(node: Any, old: str, new: str) -> Any:
    if isinstance(node, list):
        return [_replaced(inner, old, new) for inner in node]
    if not isinstance(node, Mapping):
        return node
    return {
        name: new
        if name == "window_size" and inner == old
        else [new]
        if name == "window_size" and inner == [old]
        else _replaced(inner, old, new)
        for name, inner in node.items()
    }
