"""The confusion counts and the funnel from predictions to labels: the counts of a window.

>>> from monitor_agent.metrics import WindowState
>>> {spec.name: spec.value(WindowState(tp=2, fn=1, tn=4)) for spec in SPECS}
{'n': 7, 'tp': 2, 'fp': 0, 'tn': 4, 'fn': 1}
"""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec

_LABEL_COUNTS = {
    "n": "predictions with a known label",
    "tp": "true positives: predicted 1, label 1",
    "fp": "false positives: predicted 1, label 0",
    "tn": "true negatives: predicted 0, label 0",
    "fn": "false negatives: predicted 0, label 1",
}

_FUNNEL_COUNTS = {
    "predictions": "predictions in the window",
    "shown": "predictions that were shown to someone",
    "mature": "shown predictions that are older than the attribution window",
    "matched": "feedback that counts for its prediction",
    "duplicate": "feedback that repeats other feedback, or that later feedback takes back or replaces",
    "too_late": "feedback outside the attribution window",
    "orphan": "feedback without a prediction",
    "clicks": "predictions with a click",
    "conversions": "predictions with a purchase",
    "requests": "requests answered with predictions",
    "errors": "requests refused or failed",
}


_ATTRIBUTES = {"shown": "impressions"}
"""Attributes of `WindowState` that the document stores under another name."""


def _count(name: str, text: str, label_free: bool) -> MetricSpec:
    is_binary = name in ("tp", "fp", "tn", "fn")
    attribute = _ATTRIBUTES.get(name, name)
    return MetricSpec(
        name,
        "count",
        text,
        lambda state: int(getattr(state, attribute)),
        range=(0, None),
        label_free=label_free,
        all_kinds=not is_binary,
        source="sklearn.metrics.confusion_matrix" if not label_free else "counted",
    )


FUNNEL_SPECS = tuple(_count(name, text, True) for name, text in _FUNNEL_COUNTS.items())
SPECS = tuple(_count(name, text, False) for name, text in _LABEL_COUNTS.items())
