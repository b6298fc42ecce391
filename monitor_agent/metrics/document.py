"""Computes the fields of the metrics document from a window's state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from monitor_agent.metrics._spec import ConfidenceInterval, FieldKind, MetricSpec, MetricValue, Undefined
from monitor_agent.metrics.window_state import WindowState

MetricFields = dict[str, float | int | str | None]


def measure_with(catalogue: Iterable[MetricSpec], state: WindowState) -> MetricFields:
    """Return the fields of all metrics of ``catalogue``: value, ``_low`` and ``_high``, ``_undefined`` with the reason.

    A value is finite and in its range, or None. If and only if it is None, ``<name>_undefined`` holds the reason: it is
    the kind of the predictions if the metric is not of this kind, ``mixed_kinds`` if there are several kinds,
    ``inconsistent_counts`` if counts contradict each other because they were read at different moments, and
    ``infinite_sum`` if a sum is too large for a float.
    """
    fields: MetricFields = {}
    kind = state.kind
    for entry in catalogue:
        chosen = entry.for_kind(kind)
        spec = entry if isinstance(chosen, Undefined) else chosen
        value = chosen if isinstance(chosen, Undefined) else _value(spec, state)
        if isinstance(value, Undefined):
            fields[spec.name] = None
            fields[f"{spec.name}_undefined"] = value.reason
            interval: ConfidenceInterval | Undefined | None = value
        else:
            fields[spec.name] = value
            interval = _interval(spec, state)
        if spec.interval is not None:
            defined = interval if isinstance(interval, ConfidenceInterval) else None
            fields[f"{spec.name}_low"] = defined.low if defined else None
            fields[f"{spec.name}_high"] = defined.high if defined else None
    return fields


def of_own_kind(catalogue: Iterable[MetricSpec], fields: Mapping[str, Any], kind: str | None) -> MetricFields:
    """Return the fields without those of metrics of other kinds, which are null: one reason stands for them all.

    Parameters
    ----------
    catalogue : the metrics that the fields are of.
    kind : as `kind_of` returns it; None = there are no predictions, so the metrics of all kinds are left out.
    """
    foreign = {
        name
        for spec in catalogue
        if not spec.is_of(kind)
        for end in ("", "_low", "_high", "_undefined")
        if (name := spec.name + end) in fields
    }
    return {name: value for name, value in fields.items() if name not in foreign}


def fields_of(catalogue: Iterable[MetricSpec]) -> dict[str, FieldKind]:
    """Return all fields that `measure_with` can write, with their kinds."""
    kinds: dict[str, FieldKind] = {}
    for spec in catalogue:
        kinds |= spec.fields()
    return kinds


def _value(spec: MetricSpec, state: WindowState) -> MetricValue:
    if spec.kind != "count" and not spec.label_free and spec.samples(state) == 0:
        return Undefined("no_samples")
    try:
        value = spec.value(state)
    except OverflowError:
        return Undefined("infinite_sum")
    if isinstance(value, Undefined) or spec.kind == "count":
        return value
    low = -math.inf if spec.range[0] is None else spec.range[0]
    high = math.inf if spec.range[1] is None else spec.range[1]
    # Rounding may leave the range a little; a larger distance means that the counts contradict each other.
    if not math.isfinite(value) or not low - 1e-9 <= value <= high + 1e-9:
        return Undefined("inconsistent_counts")
    return min(max(value, low), high)


def _interval(spec: MetricSpec, state: WindowState) -> ConfidenceInterval | Undefined | None:
    try:
        return spec.interval(state) if spec.interval is not None else None
    except OverflowError:
        return Undefined("infinite_sum")
