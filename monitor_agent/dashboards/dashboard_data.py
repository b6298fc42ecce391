"""A dashboard with its data: all searches in one request, and a failure only in the panel that it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor_agent.contracts.release import RELEASES
from monitor_agent.dashboards.broken_objects import told_in_its_place
from monitor_agent.dashboards.extents import empty_reason, extent_of, extent_requests
from monitor_agent.dashboards.free_filter import free_filter
from monitor_agent.dashboards.joined_outcomes import joined_outcomes
from monitor_agent.dashboards.library import Library, PanelDefinition
from monitor_agent.dashboards.merged_states import (
    MergedRange,
    counting,
    few_enough,
    is_merged,
    read_states,
    state_searches,
    with_merged,
)
from monitor_agent.dashboards.palette import colors_of
from monitor_agent.dashboards.panel_alerts import strip_of_panel
from monitor_agent.dashboards.panel_views import NO_DATA, Chart, Notice, PanelBody, PanelView
from monitor_agent.dashboards.rendering import render, split_values
from monitor_agent.dashboards.stored_names import stored_names
from monitor_agent.dashboards.strip_layers import with_strip
from monitor_agent.dashboards.time_strip import TimeStrip, read_strip, strip_searches
from monitor_agent.dashboards.visible_text import visible
from monitor_agent.errors import ElasticsearchError, MonitorError, PartialResultsError, UnsupportedPanelError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.search_outcomes import SearchOutcome, search_outcomes
from monitor_agent.kibana.dashboard_model import Control, Dashboard
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import LensPanelQuery, PanelData, PanelQuery, PanelSource, panel_query
from monitor_agent.kibana.searches import SearchRequest, SearchResponse
from monitor_agent.kibana.times import TimeRange

ControlValues = Mapping[str, Sequence[str]]
"""Control id -> selected values; a control that is not in it keeps the values that its dashboard opens with."""


@dataclass(frozen=True)
class Option:
    """A value that a control offers, the same as text for people, and the number of documents that have it."""

    value: str
    text: str
    count: int


@dataclass(frozen=True)
class DashboardData:
    """A dashboard's data.

    Attributes
    ----------
    panels : the view of each panel, by its id.
    options : control id -> its values, or a text that says why they are not available.
    empty : whether no panel has any data in the time range.
    extent : first and last moment of all data, whatever the time range, in milliseconds; None if there are no data.
    """

    time: TimeRange
    panels: Mapping[str, PanelView]
    options: Mapping[str, list[Option] | str]
    empty: bool
    extent: tuple[float, float] | None


@dataclass(frozen=True)
class _Panel:
    """A panel on its way from definition to data: `data` is None until its searches are answered."""

    definition: PanelDefinition
    query: PanelQuery | None
    data: PanelData | None = None
    error: MonitorError | None = None


@dataclass(frozen=True)
class _Page:
    """What all panels of a page share: its dashboard, colours by name, the strip, and why a panel is empty."""

    dashboard: str
    colors: Mapping[str, str]
    strip: TimeStrip
    reason: Callable[[PanelDefinition], str]


def dashboard_data(
    gateway: Gateway,
    library: Library,
    dashboard: Dashboard,
    time: TimeRange,
    control_values: ControlValues,
    kql: str = "",
) -> DashboardData:
    """Return a dashboard's data.

    Parameters
    ----------
    kql : a text in the Kibana query language that all documents must match; empty for none.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch does not respond at all.
    DataError
        If the KQL is none, or names a field that no index of the dashboard has.
    """
    facts = stored_names(gateway)
    filters = (*dashboard.context(time, control_values).filters, *free_filter(kql, library, dashboard))
    context = DashboardContext(time, filters, facts.window_sizes, facts.base_window)
    prepared = _prepared_panels(library, dashboard, context)
    controls = [control for control in dashboard.controls if control.view in library.views]
    requests = [request for panel in prepared.values() if panel.query for request in panel.query.requests]
    requests += [_options_request(library, dashboard, control, time, control_values) for control in controls]
    strip_of = strip_searches(dashboard, time, control_values)
    merges = any(is_merged(panel.definition.source) for panel in prepared.values())
    states = state_searches(context) if merges else []
    extents = extent_requests(library, dashboard, [panel.definition for panel in prepared.values()])
    outcomes = iter(joined_outcomes(gateway, [*requests, *strip_of.requests, *counting(states), *extents.values()]))
    panels = {name: _with_data(panel, outcomes) for name, panel in prepared.items()}
    colors = colors_of(
        (
            split_values(panel.query.panel, panel.data)
            for panel in panels.values()
            if isinstance(panel.query, LensPanelQuery) and panel.data
        ),
        facts.names,
    )
    options = {control.id: _options(next(outcomes)) for control in controls}
    strip = read_strip(strip_of, [next(outcomes) for _ in strip_of.requests])
    if states:
        panels = _merged_panels(gateway, panels, states, [next(outcomes) for _ in states])
    spans = {view: next(outcomes) for view in extents}
    span = next(iter(spans.values()), None)
    page = _Page(dashboard.id, colors, strip, lambda definition: empty_reason(definition, library, spans, time))
    return DashboardData(
        time=time,
        panels={name: _view(panel, page) for name, panel in panels.items()},
        options=options,
        empty=_is_empty(panels.values()) and not isinstance(span, ElasticsearchError),
        extent=extent_of(span) if span else None,
    )


def _prepared_panels(library: Library, dashboard: Dashboard, context: DashboardContext) -> dict[str, _Panel]:
    prepared = {}
    for panel in dashboard.panels:
        if panel.kind not in ("lens", "search"):
            continue
        definition = library.definition(panel)
        if isinstance(definition.source, MonitorError):
            prepared[panel.id] = _Panel(definition, None, error=definition.source)
            continue
        try:
            with told_in_its_place(f"{panel.kind}:{panel.target}"):
                source = _without_releases(definition.source)
                prepared[panel.id] = _Panel(definition, panel_query(source, library.views, context))
        except MonitorError as error:
            prepared[panel.id] = _Panel(definition, None, error=error)
    return prepared


def _without_releases(source: PanelSource) -> PanelSource:
    """Return a panel without marks of its own for releases: the strip has those of the chosen model, for all charts."""
    if not isinstance(source, LensPanel):
        return source
    return replace(source, annotations=tuple(marks for marks in source.annotations if marks.view != RELEASES.name))


def _with_data(panel: _Panel, outcomes: Iterator[SearchOutcome]) -> _Panel:
    """Return a panel with the data of the next outcomes, or with the error of the first search that failed."""
    if panel.query is None:
        return panel
    responses: list[SearchResponse] = []
    errors: list[MonitorError] = []
    for _ in panel.query.requests:
        outcome = next(outcomes)
        if isinstance(outcome, ElasticsearchError):
            errors.append(outcome)
        else:
            responses.append(outcome)
    if errors:
        return _Panel(panel.definition, panel.query, error=errors[0])
    try:
        with told_in_its_place(panel.definition.title):
            return _Panel(panel.definition, panel.query, panel.query.read(responses))
    except MonitorError as error:
        return _Panel(panel.definition, panel.query, error=error)


def _merged_panels(
    gateway: Gateway, panels: dict[str, _Panel], searches: Sequence[SearchRequest], counts: Sequence[SearchOutcome]
) -> dict[str, _Panel]:
    """Return panels with merged values; the states are read only if there are rows for them, and not too many."""
    if not any(_has_merged_rows(panel) for panel in panels.values()):
        return panels
    sent = [search for search, count in zip(searches, counts, strict=True) if few_enough(count)]
    read = iter(search_outcomes(gateway, sent))
    merged = read_states([next(read) if few_enough(count) else count for count in counts])
    return {name: _with_merged_values(panel, merged) for name, panel in panels.items()}


def _has_merged_rows(panel: _Panel) -> bool:
    tables = panel.data.tables.values() if panel.data and is_merged(panel.definition.source) else ()
    return any(table.rows for table in tables)


def _with_merged_values(panel: _Panel, merged: MergedRange) -> _Panel:
    source = panel.definition.source
    if panel.data is None or not isinstance(source, LensPanel) or not is_merged(source):
        return panel
    return replace(panel, data=with_merged(source, panel.data, merged))


def _view(panel: _Panel, page: _Page) -> PanelView:
    definition = panel.definition
    return PanelView(definition.title, definition.description, _body(panel, page))


def _body(panel: _Panel, page: _Page) -> PanelBody:
    if panel.query is None or panel.data is None:
        return _error_notice(panel.error)
    data = panel.data
    if not data.layers_in_other_time:
        data = replace(data, annotations=(*data.annotations, *page.strip.releases))
    try:
        with told_in_its_place(panel.definition.title):
            body = render(panel.query, data, page.colors)
            if isinstance(body, Chart) and body.time and not data.layers_in_other_time:
                strip = strip_of_panel(page.strip, page.dashboard, panel.definition.source, data)
                body = with_strip(body, strip, data.time)
    except MonitorError as error:
        return _error_notice(error)
    if not isinstance(body, Notice) or body.tone != "empty":
        return body
    notice = panel.definition.empty_notice
    return replace(notice, text=page.reason(panel.definition)) if notice.text == NO_DATA else notice


def _error_notice(error: MonitorError | None) -> Notice:
    tones = {UnsupportedPanelError: "unsupported", PartialResultsError: "incomplete"}
    text = _not_read(error) if isinstance(error, ElasticsearchError) else str(error)
    return Notice(text, next((tone for kind, tone in tones.items() if isinstance(error, kind)), "error"))


def _not_read(error: ElasticsearchError) -> str:
    """Return what stands in the place of numbers that could not be read; never "no data"."""
    return f"Not read: {error}"


def _is_empty(panels: Iterable[_Panel]) -> bool:
    """Return whether no panel has data; if a panel could not be read, the answer is unknown and counts as no."""
    panels = list(panels)
    answered = [panel.data for panel in panels if panel.data]
    unread = any(isinstance(panel.error, ElasticsearchError) for panel in panels)
    return bool(answered) and not unread and all(data.only_zeros for data in answered)


def _options_request(
    library: Library, dashboard: Dashboard, control: Control, time: TimeRange, control_values: ControlValues
) -> SearchRequest:
    view = library.views[control.view]
    return SearchRequest(view.index, dashboard.options(control, view, time, control_values))


def _options(outcome: SearchOutcome) -> list[Option] | str:
    if isinstance(outcome, ElasticsearchError):
        return _not_read(outcome)
    buckets = outcome.get("aggregations", {}).get("options", {}).get("buckets", [])
    values = ((str(bucket.get("key_as_string", bucket["key"])), bucket["doc_count"]) for bucket in buckets)
    return [Option(value, visible(value), count) for value, count in values]
