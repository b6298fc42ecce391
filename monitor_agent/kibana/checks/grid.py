"""A dashboard's panels lie on the grid of 48 columns, each with a name and a place of its own."""

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
            yield f"gridData.i of the panel {name} is {grid['i']}"
        if grid["x"] + grid["w"] > COLUMNS:
            yield f"the panel {name} reaches beyond the {COLUMNS} columns"
    for one, other in combinations(panels, 2):
        if _overlap(one["gridData"], other["gridData"]):
            yield f"the panels {one['panelIndex']} and {other['panelIndex']} overlap"


def _overlap(one: Grid, other: Grid) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not beside and not above
