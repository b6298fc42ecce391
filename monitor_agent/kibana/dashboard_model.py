"""Dashboards as typed values: panels on a grid, controls, filters, the time range (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor_agent.errors import DataError, MonitorError, UnsupportedPanelError
from monitor_agent.kibana.data_views import DataView
from monitor_agent.kibana.filters import DashboardContext, Query, conjunction, search_query, within
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.times import TimeRange

COLUMNS = 48
"""Columns of the grid."""

MOST_OPTIONS = 100
_LINK = re.compile(r"\]\(#/view/([^)?#]+)\)")


@dataclass(frozen=True)
class GridPosition:
    """Position and size of a panel on the grid of 48 columns."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True)
class DashboardPanel:
    """One panel of a dashboard.

    Attributes
    ----------
    kind : `lens`, `search`, `markdown`, or `unsupported`, with the reason as its text.
    target : id of the Lens or search object; empty for a text.
    title : the title of the panel; empty = that of its object.
    text : Markdown of a text panel; links to dashboards are `#/view/<id>`.
    """

    id: str
    kind: str
    position: GridPosition
    target: str = ""
    title: str = ""
    text: str = ""

    @property
    def links(self) -> tuple[str, ...]:
        """The ids of the dashboards that the text leads to."""
        return tuple(_LINK.findall(self.text))


@dataclass(frozen=True)
class Control:
    """A list of a field's values above the panels; the selected values filter the panels.

    Attributes
    ----------
    view : id of the data view that offers the values.
    selected : the values that are selected when the dashboard opens.
    """

    id: str
    title: str
    field: str
    view: str
    selected: tuple[str, ...]
    single: bool


@dataclass(frozen=True)
class Dashboard:
    """A dashboard.

    Attributes
    ----------
    start, end : the time range when it opens, as the time picker writes it; empty = the reader's range.
    refresh_seconds : how often it refreshes itself; 0 = not.
    """

    id: str
    title: str
    description: str
    panels: tuple[DashboardPanel, ...]
    controls: tuple[Control, ...]
    query: str
    filters: tuple[Mapping[str, Any], ...]
    start: str
    end: str
    refresh_seconds: float

    def context(self, time: TimeRange, chosen: Mapping[str, Sequence[str]] | None = None) -> DashboardContext:
        """Return the time range and the filters that apply to all panels.

        Parameters
        ----------
        chosen : control id -> chosen values; a control that is not in it keeps what it opens with.
        """
        return DashboardContext(time, (*self._dashboard_filters(), *self._chosen(self.controls, chosen or {})))

    def chosen_values(self, field: str, chosen: Mapping[str, Sequence[str]]) -> list[str]:
        """Return the values of a field that are chosen in its control; empty if all are."""
        controls = [control for control in self.controls if control.field == field]
        return [value for control in controls for value in chosen.get(control.id, control.selected)]

    def options(
        self, control: Control, view: DataView, time: TimeRange, chosen: Mapping[str, Sequence[str]]
    ) -> dict[str, Any]:
        """Return the search for the values of a control, most frequent first; the controls before it filter them."""
        before = self.controls[: self.controls.index(control)]
        narrowed = [*within(time, view.time_field), *self._dashboard_filters(), *self._chosen(before, chosen)]
        terms = {"field": control.field, "size": MOST_OPTIONS}
        return {
            "size": 0,
            "track_total_hits": False,
            "query": conjunction(narrowed),
            "aggs": {"options": {"terms": terms}},
        }

    def _dashboard_filters(self) -> list[Query]:
        return search_query(self.query, self.filters)

    @staticmethod
    def _chosen(controls: Sequence[Control], chosen: Mapping[str, Sequence[str]]) -> list[Query]:
        picked = [(control, chosen.get(control.id, control.selected)) for control in controls]
        return [{"terms": {control.field: list(values)}} for control, values in picked if values]


def dashboard(saved: SavedObject, *, strict: bool = True) -> Dashboard:
    """Return the dashboard of a saved object.

    Parameters
    ----------
    strict : raise UnsupportedPanelError for a panel that is not supported; else the panel itself shows the error.
    """
    attributes = saved.attributes
    try:
        source = attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]
        refresh = attributes.get("refreshInterval") or {"pause": True, "value": 0}
        restored = attributes.get("timeRestore", False)
        return Dashboard(
            id=saved.id,
            title=attributes["title"],
            description=attributes.get("description", ""),
            panels=tuple(_panel(saved, stored, strict=strict) for stored in attributes["panelsJSON"]),
            controls=_controls(saved),
            query=source.get("query", {}).get("query", ""),
            filters=tuple(source.get("filter", ())),
            start=attributes["timeFrom"] if restored else "",
            end=attributes["timeTo"] if restored else "",
            refresh_seconds=0.0 if refresh["pause"] else refresh["value"] / 1000,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{saved.key}: no dashboard, {error!r} is missing or wrong") from error


def _panel(saved: SavedObject, stored: Mapping[str, Any], *, strict: bool) -> DashboardPanel:
    grid, name, title = stored["gridData"], stored["panelIndex"], stored.get("title", "")
    position = GridPosition(*(int(grid[side]) for side in "xywh"))
    try:
        return _supported(saved, stored, DashboardPanel(name, str(stored["type"]), position, title=title))
    except (UnsupportedPanelError, DataError, KeyError, TypeError, AttributeError) as error:
        if strict:
            raise
        reason = str(error) if isinstance(error, MonitorError) else f"the panel {name} lacks or misuses {error!r}"
        return DashboardPanel(name, "unsupported", position, title=title, text=reason)


def _supported(saved: SavedObject, stored: Mapping[str, Any], panel: DashboardPanel) -> DashboardPanel:
    config = stored["embeddableConfig"]
    if panel.kind == "visualization" and config.get("savedVis", {}).get("type") == "markdown":
        return replace(panel, kind="markdown", text=config["savedVis"]["params"]["markdown"])
    if panel.kind not in ("lens", "search"):
        raise UnsupportedPanelError(saved.key, f"a panel of type {panel.kind}")
    for key in ("attributes", "timeRange", "query", "filters"):
        if config.get(key):
            raise UnsupportedPanelError(saved.key, f"`{key}` of the panel {panel.id}")
    return replace(panel, target=saved.target(f"{panel.id}:{stored.get('panelRefName', 'savedObjectRef')}"))


def _controls(saved: SavedObject) -> tuple[Control, ...]:
    stored = (saved.attributes.get("controlGroupInput") or {}).get("panelsJSON") or {}
    controls = []
    for name, control in sorted(stored.items(), key=lambda item: item[1]["order"]):
        if control["type"] != "optionsListControl":
            raise UnsupportedPanelError(saved.key, f"a control of type {control['type']}")
        config = control["explicitInput"]
        if config.get("exclude") or config.get("existsSelected"):
            raise UnsupportedPanelError(saved.key, "a control that excludes")
        controls.append(
            Control(
                id=name,
                title=config["title"],
                field=config["fieldName"],
                view=saved.target(f"controlGroup_{name}:optionsListDataView"),
                selected=tuple(config.get("selectedOptions") or ()),
                single=bool(config.get("singleSelect")),
            )
        )
    return tuple(controls)
