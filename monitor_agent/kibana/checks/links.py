"""Every dashboard has links to all other dashboards, and every link leads to one."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import SavedObject


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield links to dashboards that do not exist, and other dashboards without a link to them."""
    dashboard = bundle.dashboard(saved)
    if dashboard is None:
        return
    linked = {link for panel in dashboard.panels for link in panel.links}
    existing = {other.id for other in bundle.objects.values() if other.type == "dashboard"}
    yield from (f"a link leads to the dashboard {name}, which does not exist" for name in sorted(linked - existing))
    yield from (f"no link leads to the dashboard {name}" for name in sorted(existing - linked - {saved.id}))
