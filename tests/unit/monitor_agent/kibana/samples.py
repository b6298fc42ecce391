"""Small saved objects for tests: a Lens panel of any columns, its data view, and a time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from monitor_agent.kibana.data_views import DataView
from monitor_agent.kibana.filters import DashboardContext
from monitor_agent.kibana.lens import LensPanel, lens_panel
from monitor_agent.kibana.objects import SavedObject, SavedObjectReference
from monitor_agent.kibana.times import TimeRange

END = datetime(2026, 3, 3, tzinfo=timezone.utc)
DAY = TimeRange(END - timedelta(days=1), END)
CONTEXT = DashboardContext(DAY)
VIEW = DataView(
    "view", "Predictions", "model-predictions-*", "@timestamp", {"price": {"id": "number"}}, {"price": "Price"}
)
VIEWS = {"view": VIEW}


def column(operation: str, field: str = "", **keys: Any) -> dict[str, Any]:
    """Return a stored column; `keys` are further ones of it."""
    bucketed = operation in ("terms", "date_histogram", "range", "filters")
    base: dict[str, Any] = {"operationType": operation, "label": operation, "dataType": "number", "params": {}}
    return {**base, "isBucketed": bucketed, **({"sourceField": field} if field else {}), **keys}


def dates(interval: str = "1h", *, empty: bool = False) -> dict[str, Any]:
    """Return a stored column that groups by time."""
    params = {"interval": interval, "includeEmptyRows": empty}
    return column("date_histogram", "@timestamp", dataType="date", params=params)


def terms(field: str, **params: Any) -> dict[str, Any]:
    """Return a stored column that groups by a field's values."""
    order = {"orderBy": {"type": "alphabetical"}, "orderDirection": "asc"}
    return column("terms", field, dataType="string", params={"size": 5, **order, **params})


def lens_object(columns: dict[str, dict[str, Any]], *, query: str = "", ignores_filters: bool = False) -> SavedObject:
    """Return a Lens object with one layer."""
    layer = {"columns": columns, "columnOrder": list(columns), "ignoreGlobalFilters": ignores_filters}
    state = {
        "datasourceStates": {"formBased": {"layers": {"data": layer}}},
        "visualization": {"layers": [{"layerId": "data", "layerType": "data"}]},
        "query": {"query": query, "language": "kuery"},
        "filters": [],
    }
    attributes = {"title": "Sample", "visualizationType": "lnsXY", "state": state}
    return SavedObject(
        "lens",
        "sample",
        attributes,
        (SavedObjectReference("indexpattern-datasource-layer-data", "index-pattern", "view"),),
    )


def make_panel(columns: dict[str, dict[str, Any]], **options: Any) -> LensPanel:
    """Return a panel with one layer of stored columns, in order."""
    return lens_panel(lens_object(columns, **options))
