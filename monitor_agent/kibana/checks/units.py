"""Every number is shown with its unit: by its own format, or by that of its field in the data view."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.lens import METRICS
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.tables import table_column


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield values without a unit or a number of decimals."""
    panel = bundle.panel(saved)
    if panel is None:
        return
    for layer in panel.layers.values():
        terms = {term for name in layer.columns for term in layer.columns if term.startswith(f"{name}X")}
        for column in layer.columns.values():
            valued = column.operation in (*METRICS, "formula", "static_value") and column.data_type == "number"
            if not valued or column.id in terms or layer.view not in bundle.views:
                continue
            if table_column(column, bundle.views[layer.view]).format is None:
                yield f"{column.id} ({column.label}) has no format: set a unit or the number of decimals"
