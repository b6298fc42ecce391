"""The time of all data, whatever range a page shows; and what is missing where a panel has nothing to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor_agent.contracts.curve import CURVES
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.drift import DRIFT
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.dashboards import formats
from monitor_agent.dashboards.library import Library, PanelDefinition
from monitor_agent.dashboards.panel_views import NO_DATA
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.search_outcomes import SearchOutcome
from monitor_agent.kibana.dashboard_model import Dashboard
from monitor_agent.kibana.filters import conjunction, search_query
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.searches import SearchRequest
from monitor_agent.kibana.times import TimeRange
from monitor_agent.pipeline.instants import in_calendar, milliseconds

Extent = tuple[float, float]
"""First and last moment of the documents of an index, in milliseconds."""
_OF_AGENT = {
    PERFORMANCE.pattern: "windows",
    CURVES.pattern: "curves of windows",
    DRIFT.pattern: "windows with drift",
    CYCLES.pattern: "cycles",
    VERDICTS.pattern: "verdicts",
}
"""Index pattern -> what the agent writes there."""


def extent_requests(
    library: Library, dashboard: Dashboard, definitions: Iterable[PanelDefinition]
) -> dict[str, SearchRequest]:
    """Return data view -> the search for its first and last moment; the first panel's comes first."""
    views = dict.fromkeys(view for definition in definitions for view in _views(definition))
    timed = [library.views[name] for name in views if name in library.views and library.views[name].time_field]
    requests = {}
    for view in timed:
        bounds = {name: {name: {"field": view.time_field}} for name in ("min", "max")}
        query = conjunction([*search_query(dashboard.query, dashboard.filters), in_calendar(view.time_field)])
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": bounds}
        requests[view.id] = SearchRequest(view.index, body)
    return requests


def extent_of(outcome: SearchOutcome) -> Extent | None:
    """Return the first and last moment of a response; None if there are no documents, or the search failed."""
    bounds = {} if isinstance(outcome, ElasticsearchError) else outcome.get("aggregations", {})
    first, last = (bounds.get(name, {}).get("value") for name in ("min", "max"))
    return None if first is None or last is None else (first, last)


def empty_reason(
    definition: PanelDefinition, library: Library, outcomes: Mapping[str, SearchOutcome], time: TimeRange
) -> str:
    """Return what is missing where a panel has nothing to show: the agent, documents, the range, or matches."""
    views = [name for name in _views(definition) if name in outcomes]
    if not views or any(isinstance(outcomes[name], ElasticsearchError) for name in views):
        return NO_DATA
    view = library.views[views[0]]
    kind = _OF_AGENT.get(view.index)
    extent = extent_of(outcomes[view.id])
    if extent is None:
        return f"No {kind} yet: run monitor-agent run" if kind else f"No {view.name.lower()} yet"
    first, last = extent
    if last < milliseconds(time.start) or first > milliseconds(time.end):
        stored = f"from {formats.date_text(first)} to {formats.moment_text(last)}"
        return f"{NO_DATA}; there are {kind or 'documents'} {stored}"
    return f"No {kind or 'documents'} with what this panel shows match the filters in this range"


def _views(definition: PanelDefinition) -> list[str]:
    source = definition.source
    return [layer.view for layer in source.layers.values()] if isinstance(source, LensPanel) else []
