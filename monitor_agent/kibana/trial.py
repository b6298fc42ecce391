"""Every dashboard opened on a real Elasticsearch: what its panels ask, and which stay empty (pure but for `ask`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.errors import DataError, UnsupportedPanelError
from monitor_agent.kibana import dashboards, lens, saved_search
from monitor_agent.kibana.answers import Answer, Table, marks, table
from monitor_agent.kibana.dashboards import Dashboard
from monitor_agent.kibana.data_views import DataView, data_view
from monitor_agent.kibana.filters import Context
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.times import TimeRange, time_range
from monitor_agent.kibana.translation import layer_searches, mark_searches

Ask = Callable[[Sequence[tuple[str, Mapping[str, Any]]]], Sequence[Answer]]
"""Answers searches (index expression, body), in order; a refused one as `{"error": ...}`."""

MAY_BE_EMPTY = "may-be-empty"
"""The tag of objects that show trouble, or what not every client sends: without any, they are empty."""


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
class Problem:
    """A panel that cannot be shown, or is empty where it should not be."""

    place: str
    message: str


def dashboards_of(objects: Mapping[str, SavedObject]) -> list[Dashboard]:
    """Return all dashboards among the objects, by id."""
    found = [dashboards.dashboard(saved) for saved in objects.values() if saved.type == "dashboard"]
    return sorted(found, key=lambda each: each.id)


def trial(
    objects: Mapping[str, SavedObject], ask: Ask, now: datetime, chosen: TimeRange | None = None
) -> Iterator[Problem]:
    """Yield the problems of every panel of every dashboard, as it opens.

    Parameters
    ----------
    now : what the dashboards' time ranges are relative to.
    chosen : a time range instead of theirs.
    """
    by_key = {saved.key: saved for saved in objects.values()}
    for dashboard in dashboards_of(objects):
        time = chosen or time_range(dashboard.start, dashboard.end, now)
        context = dashboard.context(time)
        for panel in dashboard.panels:
            if panel.kind == "markdown":
                continue
            place = f"{dashboard.id}/{panel.id}"
            saved = by_key[f"{panel.kind}:{panel.target}"]
            try:
                shown = show(saved, views_of(objects), context, ask)
            except (DataError, UnsupportedPanelError) as error:
                yield Problem(place, str(error))
                continue
            if shown.empty and not any(each.id == MAY_BE_EMPTY for each in saved.references):
                yield Problem(place, f"empty from {time.start:%Y-%m-%d %H:%M} to {time.end:%Y-%m-%d %H:%M} UTC")


def views_of(objects: Mapping[str, SavedObject]) -> dict[str, DataView]:
    """Return the data views among the objects by id."""
    return {saved.id: data_view(saved) for saved in objects.values() if saved.type == "index-pattern"}


def show(saved: SavedObject, views: Mapping[str, DataView], context: Context, ask: Ask) -> Shown:
    """Return what a Lens panel or saved search shows; DataError or UnsupportedPanelError where
    it cannot be asked or is refused."""
    if saved.type == "search":
        search = saved_search.saved_search(saved)
        view = views[search.view]
        (answer,) = _asked(ask, saved.key, [(view.index, search.body(view, context))])
        return Shown(saved.key, {"documents": search.table(view, answer)})
    panel = lens.panel(saved)
    layers = layer_searches(panel, views, context)
    marked = mark_searches(panel, views, context)
    wanted = [(search.index, search.body) for layer in layers for search in layer.searches]
    answers = iter(_asked(ask, saved.key, [*wanted, *((each.search.index, each.search.body) for each in marked)]))
    tables = {layer.layer.id: table(layer, [next(answers) for _ in layer.searches]) for layer in layers}
    drawn = {name: shown for name, shown in tables.items() if panel.layers[name].metrics}
    return Shown(saved.key, drawn, sum(len(marks(each.marks, next(answers))) for each in marked))


def _asked(ask: Ask, key: str, searches: Sequence[tuple[str, Mapping[str, Any]]]) -> Sequence[Answer]:
    answers = ask(searches) if searches else []
    for answer in answers:
        if "error" in answer:
            raise DataError(f"{key}: Elasticsearch refuses its search", str(answer["error"])[:300])
    return answers
