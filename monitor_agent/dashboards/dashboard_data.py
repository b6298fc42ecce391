"""A dashboard with its data: every search in one request, an error only where it belongs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.dashboards.library import Library, PanelDefinition
from monitor_agent.dashboards.palette import colors_of
from monitor_agent.dashboards.panel_queries import Asked, LensQuestion, Question, question
from monitor_agent.dashboards.panel_views import Body, Notice, PanelView, Shown
from monitor_agent.errors import ElasticsearchError, MonitorError, UnsupportedPanelError
from monitor_agent.es.gateway import Gateway
from monitor_agent.kibana.dashboard_model import Dashboard
from monitor_agent.kibana.filters import conjunction, search_query
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.times import TimeRange

Told = dict[str, Any] | ElasticsearchError
Chosen = Mapping[str, Sequence[str]]
"""Control -> chosen values; a control that is not in it keeps what its dashboard opens with."""


@dataclass(frozen=True)
class Option:
    """A value that a control offers, and how many documents have it."""

    value: str
    count: int


@dataclass(frozen=True)
class DashboardData:
    """A dashboard's data.

    Attributes
    ----------
    pictures : by panel.
    options : by control; a text where they cannot be had.
    empty : no panel has found anything.
    extent : first and last moment of the data, in milliseconds, whatever the time range; None = there are none.
    """

    time: TimeRange
    pictures: Mapping[str, PanelView]
    options: Mapping[str, list[Option] | str]
    empty: bool
    extent: tuple[float, float] | None


def board(gateway: Gateway, library: Library, dashboard: Dashboard, time: TimeRange, chosen: Chosen) -> DashboardData:
    """Return a dashboard's data; ElasticsearchError where there is no answer at all."""
    context = dashboard.context(time, chosen)
    subjects = {panel.id: library.subject(panel) for panel in dashboard.panels if panel.kind in ("lens", "search")}
    asked: dict[str, Question | MonitorError] = {}
    for name, subject in subjects.items():
        try:
            asked[name] = question(subject, library, context)
        except MonitorError as error:
            asked[name] = error
    controls = [each for each in dashboard.controls if each.view in library.views]
    extent = _extent(library, dashboard, subjects.values())
    searches = [search for each in asked.values() if not isinstance(each, MonitorError) for search in each.searches]
    for control in controls:
        view = library.views[control.view]
        searches.append((view.index, dashboard.options(control, view, time, chosen)))
    told = iter(ask(gateway, searches + extent))
    found = {name: _read(each, told) for name, each in asked.items()}
    answered = [
        (each, shown)
        for name, each in asked.items()
        if not isinstance(each, MonitorError) and isinstance(shown := found[name], Shown)
    ]
    colors = colors_of(each.split_values(shown) for each, shown in answered if isinstance(each, LensQuestion))
    return DashboardData(
        time=time,
        pictures={name: _picture(subjects[name], asked[name], found[name], colors) for name in asked},
        options={control.id: _options(next(told)) for control in controls},
        empty=bool(answered) and not any(each.found(shown) for each, shown in answered),
        extent=_reach(next(told)) if extent else None,
    )


def ask(gateway: Gateway, searches: Sequence[Asked]) -> list[Told]:
    """Return the answer of each search, or why it has none; ElasticsearchError where nothing is answered."""
    if not searches:
        return []
    lines: list[Mapping[str, Any]] = []
    for index, body in searches:
        lines += [{"index": index, "ignore_unavailable": True, "allow_no_indices": True}, body]
    answers = gateway.call("read", lambda client: client.msearch(searches=lines).body["responses"])
    return [_refused(answer) if "error" in answer else answer for answer in answers]


def _refused(answer: Mapping[str, Any]) -> ElasticsearchError:
    error = answer["error"]
    cause = (error.get("root_cause") or [error])[0] if isinstance(error, Mapping) else {"reason": str(error)}
    reason = " ".join(str(cause.get("reason") or cause.get("type")).split())
    return ElasticsearchError(f"Elasticsearch refuses the search: {reason[:200]} (status {answer.get('status')})")


def _read(asked: Question | MonitorError, told: Iterator[Told]) -> Shown | MonitorError:
    if isinstance(asked, MonitorError):
        return asked
    answers = [next(told) for _ in asked.searches]
    failed = next((each for each in answers if isinstance(each, ElasticsearchError)), None)
    return failed or asked.read([each for each in answers if not isinstance(each, ElasticsearchError)])


def _picture(
    subject: PanelDefinition, asked: Question | MonitorError, found: Shown | MonitorError, colors: Mapping[str, str]
) -> PanelView:
    body: Body
    try:
        if isinstance(found, MonitorError) or isinstance(asked, MonitorError):
            raise found if isinstance(found, MonitorError) else asked  # type: ignore[misc]
        body = asked.draw(dataclasses.replace(found, colors=colors))
    except UnsupportedPanelError as error:
        body = Notice(str(error), "unsupported")
    except MonitorError as error:
        body = Notice(str(error), "error")
    if isinstance(body, Notice) and body.tone == "empty":
        body = subject.when_empty
    return PanelView(subject.title, subject.description, body)


def _extent(library: Library, dashboard: Dashboard, subjects: Iterable[PanelDefinition]) -> list[Asked]:
    """Return the search for the first and the last moment of what the dashboard's first panel is about."""
    names = [layer.view for each in subjects if isinstance(each.what, LensPanel) for layer in each.what.layers.values()]
    timed = [library.views[name] for name in names if name in library.views and library.views[name].time_field]
    if not timed:
        return []
    bounds = {name: {name: {"field": timed[0].time_field}} for name in ("min", "max")}
    query = conjunction(search_query(dashboard.query, dashboard.filters))
    return [(timed[0].index, {"size": 0, "track_total_hits": False, "query": query, "aggs": bounds})]


def _reach(answer: Told) -> tuple[float, float] | None:
    found = {} if isinstance(answer, ElasticsearchError) else answer.get("aggregations", {})
    first, last = (found.get(name, {}).get("value") for name in ("min", "max"))
    return None if first is None or last is None else (first, last)


def _options(answer: Told) -> list[Option] | str:
    if isinstance(answer, ElasticsearchError):
        return str(answer)
    buckets = answer.get("aggregations", {}).get("options", {}).get("buckets", [])
    return [Option(str(each.get("key_as_string", each["key"])), each["doc_count"]) for each in buckets]
