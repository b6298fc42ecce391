"""What a chart draws are columns of its layers, and every layer is drawn."""

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
    drawn = state["visualization"].get("layers") or [state["visualization"]]
    used = set()
    for part in drawn:
        if part.get("layerType") == "annotations":
            continue
        used.add(part["layerId"])
        if part["layerId"] not in layers:
            yield f"the layer {part['layerId']} is drawn, but does not exist"
            continue
        for name in _columns(part):
            if name not in layers[part["layerId"]]["columns"]:
                yield f"the column {name} is drawn, but is not in the layer {part['layerId']}"
    yield from (f"nothing draws the layer {name}" for name in layers.keys() - used)


def _columns(part: Mapping[str, Any]) -> Iterator[str]:
    yield from (part[name] for name in _SINGLE if part.get(name))
    for name in _SEVERAL:
        yield from part.get(name) or ()
    yield from (entry["forAccessor"] for entry in part.get("yConfig") or ())
    yield from (entry["columnId"] for entry in part.get("columns") or ())
    if part.get("sorting"):
        yield part["sorting"]["columnId"]
