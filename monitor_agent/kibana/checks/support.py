"""Every operation of an object can be translated into a search, and its queries can be parsed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from monitor_agent.errors import MonitorError
from monitor_agent.kibana import dashboard_model, lens, saved_search
from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens_searches import annotation_searches, layer_searches
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.times import TimeRange, time_range

_NOW = datetime(2026, 3, 2, tzinfo=timezone.utc)
_CONTEXT = DashboardContext(TimeRange(_NOW - timedelta(days=1), _NOW))


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield operations and queries that cannot be translated."""
    try:
        if saved.type == "lens":
            panel = lens.lens_panel(saved)
            layer_searches(panel, bundle.views, _CONTEXT)
            annotation_searches(panel, bundle.views, _CONTEXT)
        elif saved.type == "search":
            search = saved_search.saved_search(saved)
            if search.view in bundle.views:
                search.body(bundle.views[search.view], _CONTEXT)
        elif saved.type == "dashboard":
            dashboard = dashboard_model.dashboard(saved)
            dashboard.context(_CONTEXT.time)
            if dashboard.start:
                time_range(dashboard.start, dashboard.end, _NOW)
    except MonitorError as error:
        yield error.message
