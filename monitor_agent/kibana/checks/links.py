"""Dashboards lead to each other by links in a text, and every link leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import SavedObject


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield links to dashboards that do not exist, and dashboards without a link to each other one."""
    dashboard = bundle.dashboard(saved)
    if dashboard is None:
        return
    linked = {link for panel in dashboard.panels for link in panel.links}
    known = {other.id for other in bundle.objects.values() if other.type == "dashboard"}
    yield from (f"a link leads to the dashboard {name}, which does not exist" for name in sorted(linked - known))
    yield from (f"no link leads to the dashboard {name}" for name in sorted(known - linked - {saved.id}))
