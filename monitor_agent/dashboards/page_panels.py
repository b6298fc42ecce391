"""The panels of a page before their data arrive, and the heights of its rows (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor_agent.dashboards import markdown
from monitor_agent.dashboards.library import Library
from monitor_agent.errors import MonitorError
from monitor_agent.kibana.dashboard_model import Dashboard, GridPosition
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelSource
from monitor_agent.kibana.saved_search import SavedSearch


@dataclass(frozen=True)
class PagePanel:
    """A panel of a page.

    Attributes
    ----------
    kind : `data`, `text` or `unsupported`.
    html : its text; empty if it has data.
    view, query : the data view of the documents behind it, and the KQL that they match.
    low : whether it shows tiles, a table or a text, which may be lower than the panel is in Kibana.
    """

    id: str
    kind: str
    position: GridPosition
    title: str
    description: str
    html: str
    view: str = ""
    query: str = ""
    low: bool = False


def page_panels(library: Library, dashboard: Dashboard, address_of: Callable[[str], str]) -> list[PagePanel]:
    """Return the panels of a dashboard, from top to bottom.

    Parameters
    ----------
    address_of : id of a dashboard -> the address of its page.
    """

    def address(name: str) -> str | None:
        return address_of(name) if name in library.dashboards else None

    panels = []
    for panel in sorted(dashboard.panels, key=lambda panel: (panel.position.y, panel.position.x)):
        view, query, low = "", "", panel.kind == "markdown"
        if panel.kind in ("lens", "search"):
            definition = library.definition(panel)
            kind, title, description, html = "data", definition.title, definition.description, ""
            view, query = _documents_of(definition.source)
            low = _is_low(definition.source)
        elif panel.kind == "markdown":
            kind, title, description, html = "text", panel.title, "", markdown.to_html(panel.text, address)
        else:
            kind, title, description, html = "unsupported", panel.title, "", panel.text
        panels.append(PagePanel(panel.id, kind, panel.position, title, description, html, view, query, low))
    return panels


def row_sizes(panels: Sequence[PagePanel]) -> str:
    """Return the heights of the rows of Kibana's grid, for CSS: those without a chart fit their panels.

    >>> place = lambda y, h, low: PagePanel("", "data", GridPosition(0, y, 24, h), "", "", "", low=low)
    >>> row_sizes([place(0, 8, True), place(0, 8, True), place(8, 11, False), place(10, 9, True)])
    'repeat(8, auto) repeat(11, 20px)'
    """
    bands: list[tuple[int, int, bool]] = []
    for panel in sorted(panels, key=lambda panel: panel.position.y):
        start, end = panel.position.y, panel.position.y + panel.position.h
        last = bands[-1][1] if bands else 0
        if bands and start < last:
            bands[-1] = (bands[-1][0], max(last, end), bands[-1][2] and panel.low)
        else:
            bands += [(last, start, False)] if start > last else []
            bands.append((start, end, panel.low))
    return " ".join(f"repeat({end - start}, {'auto' if low else '20px'})" for start, end, low in bands)


def _is_low(source: PanelSource | MonitorError) -> bool:
    return isinstance(source, SavedSearch) or (
        isinstance(source, LensPanel) and source.visualization in ("lnsMetric", "lnsDatatable")
    )


def _documents_of(source: PanelSource | MonitorError) -> tuple[str, str]:
    """Return the data view of the documents behind a panel, and the KQL that they match."""
    if isinstance(source, SavedSearch):
        return source.view, source.query
    if isinstance(source, LensPanel) and source.layers:
        return next(iter(source.layers.values())).view, source.query
    return "", ""
