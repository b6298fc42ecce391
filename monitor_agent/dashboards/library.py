"""The saved objects of a folder, read once, as the viewer and the reports use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitor_agent.dashboards.broken_objects import told_in_its_place
from monitor_agent.dashboards.panel_views import NO_DATA, Notice
from monitor_agent.errors import DataError, MonitorError
from monitor_agent.kibana.dashboard_model import Dashboard, DashboardPanel, dashboard
from monitor_agent.kibana.data_views import DataView, data_view
from monitor_agent.kibana.empty_panels import may_be_empty, meaning_of_empty
from monitor_agent.kibana.folder import readable_objects
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.panel_query import PanelSource, panel_source

START, END = "now-24h", "now"
"""The time range of a dashboard that stores none."""


@dataclass(frozen=True)
class PanelDefinition:
    """A panel of a dashboard: its title, its description and its object, or the reason why it cannot be shown."""

    title: str
    description: str
    source: PanelSource | MonitorError
    may_be_empty: bool

    @property
    def empty_notice(self) -> Notice:
        """Return the notice to show if the panel is empty."""
        meaning, good = meaning_of_empty(self.description) if self.may_be_empty else ("", False)
        return Notice(meaning or NO_DATA, "good" if good else "empty")


@dataclass(frozen=True)
class Library:
    """Dashboards in the order in which they link each other, data views by id, and all objects by type and id.

    Attributes
    ----------
    broken : the files and objects that cannot be read, with the reason.
    """

    dashboards: Mapping[str, Dashboard]
    views: Mapping[str, DataView]
    objects: Mapping[tuple[str, str], SavedObject]
    broken: Mapping[str, MonitorError] = field(default_factory=dict)

    def dashboard(self, name: str) -> Dashboard:
        """Return a dashboard by its id.

        Raises
        ------
        DataError
            If there is no such dashboard, or it is broken.
        """
        for key in (f"dashboard:{name}", f"objects/dashboard/{name}.json"):
            if key in self.broken:
                raise self.broken[key]
        if name not in self.dashboards:
            raise DataError(f"no dashboard is called {name}", f"there are {', '.join(self.dashboards)}")
        return self.dashboards[name]

    def definition(self, panel: DashboardPanel) -> PanelDefinition:
        """Return the definition of a panel that shows an object."""
        saved = self.objects.get((panel.kind, panel.target))
        if saved is None:
            missing = DataError(f"{panel.kind}:{panel.target} does not exist")
            return PanelDefinition(panel.title or panel.target, "", missing, may_be_empty=False)
        source: PanelSource | MonitorError
        try:
            with told_in_its_place(saved.key):
                source = panel_source(saved)
        except MonitorError as error:
            source = error
        description = str(saved.attributes.get("description", ""))
        return PanelDefinition(panel.title or saved.title, description, source, may_be_empty(saved))


def read_library(folder: Path) -> Library:
    """Return the saved objects of `folder/objects`; one that cannot be read is told, and the others are there.

    Raises
    ------
    DataError
        If there is no dashboard.
    """
    by_name, broken = readable_objects(folder)
    objects = {(saved.type, saved.id): saved for saved in by_name.values()}
    dashboards: dict[str, Dashboard] = {}
    views: dict[str, DataView] = {}
    for saved in objects.values():
        try:
            with told_in_its_place(saved.key):
                if saved.type == "dashboard":
                    dashboards[saved.id] = dashboard(saved, strict=False)
                elif saved.type == "index-pattern":
                    views[saved.id] = data_view(saved)
        except MonitorError as error:
            broken[saved.key] = error
    if not dashboards and not broken:
        raise DataError(f"{folder} holds no dashboard", "set KIBANA_FOLDER")
    links = [link for board in dashboards.values() for panel in board.panels for link in panel.links]
    order = [name for name in dict.fromkeys([*links, *dashboards]) if name in dashboards]
    return Library({name: dashboards[name] for name in order}, views, objects, broken)
