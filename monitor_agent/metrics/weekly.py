"""How a window compares with the same window a week before: drops with their intervals, so that alerts only compare.

Traffic and clicks follow the week, so the same hour of last week is the fairest single reference. A drop is compared
only where both windows say enough (`alertable`); its interval without 0 tells it from chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from monitor_agent.metrics.document import MetricFields

METRICS = ("accuracy", "precision", "recall", "f1", "auc", "ctr")
"""The metrics whose drop is told."""

SUFFIX = "_drop_vs_last_week"
TRAFFIC = "predictions_vs_last_week"

NO_LAST_WEEK, NOT_ALERTABLE, LAST_WEEK_NOT_ALERTABLE = "no_last_week", "not_alertable", "last_week_not_alertable"


def read_fields() -> list[str]:
    """The fields that must be known of last week's document."""
    return ["predictions", "alertable", *(f"{name}{part}" for name in METRICS for part in ("", "_low", "_high"))]


def against_last_week(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> MetricFields:
    """The fields that compare a document with that of the same window a week before (None where there is none).

    A drop is last week's value minus this week's: above 0 is worse. Its interval is put together from those of both
    values. Undefined: ``no_last_week``, ``not_alertable``, ``last_week_not_alertable``, or what the metric itself is.

    Source: R. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in
    Medicine 17 (1998), method 10; G. Zou, A. Donner (MOVER), Statistics in Medicine 27 (2008), for other measures.

    >>> week = {"alertable": True, "predictions": 50, "f1": 0.5, "f1_low": 0.4, "f1_high": 0.6}
    >>> today = {"alertable": True, "predictions": 25, "f1": 0.2, "f1_low": 0.1, "f1_high": 0.3}
    >>> found = against_last_week(today, week)
    >>> round(found["f1_drop_vs_last_week"], 3), round(found["f1_drop_vs_last_week_low"], 3)
    (0.3, 0.159)
    >>> found["predictions_vs_last_week"], found["auc_drop_vs_last_week_undefined"]
    (0.5, 'no_value')
    """
    found: MetricFields = {}
    if before and before["predictions"]:
        found[TRAFFIC] = now["predictions"] / before["predictions"]
    else:
        found |= {TRAFFIC: None, f"{TRAFFIC}_undefined": NO_LAST_WEEK}
    for name in METRICS:
        found |= _drop(name, now, before)
    return found


def _drop(name: str, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> MetricFields:
    field = name + SUFFIX
    reason = _why_not(name, now, before)
    if reason or before is None:
        return {field: None, f"{field}_low": None, f"{field}_high": None, f"{field}_undefined": reason}
    value, low, high = (now[name + part] for part in ("", "_low", "_high"))
    past, past_low, past_high = (before[name + part] for part in ("", "_low", "_high"))
    difference = past - value
    return {
        field: difference,
        f"{field}_low": difference - math.hypot(past - past_low, high - value),
        f"{field}_high": difference + math.hypot(past_high - past, value - low),
    }


def _why_not(name: str, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    if before is None:
        return NO_LAST_WEEK
    if not now["alertable"]:
        return NOT_ALERTABLE
    if not before["alertable"]:
        return LAST_WEEK_NOT_ALERTABLE
    if any(each.get(name + part) is None for each in (now, before) for part in ("", "_low", "_high")):
        return str(now.get(f"{name}_undefined") or "no_value")
    return ""
