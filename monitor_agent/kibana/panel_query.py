"""A panel from its saved object to its data: the searches, the tables, and whether it is empty (pure).

`kibana check`, the viewer and the reports all go this way: `panel_source` reads the object, `panel_query` makes the
searches, `read` turns the responses into `PanelData`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from monitor_agent.durations import parse_duration
from monitor_agent.errors import DataError
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens import LensPanel, lens_panel
from monitor_agent.kibana.lens_searches import (
    AnnotationSearch,
    LayerSearches,
    Views,
    annotation_searches,
    layer_searches,
)
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.saved_search import SavedSearch, saved_search
from monitor_agent.kibana.searches import SearchRequest, SearchResponse
from monitor_agent.kibana.tables import Annotation, Table, annotations_of, layer_table
from monitor_agent.kibana.times import TimeRange

DOCUMENTS = "documents"
"""The name of the one table of a saved search."""

PanelSource = LensPanel | SavedSearch
"""The object that a panel of a dashboard shows."""


@dataclass(frozen=True)
class PanelData:
    """The data of one panel.

    Attributes
    ----------
    time : the time range of the dashboard.
    tables : rows by layer.
    intervals : layer -> length of its bars in milliseconds; a layer without bars of time is not in it.
    layers_in_other_time : layers whose bars follow another time field than the one that the range filters.
    constant_layers : layers of fixed values, such as reference lines; they never count as data.
    main_columns : layer -> the column that a panel of one number is about; the other columns only explain it.
    annotations : the events that a chart over time marks, in the order of time.
    """

    time: TimeRange
    tables: Mapping[str, Table]
    intervals: Mapping[str, int] = field(default_factory=dict)
    layers_in_other_time: frozenset[str] = frozenset()
    constant_layers: frozenset[str] = frozenset()
    main_columns: Mapping[str, str] = field(default_factory=dict)
    annotations: Sequence[Annotation] = ()

    @property
    def empty(self) -> bool:
        """Whether the panel has nothing to show: no layer of it has a value; see `Table.empty` for counts of 0."""
        return all(table.empty(main) for table, main in self._tables_of_data())

    @property
    def only_zeros(self) -> bool:
        """Whether no layer has a value other than 0: whatever the panel shows, no document is behind it."""
        return all(table.only_zeros(main) for table, main in self._tables_of_data())

    def _tables_of_data(self) -> Iterator[tuple[Table, tuple[str, ...]]]:
        """Yield the tables that hold data, with the columns that count; none = all."""
        for layer, table in self.tables.items():
            if layer not in self.constant_layers:
                yield table, (self.main_columns[layer],) if layer in self.main_columns else ()


@dataclass(frozen=True)
class LensPanelQuery:
    """The searches of a Lens panel: those of its layers, then those for the events that it marks."""

    panel: LensPanel
    layers: tuple[LayerSearches, ...]
    annotations: tuple[AnnotationSearch, ...]
    time: TimeRange

    @property
    def requests(self) -> list[SearchRequest]:
        """Return the searches, in order."""
        by_layer = [search.request for layer in self.layers for search in layer.searches]
        return [*by_layer, *(search.request for search in self.annotations)]

    def read(self, responses: Sequence[SearchResponse]) -> PanelData:
        """Return the data in the responses; there is one response for each request, in order."""
        remaining = iter(responses)
        tables = {
            searches.layer.id: layer_table(searches, [next(remaining) for _ in searches.searches])
            for searches in self.layers
        }
        events = [
            annotation for search in self.annotations for annotation in annotations_of(search.query, next(remaining))
        ]
        return PanelData(
            time=self.time,
            tables=tables,
            intervals={
                searches.layer.id: round(parse_duration(searches.interval).total_seconds() * 1000)
                for searches in self.layers
                if searches.interval
            },
            layers_in_other_time=frozenset(
                searches.layer.id
                for searches in self.layers
                for column in searches.layer.buckets
                if column.operation == "date_histogram" and column.field != searches.view.time_field
            ),
            constant_layers=frozenset(searches.layer.id for searches in self.layers if not searches.searches),
            main_columns=_main_columns(self.panel),
            annotations=sorted(events, key=lambda annotation: annotation.at),
        )


@dataclass(frozen=True)
class SavedSearchQuery:
    """The search of a panel that lists documents."""

    search: SavedSearch
    requests: Sequence[SearchRequest]
    views: Views
    time: TimeRange

    def read(self, responses: Sequence[SearchResponse]) -> PanelData:
        """Return the documents that the response holds."""
        view = self.views[self.search.view]
        return PanelData(self.time, {DOCUMENTS: self.search.table(view, responses[0])})


PanelQuery = LensPanelQuery | SavedSearchQuery


def _main_columns(panel: LensPanel) -> dict[str, str]:
    if panel.visualization not in ("lnsMetric", "lnsGauge"):
        return {}
    return {panel.state["layerId"]: panel.state["metricAccessor"]}


def panel_source(saved: SavedObject) -> PanelSource:
    """Return the Lens panel or the saved search of an object.

    Raises
    ------
    UnsupportedPanelError
        If the object uses an operation that is not translated to a search.
    DataError
        If the object is broken.
    """
    return lens_panel(saved) if saved.type == "lens" else saved_search(saved)


def panel_query(source: PanelSource, views: Views, context: DashboardContext) -> PanelQuery:
    """Return the searches of a panel of a dashboard.

    Raises
    ------
    UnsupportedPanelError
        If the panel uses an operation that is not translated to a search.
    DataError
        If the panel reads a data view that does not exist.
    """
    if isinstance(source, SavedSearch):
        if source.view not in views:
            raise DataError(f"{source.key} reads the data view {source.view}, which does not exist")
        view = views[source.view]
        request = SearchRequest(view.index, source.body(view, context))
        return SavedSearchQuery(source, (request,), views, context.time)
    layers = tuple(layer_searches(source, views, context))
    return LensPanelQuery(source, layers, tuple(annotation_searches(source, views, context)), context.time)
