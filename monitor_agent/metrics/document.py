"""The fields of the metrics document that follow from a window's state."""

from __future__ import annotations

import math
from collections.abc import Iterable

from monitor_agent.metrics._spec import ConfidenceInterval, FieldKind, MetricSpec, MetricValue, Undefined
from monitor_agent.metrics.window_state import WindowState

MetricFields = dict[str, float | int | str | None]


def measure_with(catalogue: Iterable[MetricSpec], state: WindowState) -> MetricFields:
    """Every metric of ``catalogue``, flat: value, ``_low`` and ``_high``, ``_undefined`` with the reason.

    A value is finite and in its range, or None; ``<name>_undefined`` is there exactly when the value is None, and is
    ``inconsistent_counts`` where counts read at different moments contradict each other.
    """
    found: MetricFields = {}
    for spec in catalogue:
        value = _value(spec, state)
        if isinstance(value, Undefined):
            found[spec.name] = None
            found[f"{spec.name}_undefined"] = value.reason
            interval: ConfidenceInterval | Undefined | None = value
        else:
            found[spec.name] = value
            interval = spec.interval(state) if spec.interval is not None else None
        if spec.interval is not None:
            known = interval if isinstance(interval, ConfidenceInterval) else None
            found[f"{spec.name}_low"] = known.low if known else None
            found[f"{spec.name}_high"] = known.high if known else None
    return found


def fields_of(catalogue: Iterable[MetricSpec]) -> dict[str, FieldKind]:
    """Every field that `measure_with` can write, with its kind."""
    found: dict[str, FieldKind] = {}
    for spec in catalogue:
        found |= spec.fields()
    return found


def _value(spec: MetricSpec, state: WindowState) -> MetricValue:
    if spec.kind != "count" and not spec.label_free and state.n == 0:
        return Undefined("no_samples")
    value = spec.value(state)
    if isinstance(value, Undefined) or spec.kind == "count":
        return value
    low = -math.inf if spec.range[0] is None else spec.range[0]
    high = math.inf if spec.range[1] is None else spec.range[1]
    # Rounding may leave the range by a hair; more means that the counts contradict each other.
    if not math.isfinite(value) or not low - 1e-9 <= value <= high + 1e-9:
        return Undefined("inconsistent_counts")
    return min(max(value, low), high)
