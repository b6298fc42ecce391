"""What each panel asks of Elasticsearch, and what it shows of the answers (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.dashboards import charts, formats, gauges, heatmaps, panel_views, pies
from monitor_agent.dashboards.library import Library, PanelDefinition
from monitor_agent.dashboards.panel_views import Body, Notice, Shown
from monitor_agent.durations import parse_duration
from monitor_agent.errors import DataError, MonitorError, UnsupportedPanelError
from monitor_agent.kibana.data_views import DataView
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.lens_searches import AnnotationSearch, LayerSearches, annotation_searches, layer_searches
from monitor_agent.kibana.saved_search import SavedSearch
from monitor_agent.kibana.tables import annotations_of, table
from monitor_agent.kibana.times import TimeRange

Asked = tuple[str, Mapping[str, Any]]
"""Index and body of a search."""

Answers = Sequence[Mapping[str, Any]]

DRAWERS = {
    "lnsXY": charts.chart,
    "lnsMetric": panel_views.metric,
    "lnsDatatable": panel_views.data_table,
    "lnsHeatmap": heatmaps.heatmap,
    "lnsPie": pies.pie,
    "lnsGauge": gauges.gauge,
}


@dataclass(frozen=True)
class LensQuestion:
    """The searches of a Lens panel, a layer's first, then those for the events it marks."""

    panel: LensPanel
    layers: tuple[LayerSearches, ...]
    annotations: tuple[AnnotationSearch, ...]
    time: TimeRange

    @property
    def searches(self) -> list[Asked]:
        """Return what is asked, in order."""
        found = [search for layer in self.layers for search in layer.searches]
        return [(search.index, search.body) for search in [*found, *(each.search for each in self.annotations)]]

    def read(self, answers: Answers) -> Shown:
        """Return what the answers, in order, say."""
        told = iter(answers)
        tables = {each.layer.id: table(each, [next(told) for _ in each.searches]) for each in self.layers}
        bars = {
            each.layer.id: round(parse_duration(each.interval).total_seconds() * 1000)
            for each in self.layers
            if each.interval
        }
        events = [mark for each in self.annotations for mark in annotations_of(each.query, next(told))]
        own = frozenset(
            each.layer.id
            for each in self.layers
            for column in each.layer.buckets
            if column.operation == "date_histogram" and column.field != each.view.time_field
        )
        return Shown(self.time, tables, bars, own, sorted(events, key=lambda mark: mark.at))

    def found(self, shown: Shown) -> bool:
        """Return whether there is anything but zeros; lines that are fixed do not count."""
        return any(
            row[column.id]
            for each in self.layers
            if each.searches
            for column in shown.tables[each.layer.id].columns
            if not column.bucketed
            for row in shown.tables[each.layer.id].rows
        )

    def split_values(self, shown: Shown) -> list[str]:
        """Return what the panel's series are called where they stand for values of a field."""
        found = []
        for layer in self.panel.state.get("layers", ()):
            names = [layer.get("splitAccessor"), *(layer.get("primaryGroups") or ())]
            for column in shown.tables[layer["layerId"]].columns if any(names) else ():
                if column.id in names:
                    rows = shown.tables[layer["layerId"]].rows
                    found += [formats.text(row[column.id], column.format, column.kind) for row in rows]
        return found

    def draw(self, shown: Shown) -> Body:
        """Return the panel's picture."""
        return DRAWERS[self.panel.visualization](self.panel, shown)


@dataclass(frozen=True)
class ListQuestion:
    """The search of a panel that lists documents."""

    search: SavedSearch
    view: DataView
    context: DashboardContext

    @property
    def searches(self) -> list[Asked]:
        """Return what is asked."""
        return [(self.view.index, self.search.body(self.view, self.context))]

    def read(self, answers: Answers) -> Shown:
        """Return what the answer says."""
        return Shown(self.context.time, {"": self.search.table(self.view, answers[0])})

    def found(self, shown: Shown) -> bool:
        """Return whether there are documents."""
        return bool(shown.tables[""].rows)

    def draw(self, shown: Shown) -> Body:
        """Return the panel's picture."""
        found = shown.tables[""]
        groups = {column.id: column.id for column in found.columns if column.kind == "string"}
        return panel_views.grid(found, fields=groups) if found.rows else Notice(panel_views.NO_DATA, "empty")


Question = LensQuestion | ListQuestion


def question(subject: PanelDefinition, library: Library, context: DashboardContext) -> Question:
    """Return what a panel asks; MonitorError where it is broken, UnsupportedPanelError where it is not drawn."""
    what = subject.what
    if isinstance(what, MonitorError):
        raise what
    if isinstance(what, SavedSearch):
        if what.view not in library.views:
            raise DataError(f"{what.key} reads the data view {what.view}, which does not exist")
        return ListQuestion(what, library.views[what.view], context)
    if what.visualization not in DRAWERS:
        raise UnsupportedPanelError(what.key, f"the visualization {what.visualization}")
    layers = tuple(layer_searches(what, library.views, context))
    return LensQuestion(what, layers, tuple(annotation_searches(what, library.views, context)), context.time)
