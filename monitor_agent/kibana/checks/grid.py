"""The panels of a dashboard lie on the grid of 48 columns, without overlaps, and have different names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.dashboard_model import COLUMNS
from monitor_agent.kibana.objects import SavedObject

Grid = Mapping[str, int]


def check(_bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield panels outside the grid, on top of each other, or with a name used twice."""
    if saved.type != "dashboard":
        return
    panels = saved.attributes["panelsJSON"]
    names = Counter(panel["panelIndex"] for panel in panels)
    yield from (f"two panels are named {name}" for name, count in names.items() if count > 1)
    for panel in panels:
        name, grid = panel["panelIndex"], panel["gridData"]
        if grid["i"] != name:
            yield f"gridData.i of the panel {name} must be {name}, not {grid['i']}"
        if grid["x"] + grid["w"] > COLUMNS:
            yield f"the panel {name} reaches beyond the {COLUMNS} columns"
    for first, second in combinations(panels, 2):
        if _overlap(first["gridData"], second["gridData"]):
            yield f"the panels {first['panelIndex']} and {second['panelIndex']} overlap"


def _overlap(first: Grid, second: Grid) -> bool:
    side_by_side = first["x"] + first["w"] <= second["x"] or second["x"] + second["w"] <= first["x"]
    stacked = first["y"] + first["h"] <= second["y"] or second["y"] + second["h"] <= first["y"]
    return not side_by_side and not stacked
