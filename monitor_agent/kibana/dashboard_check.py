"""Every dashboard opened on a real Elasticsearch: what its panels ask, and which stay empty (pure but for `ask`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.alerting.conditions import alert_query, breaches
from monitor_agent.alerting.definitions import Alert
from monitor_agent.errors import DataError, UnsupportedPanelError
from monitor_agent.kibana import dashboard_model, lens, saved_search
from monitor_agent.kibana.dashboard_model import Dashboard
from monitor_agent.kibana.data_views import DataView, data_view
from monitor_agent.kibana.empty_panels import may_be_empty
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens_searches import annotation_searches, layer_searches
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.tables import Answer, Table, annotations_of, table
from monitor_agent.kibana.times import TimeRange, time_range
from monitor_agent.kibana.watches import fires, search_of, watch

Ask = Callable[[Sequence[tuple[str, Mapping[str, Any]]]], Sequence[Answer]]
"""Answers searches (index expression, body), in order; a refused one as `{"error": ...}`."""


@dataclass(frozen=True)
class Shown:
    """What one panel shows: its tables by layer, and how many events it marks."""

    panel: str
    tables: Mapping[str, Table]
    marked: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        return all(shown.empty for shown in self.tables.values())


@dataclass(frozen=True)
class Prepared:
    """What an object asks, and how its answers are read."""

    saved: SavedObject
    searches: Sequence[tuple[str, Mapping[str, Any]]]
    read: Callable[[Sequence[Answer]], Shown]


@dataclass(frozen=True)
class Problem:
    """A panel that cannot be shown, or is empty where it should not be."""

    place: str
    message: str


def dashboards_of(objects: Mapping[str, SavedObject]) -> list[Dashboard]:
    """Return all dashboards among the objects, by id."""
    found = [dashboard_model.dashboard(saved) for saved in objects.values() if saved.type == "dashboard"]
    return sorted(found, key=lambda each: each.id)


def check_dashboards(
    objects: Mapping[str, SavedObject],
    ask: Ask,
    now: datetime,
    shown: TimeRange | None = None,
    chosen: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Problem]:
    """Yield the problems of every panel of every dashboard, as it opens.

    Parameters
    ----------
    now : what the dashboards' time ranges are relative to.
    shown : a time range instead of theirs.
    chosen : control id -> values, instead of what is chosen when a dashboard opens.
    """
    by_key = {saved.key: saved for saved in objects.values()}
    views = views_of(objects)
    for dashboard in dashboards_of(objects):
        time = shown or time_range(dashboard.start, dashboard.end, now)
        context = dashboard.context(time, chosen)
        prepared: list[tuple[str, Prepared]] = []
        for panel in dashboard.panels:
            if panel.kind != "markdown":
                place = f"{dashboard.id}/{panel.id}"
                try:
                    prepared.append((place, prepare(by_key[f"{panel.kind}:{panel.target}"], views, context)))
                except (DataError, UnsupportedPanelError) as error:
                    yield Problem(place, str(error))
        # One request a dashboard: a panel alone takes a few milliseconds, a request as many again.
        answers = iter(ask([search for _, each in prepared for search in each.searches]))
        for place, each in prepared:
            found = [next(answers) for _ in each.searches]
            yield from (Problem(place, message) for message in _judged(each, found, time))


def _judged(prepared: Prepared, answers: Sequence[Answer], time: TimeRange) -> Iterator[str]:
    try:
        shown = prepared.read(_accepted(prepared.saved.key, answers))
    except DataError as error:
        yield str(error)
        return
    if shown.empty and not may_be_empty(prepared.saved):
        yield f"empty from {time.start:%Y-%m-%d %H:%M} to {time.end:%Y-%m-%d %H:%M} UTC"


def check_alert_searches(alerts: Iterable[Alert], ask: Ask, now: datetime) -> Iterator[Problem]:
    """Yield the problems of every alert and watch at `now`: a search that is refused, a condition it cannot read."""
    for alert in alerts:
        made = watch(alert)
        try:
            (answer,) = _accepted(f"alert {alert.id}", ask([alert_query(alert, now.isoformat())]))
            breaches(alert, answer)
            (answer,) = _accepted(f"watch {alert.id}", ask([search_of(made, now.isoformat())]))
            fires(made, answer)
        except DataError as error:
            yield Problem(f"watches/{alert.id}", str(error))


def views_of(objects: Mapping[str, SavedObject]) -> dict[str, DataView]:
    """Return the data views among the objects by id."""
    return {saved.id: data_view(saved) for saved in objects.values() if saved.type == "index-pattern"}


def show(saved: SavedObject, views: Mapping[str, DataView], context: DashboardContext, ask: Ask) -> Shown:
    """Return what a Lens panel or saved search shows; DataError where its search is refused."""
    prepared = prepare(saved, views, context)
    return prepared.read(_accepted(saved.key, ask(prepared.searches)))


def prepare(saved: SavedObject, views: Mapping[str, DataView], context: DashboardContext) -> Prepared:
    """Return the searches of a Lens panel or saved search; UnsupportedPanelError where it cannot be asked."""
    if saved.type == "search":
        search = saved_search.saved_search(saved)
        view = views[search.view]
        searches = [(view.index, search.body(view, context))]
        return Prepared(saved, searches, lambda found: Shown(saved.key, {"documents": search.table(view, found[0])}))
    panel = lens.lens_panel(saved)
    layers, marked = layer_searches(panel, views, context), annotation_searches(panel, views, context)

    def read(found: Sequence[Answer]) -> Shown:
        answers = iter(found)
        tables = {layer.layer.id: table(layer, [next(answers) for _ in layer.searches]) for layer in layers}
        drawn = {name: shown for name, shown in tables.items() if panel.layers[name].metrics}
        return Shown(saved.key, drawn, sum(len(annotations_of(each.query, next(answers))) for each in marked))

    wanted = [*(each for layer in layers for each in layer.searches), *(each.search for each in marked)]
    return Prepared(saved, [(search.index, search.body) for search in wanted], read)


def _accepted(key: str, answers: Sequence[Answer]) -> Sequence[Answer]:
    for answer in answers:
        if "error" in answer:
            raise DataError(f"{key}: Elasticsearch refuses its search", str(answer["error"])[:300])
    return answers
