"""The comparison of a window with the same window a week before: drops and their intervals, for alerts.

Traffic and clicks follow the week, so the same hour of last week is the best single reference. A drop is computed only
if the labels of both windows are complete: enough coverage and maturity, and few lost lines. It needs no number of
positives. With few positives its interval is wide; if the interval does not hold 0, the drop is not chance. So clicks
that vanish are a drop, although no positive is left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from monitor_agent.metrics.document import MetricFields

METRICS = ("accuracy", "precision", "recall", "f1", "auc", "ctr", "positive_rate")
"""The metrics whose drop is computed."""

RELATIVE_METRICS = ("ctr", "positive_rate")
"""The metrics that have no natural scale: their drop is also given as a share of last week's value."""

SUFFIX, RELATIVE_SUFFIX = "_drop_vs_last_week", "_relative_drop_vs_last_week"
_ENDS = ("", "_low", "_high")
TRAFFIC = "predictions_vs_last_week"

NO_LAST_WEEK, NOT_ALERTABLE, LAST_WEEK_NOT_ALERTABLE = "no_last_week", "not_alertable", "last_week_not_alertable"
ZERO_LAST_WEEK = "zero_last_week"
FEW_POSITIVES, FEW_LABELS = "few_positives", "few_labels"
"""The reasons of `not_alertable` that leave the labels complete."""


def read_fields() -> list[str]:
    """Return the fields of last week's document that the comparison needs."""
    return ["predictions", "not_alertable", *(name + suffix for name in METRICS for suffix in _ENDS)]


def against_last_week(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> MetricFields:
    """Return the fields that compare a document with that of the same window a week before (None if it is missing).

    A drop is last week's value minus this week's value: above 0 is worse. Its interval combines the intervals of both
    values. A relative drop is the drop divided by last week's value. Undefined: ``no_last_week``; ``not_alertable`` or
    ``last_week_not_alertable`` if labels may be missing; ``zero_last_week``; or the metric's reason. Metrics that this
    week's document has not, because its predictions are of another kind, have no drop.

    Source: R. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in
    Medicine 17 (1998), method 10; G. Zou, A. Donner (MOVER), Statistics in Medicine 27 (2008), for other measures.

    >>> week = {"not_alertable": [], "predictions": 50, "f1": 0.5, "f1_low": 0.4, "f1_high": 0.6}
    >>> today = {"not_alertable": ["few_positives"], "predictions": 25, "f1": 0.2, "f1_low": 0.1, "f1_high": 0.3}
    >>> today["auc"] = None
    >>> fields = against_last_week(today, week)
    >>> round(fields["f1_drop_vs_last_week"], 3), round(fields["f1_drop_vs_last_week_low"], 3)
    (0.3, 0.159)
    >>> fields["predictions_vs_last_week"], fields["auc_drop_vs_last_week_undefined"]
    (0.5, 'no_value')
    """
    fields: MetricFields = {}
    if before and before["predictions"]:
        fields[TRAFFIC] = now["predictions"] / before["predictions"]
    else:
        fields |= {TRAFFIC: None, f"{TRAFFIC}_undefined": NO_LAST_WEEK}
    for name in METRICS:
        if name not in now:
            continue
        fields |= _drop(name, now, before)
    for name in RELATIVE_METRICS:
        if name not in now:
            continue
        fields |= _relative_drop(name, fields, before)
    return fields


def _drop(name: str, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> MetricFields:
    field = name + SUFFIX
    reason = _reason_of_undefined(name, now, before)
    if reason or before is None:
        return {field: None, f"{field}_low": None, f"{field}_high": None, f"{field}_undefined": reason}
    value, low, high = (now[name + suffix] for suffix in _ENDS)
    past, past_low, past_high = (before[name + suffix] for suffix in _ENDS)
    difference = past - value
    return {
        field: difference,
        f"{field}_low": difference - math.hypot(past - past_low, high - value),
        f"{field}_high": difference + math.hypot(past_high - past, value - low),
    }


def _relative_drop(name: str, fields: MetricFields, before: Mapping[str, Any] | None) -> MetricFields:
    field, drop = name + RELATIVE_SUFFIX, fields[name + SUFFIX]
    if before is None or not isinstance(drop, (int, float)):
        return {field: None, f"{field}_undefined": fields[f"{name}{SUFFIX}_undefined"]}
    if not before[name]:
        return {field: None, f"{field}_undefined": ZERO_LAST_WEEK}
    return {field: drop / before[name]}


def _reason_of_undefined(name: str, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    if before is None:
        return NO_LAST_WEEK
    if _may_miss_labels(now):
        return NOT_ALERTABLE
    if _may_miss_labels(before):
        return LAST_WEEK_NOT_ALERTABLE
    if any(document.get(name + suffix) is None for document in (now, before) for suffix in _ENDS):
        return str(now.get(f"{name}_undefined") or "no_value")
    return ""


def _may_miss_labels(document: Mapping[str, Any]) -> bool:
    return any(reason not in (FEW_POSITIVES, FEW_LABELS) for reason in document.get("not_alertable") or ())
