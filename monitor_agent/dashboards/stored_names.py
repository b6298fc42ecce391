"""What a cluster holds, whatever a page shows of it: its models and versions, and the sizes of its windows.

Each page needs them before its searches: a name has the same colour on all pages, and a chart of means reads windows
that fit the range.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.search_outcomes import search_outcomes
from monitor_agent.kibana.tables import JOIN

FRESH_SECONDS = 60.0
MOST_NAMES = 200


@dataclass(frozen=True)
class StoredNames:
    """What a cluster holds.

    Attributes
    ----------
    names : `model/version`, those that appeared first come first.
    window_sizes : the sizes of windows that all models have: another size would leave models out.
    base_window : the size of the base windows; empty if models have several.
    """

    names: tuple[str, ...] = ()
    window_sizes: tuple[str, ...] = ()
    base_window: str = ""


_facts: WeakKeyDictionary[Gateway, tuple[float, StoredNames]] = WeakKeyDictionary()
_lock = Lock()


def stored_names(gateway: Gateway) -> StoredNames:
    """Return what the cluster holds; the facts may be a minute old, and are none where they cannot be read.

    Raises
    ------
    ElasticsearchError
        If there is no response at all.
    """
    with _lock:
        read_at, cached = _facts.get(gateway, (float("-inf"), StoredNames()))
    if time.monotonic() - read_at < FRESH_SECONDS:
        return cached
    outcome = search_outcomes(gateway, [(PERFORMANCE.pattern, _body())])[0]
    if isinstance(outcome, ElasticsearchError):
        return cached
    read = _read(outcome.get("aggregations", {}))
    if read.names:  # an empty cluster is asked again: its first events may come at any moment
        with _lock:
            _facts[gateway] = time.monotonic(), read
    return read


def _body() -> dict[str, Any]:
    first = {"first": {"min": {"field": "@timestamp"}}}
    versions = {"terms": {"field": "model_version", "size": MOST_NAMES, "exclude": ["all"]}, "aggs": first}
    models = {"terms": {"field": "model_name", "size": MOST_NAMES}, "aggs": {"versions": versions}}
    count = {"cardinality": {"field": "model_name"}}
    of_size = {"base": {"filter": {"term": {"is_base_window": True}}}, "count": count}
    sizes = {"terms": {"field": "window_size", "size": MOST_NAMES}, "aggs": of_size}
    return {"size": 0, "track_total_hits": False, "aggs": {"models": models, "sizes": sizes, "count": count}}


def _read(aggregations: dict[str, Any]) -> StoredNames:
    first_seen = {
        f"{model['key']}{JOIN}{version['key']}": version["first"]["value"] or 0.0
        for model in aggregations.get("models", {}).get("buckets", ())
        for version in model["versions"]["buckets"]
    }
    sizes = aggregations.get("sizes", {}).get("buckets", ())
    names = sorted(first_seen, key=lambda name: (first_seen[name], name))
    base = [bucket["key"] for bucket in sizes if bucket["base"]["doc_count"]]
    of_all = (bucket["key"] for bucket in sizes if bucket["count"] == aggregations["count"])
    return StoredNames(tuple(names), tuple(of_all), base[0] if len(base) == 1 else "")
