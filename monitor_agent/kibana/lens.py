"""Lens panels as typed values: layers of columns over a data view, and the state of their visualization (pure).

Only what our objects use is supported; anything else is an `UnsupportedPanelError` that names object and operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor_agent.errors import DataError, UnsupportedPanelError
from monitor_agent.kibana.data_views import Format
from monitor_agent.kibana.objects import SavedObject

RECORDS = "___records___"
"""The field that stands for whole documents."""

BUCKETS = ("date_histogram", "terms", "range", "filters")
METRICS = ("count", "sum", "average", "min", "max", "median", "percentile", "unique_count", "last_value")
DERIVED = ("formula", "math", "static_value")
VISUALIZATIONS = ("lnsXY", "lnsMetric", "lnsDatatable", "lnsHeatmap", "lnsPie", "lnsGauge")
LAYER_REFERENCE = "indexpattern-datasource-layer-"
ANNOTATION_REFERENCE = "xy-visualization-layer-"


@dataclass(frozen=True)
class Column:
    """One column of a layer.

    Attributes
    ----------
    operation : one of `BUCKETS`, `METRICS` or `DERIVED`.
    field : the field that it reads; `RECORDS` for whole documents; empty if the column is computed from other columns.
    filter : KQL that its documents must match, too; empty for none.
    references : columns that this column is computed from.
    shift : how much earlier its documents are, such as `1d`; empty for none.
    scale : unit of time that a count is divided by, such as `s`; empty for none.
    format : its own format; None = that of its field.
    order : the value that `terms` are ordered by, if that is no column of the layer.
    secondary_fields : further fields of `terms`: each combination of values is a group.
    """

    id: str
    operation: str
    label: str
    field: str
    params: Mapping[str, Any]
    data_type: str
    filter: str = ""
    references: tuple[str, ...] = ()
    shift: str = ""
    scale: str = ""
    format: Format | None = None
    order: Column | None = None
    secondary_fields: tuple[str, ...] = ()

    @property
    def bucketed(self) -> bool:
        """Whether it groups documents; else it is a value."""
        return self.operation in BUCKETS


@dataclass(frozen=True)
class Layer:
    """Columns over one data view, in order: groups first.

    Attributes
    ----------
    ignores_filters : only the time range narrows it, not the dashboard's filters and controls, nor the panel's query.
    """

    id: str
    view: str
    columns: Mapping[str, Column]
    ignores_filters: bool = False

    @property
    def buckets(self) -> tuple[Column, ...]:
        """The columns that group, outermost first."""
        return tuple(column for column in self.columns.values() if column.bucketed)

    @property
    def metrics(self) -> tuple[Column, ...]:
        """The columns that Elasticsearch computes."""
        return tuple(column for column in self.columns.values() if column.operation in METRICS)

    @property
    def derived(self) -> tuple[Column, ...]:
        """The columns that follow from others."""
        return tuple(column for column in self.columns.values() if column.operation in DERIVED)


@dataclass(frozen=True)
class AnnotationQuery:
    """The events that a chart over time marks with lines: the documents of a data view that match a KQL text."""

    layer: str
    view: str
    query: str
    time_field: str
    label: str
    text_field: str
    color: str
    ignores_filters: bool


@dataclass(frozen=True)
class LensPanel:
    """A Lens panel.

    Attributes
    ----------
    visualization : `lnsXY`, `lnsMetric`, ... (one of `VISUALIZATIONS`).
    state : the state of the visualization, as Kibana stores it.
    query : KQL of the panel itself.
    filters : Kibana filters of the panel itself.
    """

    key: str
    title: str
    description: str
    visualization: str
    state: Mapping[str, Any]
    layers: Mapping[str, Layer]
    annotations: tuple[AnnotationQuery, ...]
    query: str
    filters: tuple[Mapping[str, Any], ...]


def lens_panel(saved: SavedObject) -> LensPanel:
    """Return the panel of a Lens object.

    Raises
    ------
    UnsupportedPanelError
        If the object uses an operation that is not translated to a search.
    DataError
        If the object is broken.
    """
    attributes = saved.attributes
    try:
        state = attributes["state"]
        kind = attributes["visualizationType"]
        if kind not in VISUALIZATIONS:
            raise UnsupportedPanelError(saved.key, f"the visualization {kind}")
        stored = state["datasourceStates"].get("formBased", {}).get("layers", {})
        sources = [
            name for name, source in state["datasourceStates"].items() if name != "formBased" and source["layers"]
        ]
        if sources or state.get("adHocDataViews"):
            raise UnsupportedPanelError(saved.key, f"the data source {(sources or ['of an ad-hoc data view'])[0]}")
        return LensPanel(
            key=saved.key,
            title=attributes["title"],
            description=attributes.get("description", ""),
            visualization=kind,
            state=state["visualization"],
            layers={name: _layer(saved, name, layer) for name, layer in stored.items()},
            annotations=_annotations(saved, state["visualization"]),
            query=_kuery(saved, state["query"]),
            filters=tuple(state.get("filters", ())),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{saved.key}: no Lens object, {error!r} is missing or wrong") from error


def _layer(saved: SavedObject, name: str, stored: Mapping[str, Any]) -> Layer:
    if stored.get("sampling", 1) != 1:
        raise UnsupportedPanelError(saved.key, "sampling")
    return Layer(
        id=name,
        view=saved.target(f"{LAYER_REFERENCE}{name}"),
        columns={column: _column(saved, column, stored["columns"][column]) for column in stored["columnOrder"]},
        ignores_filters=bool(stored.get("ignoreGlobalFilters")),
    )


def _column(saved: SavedObject, name: str, stored: Mapping[str, Any]) -> Column:
    operation = stored["operationType"]
    if operation not in BUCKETS + METRICS + DERIVED:
        raise UnsupportedPanelError(saved.key, f"the operation {operation}")
    if stored.get("reducedTimeRange"):
        raise UnsupportedPanelError(saved.key, "a reduced time range")
    params = stored.get("params") or {}
    return Column(
        id=name,
        operation=operation,
        label=stored["label"],
        field=stored.get("sourceField", ""),
        params=params,
        data_type=stored["dataType"],
        filter=_kuery(saved, stored["filter"]) if stored.get("filter") else "",
        references=tuple(stored.get("references", ())),
        shift=stored.get("timeShift") or "",
        scale=stored.get("timeScale") or "",
        format=params.get("format"),
        order=_column(saved, f"{name}-order", params["orderAgg"]) if params.get("orderAgg") else None,
        secondary_fields=tuple(params.get("secondaryFields") or ()),
    )


def _annotations(saved: SavedObject, state: Mapping[str, Any]) -> tuple[AnnotationQuery, ...]:
    queries: list[AnnotationQuery] = []
    for layer in state.get("layers", ()):
        if layer.get("layerType") != "annotations":
            continue
        for annotation in layer["annotations"]:
            if annotation["type"] != "query":
                raise UnsupportedPanelError(saved.key, f"annotations of type {annotation['type']}")
            queries.append(
                AnnotationQuery(
                    layer=layer["layerId"],
                    view=saved.target(f"{ANNOTATION_REFERENCE}{layer['layerId']}"),
                    query=_kuery(saved, annotation["filter"]),
                    time_field=annotation["timeField"],
                    label=annotation["label"],
                    text_field=annotation.get("textField", ""),
                    color=annotation.get("color", ""),
                    ignores_filters=bool(layer.get("ignoreGlobalFilters")),
                )
            )
    return tuple(queries)


def _kuery(saved: SavedObject, query: Mapping[str, Any]) -> str:
    if query.get("language") != "kuery":
        raise UnsupportedPanelError(saved.key, f"a query in {query.get('language', 'ES|QL')}")
    return str(query["query"])
