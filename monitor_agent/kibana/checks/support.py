"""Every operation of an object can be translated into a search, and its queries can be parsed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from monitor_agent.errors import MonitorError
from monitor_agent.kibana import dashboard_model
from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.panel_query import panel_query, panel_source
from monitor_agent.kibana.times import TimeRange, time_range

_NOW = datetime(2026, 3, 2, tzinfo=timezone.utc)
_CONTEXT = DashboardContext(TimeRange(_NOW - timedelta(days=1), _NOW))


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield operations and queries that cannot be translated."""
    try:
        if saved.type in ("lens", "search"):
            source = panel_source(saved)
            if isinstance(source, LensPanel) or source.view in bundle.views:
                panel_query(source, bundle.views, _CONTEXT)
        elif saved.type == "dashboard":
            dashboard = dashboard_model.dashboard(saved)
            dashboard.context(_CONTEXT.time)
            if dashboard.start:
                time_range(dashboard.start, dashboard.end, _NOW)
    except MonitorError as error:
        yield error.message
