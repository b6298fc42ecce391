"""The saved objects of a folder, read once, as the viewer uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor_agent.dashboards.panel_views import NO_DATA, Notice
from monitor_agent.errors import DataError, MonitorError
from monitor_agent.kibana.dashboard_model import Dashboard, DashboardPanel, dashboard
from monitor_agent.kibana.data_views import DataView, data_view
from monitor_agent.kibana.empty_panels import may_be_empty, meaning_of_empty
from monitor_agent.kibana.folder import read_objects
from monitor_agent.kibana.lens import LensPanel, lens_panel
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.saved_search import SavedSearch, saved_search

START, END = "now-24h", "now"
"""The time range of a dashboard that keeps its reader's."""


@dataclass(frozen=True)
class PanelDefinition:
    """What a panel of a dashboard shows: its object, or why it cannot be shown."""

    title: str
    description: str
    what: LensPanel | SavedSearch | MonitorError
    may_be_empty: bool

    @property
    def when_empty(self) -> Notice:
        """Return what stands in its place when it is empty."""
        said, good = meaning_of_empty(self.description) if self.may_be_empty else ("", False)
        return Notice(said or NO_DATA, "good" if good else "empty")


@dataclass(frozen=True)
class Library:
    """Dashboards in the order in which they link each other, data views by id, and all objects by type and id."""

    dashboards: Mapping[str, Dashboard]
    views: Mapping[str, DataView]
    objects: Mapping[tuple[str, str], SavedObject]

    def dashboard(self, name: str) -> Dashboard:
        """Return a dashboard by its id; DataError where there is none."""
        if name not in self.dashboards:
            raise DataError(f"no dashboard is called {name}", f"there are {', '.join(self.dashboards)}")
        return self.dashboards[name]

    def subject(self, shown: DashboardPanel) -> PanelDefinition:
        """Return what a panel shows."""
        saved = self.objects.get((shown.kind, shown.target))
        if saved is None:
            lost = DataError(f"{shown.kind}:{shown.target} does not exist")
            return PanelDefinition(shown.title or shown.target, "", lost, may_be_empty=False)
        what: LensPanel | SavedSearch | MonitorError
        try:
            what = lens_panel(saved) if saved.type == "lens" else saved_search(saved)
        except MonitorError as error:
            what = error
        return PanelDefinition(
            shown.title or saved.title, str(saved.attributes.get("description", "")), what, may_be_empty(saved)
        )


def read_library(folder: Path) -> Library:
    """Return the saved objects of `folder/objects`; DataError where one is broken or there is no dashboard."""
    found = {(saved.type, saved.id): saved for saved in read_objects(folder).values()}
    dashboards = {id_: dashboard(saved, strict=False) for (type_, id_), saved in found.items() if type_ == "dashboard"}
    if not dashboards:
        raise DataError(f"{folder} holds no dashboard", "set KIBANA_FOLDER")
    linked = [link for each in dashboards.values() for panel_ in each.panels for link in panel_.links]
    order = [name for name in dict.fromkeys([*linked, *dashboards]) if name in dashboards]
    return Library(
        dashboards={name: dashboards[name] for name in order},
        views={id_: data_view(saved) for (type_, id_), saved in found.items() if type_ == "index-pattern"},
        objects=found,
    )
