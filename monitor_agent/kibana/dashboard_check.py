"""Every dashboard and alert searched on a real Elasticsearch: which panels fail, and which are empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor_agent.alerting.conditions import alert_query, breaches
from monitor_agent.alerting.definitions import Alert
from monitor_agent.errors import DataError, UnsupportedPanelError
from monitor_agent.kibana.dashboard_model import Dashboard, dashboard
from monitor_agent.kibana.data_views import DataView, data_view
from monitor_agent.kibana.empty_panels import may_be_empty
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.panel_query import PanelQuery, panel_query, panel_source
from monitor_agent.kibana.searches import SearchRequest, SearchResponse
from monitor_agent.kibana.times import TimeRange, time_range
from monitor_agent.kibana.watches import fires, search_of, watch

SearchAll = Callable[[Sequence[SearchRequest]], Sequence[SearchResponse]]
"""Returns the responses to searches, in order; the response to a refused one is `{"error": ...}`."""


@dataclass(frozen=True)
class Problem:
    """A panel that cannot be shown, or is empty although it should not be."""

    place: str
    message: str


@dataclass(frozen=True)
class _PanelCheck:
    """A panel of a dashboard to check: its place, its object and its searches."""

    place: str
    saved: SavedObject
    query: PanelQuery


def dashboards_of(objects: Mapping[str, SavedObject]) -> list[Dashboard]:
    """Return all dashboards among the objects, by id."""
    dashboards = [dashboard(saved) for saved in objects.values() if saved.type == "dashboard"]
    return sorted(dashboards, key=lambda board: board.id)


def views_of(objects: Mapping[str, SavedObject]) -> dict[str, DataView]:
    """Return the data views among the objects by id."""
    return {saved.id: data_view(saved) for saved in objects.values() if saved.type == "index-pattern"}


def check_dashboards(
    objects: Mapping[str, SavedObject],
    search_all: SearchAll,
    now: datetime,
    time: TimeRange | None = None,
    control_values: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Problem]:
    """Yield the problems of every panel of every dashboard, as it opens.

    Parameters
    ----------
    now : the moment that the time ranges of the dashboards are relative to.
    time : a time range instead of theirs.
    control_values : control id -> values, instead of those that are selected when a dashboard opens.
    """
    by_key = {saved.key: saved for saved in objects.values()}
    views = views_of(objects)
    for board in dashboards_of(objects):
        dashboard_time = time or time_range(board.start, board.end, now)
        context = board.context(dashboard_time, control_values)
        checks: list[_PanelCheck] = []
        for panel in board.panels:
            if panel.kind == "markdown":
                continue
            place, key = f"{board.id}/{panel.id}", f"{panel.kind}:{panel.target}"
            try:
                if key not in by_key:
                    raise DataError(f"{key} does not exist")
                checks.append(_PanelCheck(place, by_key[key], panel_query(panel_source(by_key[key]), views, context)))
            except (DataError, UnsupportedPanelError) as error:
                yield Problem(place, str(error))
        # One request for a dashboard: a request takes as many milliseconds as a panel.
        responses = iter(search_all([request for check in checks for request in check.query.requests]))
        for check in checks:
            panel_responses = [next(responses) for _ in check.query.requests]
            yield from (
                Problem(check.place, message) for message in _panel_problems(check, panel_responses, dashboard_time)
            )


def _panel_problems(check: _PanelCheck, responses: Sequence[SearchResponse], time: TimeRange) -> Iterator[str]:
    try:
        data = check.query.read(_accepted(check.saved.key, responses))
    except DataError as error:
        yield str(error)
        return
    if data.empty and not may_be_empty(check.saved):
        yield f"empty from {time.start:%Y-%m-%d %H:%M} to {time.end:%Y-%m-%d %H:%M} UTC"


def check_alert_searches(alerts: Iterable[Alert], search_all: SearchAll, now: datetime) -> Iterator[Problem]:
    """Yield the alerts whose search is refused at `now`, or whose condition cannot be evaluated."""
    for alert in alerts:
        alert_watch = watch(alert)
        try:
            (response,) = _accepted(
                f"alert {alert.id}", search_all([SearchRequest(*alert_query(alert, now.isoformat()))])
            )
            breaches(alert, response)
            (response,) = _accepted(
                f"watch {alert.id}", search_all([SearchRequest(*search_of(alert_watch, now.isoformat()))])
            )
            fires(alert_watch, response)
        except DataError as error:
            yield Problem(f"watches/{alert.id}", str(error))


def _accepted(key: str, responses: Sequence[SearchResponse]) -> Sequence[SearchResponse]:
    for response in responses:
        if "error" in response:
            raise DataError(f"{key}: Elasticsearch refuses its search", str(response["error"])[:300])
    return responses
