"""Lines that the pipeline refused because a feature was no number: by model, version, feature and time.

They have no prediction, so a version of which all lines are refused has no window: it is measured here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from monitor_agent.contracts.bounds import NUMBER
from monitor_agent.contracts.deadletter import DEADLETTERS, out_of_bounds
from monitor_agent.contracts.drift import NUMERIC
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway
from monitor_agent.metrics.data_quality import WRONG_TYPE, FeatureCounts, UsualValues, wrong_type_check
from monitor_agent.pipeline.broken_features import BrokenWindow
from monitor_agent.pipeline.counting import MAX_VERSIONS
from monitor_agent.pipeline.drift_references import DriftReference, valid_at
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


def refused_windows(
    gateway: Gateway, model: str, windows: Sequence[Window], references: Callable[[], Sequence[DriftReference]]
) -> list[BrokenWindow]:
    """Return the windows of versions in which a feature of the reference was no number in too many lines.

    Parameters
    ----------
    references : returns those of the model; called only if there are such lines.
    """
    rows = []
    for window, of_window in wrong_types(gateway, model, windows).items():
        reference = valid_at(references(), window.start) if of_window else None
        features = reference.features if reference else {}
        lines = {key: refused for key, refused in of_window.items() if key[1] in features}
        predictions = _predictions(gateway, model, window) if lines else {}
        for (version, feature), refused in lines.items():
            counts = FeatureCounts(predictions.get(version, 0), wrong_type=refused)
            check = wrong_type_check(counts, UsualValues(counts.predictions + refused))
            if check.is_broken and check.share is not None:
                rows.append(BrokenWindow(version, window.size, window.start, feature, WRONG_TYPE, check.share, 0.0))
    return rows


def _predictions(gateway: Gateway, model: str, window: Window) -> dict[str, int]:
    """Return the predictions of a window by version."""
    query = {"bool": {"filter": [{"term": {"model.name": model}}, within(window)]}}
    aggs = {"versions": {"terms": {"field": "model.version", "size": MAX_VERSIONS}}}
    body = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}
    answer = gateway.search(PREDICTIONS.alias, body).get("aggregations", {})
    return {bucket["key"]: bucket["doc_count"] for bucket in answer.get("versions", {}).get("buckets", ())}


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
