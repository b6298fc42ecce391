"""Lines that the pipeline refused because a feature was no number: by model, version, feature and time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitor_agent.contracts.bounds import NUMBER
from monitor_agent.contracts.deadletter import DEADLETTERS, out_of_bounds
from monitor_agent.contracts.drift import NUMERIC
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline.instants import Interval, within
from monitor_agent.pipeline.windows import Window

MOST_LETTERS = 1_000
"""So many lines of a window are read; if there are more, these stand for all of them."""

WrongTypes = dict[Window, dict[tuple[str, str], int]]
"""Window -> (version, feature) -> refused lines."""


def wrong_types(gateway: Gateway, model: str, windows: Sequence[Window]) -> WrongTypes:
    """Return how many lines of a model were refused for each feature, in windows without common time."""
    counts: WrongTypes = {}
    for window in _with_letters(gateway, windows):
        query = {"bool": {"filter": [_REFUSED, within(window)]}}
        body = {"size": MOST_LETTERS, "track_total_hits": True, "query": query, "_source": ["message"]}
        hits = gateway.search(DEADLETTERS.pattern, body)["hits"]
        lines = [line for hit in hits["hits"] for line in _lines(hit["_source"].get("message"))]
        total = max(1.0, hits["total"]["value"] / max(1, len(hits["hits"])))
        of_window = Counter(
            (version, f"{NUMERIC}.{name}")
            for line in lines
            for version in _version(line, model)
            for name, value in line["features"][NUMERIC].items()
            if not _is_number(value)
        )
        counts[window] = {key: round(total * count) for key, count in of_window.items()}
    return counts


_REFUSED = {"term": {"error.type": out_of_bounds("features.numeric")}}


def _with_letters(gateway: Gateway, windows: Sequence[Window]) -> Iterator[Window]:
    """Yield the windows that have such lines; nearly always there are none."""
    if not windows:
        return
    span = Interval(min(window.start for window in windows), max(window.end for window in windows))
    filters = {str(number): within(window) for number, window in enumerate(windows)}
    query = {"bool": {"filter": [_REFUSED, within(span)]}}
    aggs = {"windows": {"filters": {"filters": filters}}}
    body = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}
    answer = gateway.search(DEADLETTERS.pattern, body).get("aggregations", {})
    for number, bucket in answer.get("windows", {}).get("buckets", {}).items():
        if bucket["doc_count"]:
            yield windows[int(number)]


def _lines(text: Any) -> Iterator[Mapping[str, Any]]:
    try:
        line = json.loads(text)
    except (TypeError, ValueError):
        return
    features = line.get("features") if isinstance(line, Mapping) else None
    if isinstance(features, Mapping) and isinstance(features.get(NUMERIC), Mapping):
        yield line


def _version(line: Mapping[str, Any], model: str) -> Iterator[str]:
    origin = line.get("model")
    if isinstance(origin, Mapping) and origin.get("name") == model and isinstance(origin.get("version"), str):
        yield origin["version"]


def _is_number(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, (int, float)) and not isinstance(value, bool) and NUMBER.low <= value <= NUMBER.high
