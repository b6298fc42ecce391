"""A dashboard's panels lie on the grid of 48 columns, each in its own place, the first at the top left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from monitor_agent.kibana.checks._base import Bundle
from monitor_agent.kibana.dashboards import COLUMNS, Place
from monitor_agent.kibana.objects import SavedObject


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield panels outside the grid, on top of each other, or with a name used twice."""
    dashboard = bundle.dashboard(saved)
    if dashboard is None:
        return
    panels = dashboard.panels
    yield from (f"two panels are named {name}" for name, n in Counter(each.id for each in panels).items() if n > 1)
    for stored in saved.attributes["panelsJSON"]:
        if stored["gridData"]["i"] != stored["panelIndex"]:
            yield f"gridData.i of the panel {stored['panelIndex']} is {stored['gridData']['i']}"
    for panel in panels:
        if panel.place.x + panel.place.w > COLUMNS:
            yield f"the panel {panel.id} reaches beyond the {COLUMNS} columns"
    for one, other in combinations(panels, 2):
        if _overlap(one.place, other.place):
            yield f"the panels {one.id} and {other.id} overlap"


def _overlap(one: Place, other: Place) -> bool:
    beside = one.x + one.w <= other.x or other.x + other.w <= one.x
    above = one.y + one.h <= other.y or other.y + other.h <= one.y
    return not beside and not above
