"""A chart draws only columns of its layers, and it draws every layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import SavedObject

_SINGLE = (
    "metricAccessor",
    "secondaryMetricAccessor",
    "maxAccessor",
    "minAccessor",
    "goalAccessor",
    "breakdownByAccessor",
    "xAccessor",
    "yAccessor",
    "valueAccessor",
    "splitAccessor",
)
_SEVERAL = ("accessors", "primaryGroups", "metrics")


def check(_bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield accessors that name no column, and layers that nothing draws."""
    if saved.type != "lens":
        return
    state = saved.attributes["state"]
    layers = state["datasourceStates"]["formBased"]["layers"]
    charts = state["visualization"].get("layers") or [state["visualization"]]
    used = set()
    for chart in charts:
        if chart.get("layerType") == "annotations":
            continue
        used.add(chart["layerId"])
        if chart["layerId"] not in layers:
            yield f"the layer {chart['layerId']} is drawn, but does not exist"
            continue
        for name in _columns(chart):
            if name not in layers[chart["layerId"]]["columns"]:
                yield f"the column {name} is drawn, but is not in the layer {chart['layerId']}"
    yield from (f"nothing draws the layer {name}" for name in layers.keys() - used)


def _columns(chart: Mapping[str, Any]) -> Iterator[str]:
    yield from (chart[name] for name in _SINGLE if chart.get(name))
    for name in _SEVERAL:
        yield from chart.get(name) or ()
    yield from (entry["forAccessor"] for entry in chart.get("yConfig") or ())
    yield from (entry["columnId"] for entry in chart.get("columns") or ())
    if chart.get("sorting"):
        yield chart["sorting"]["columnId"]
