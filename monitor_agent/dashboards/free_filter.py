"""The filter that a person writes above the panels, in the Kibana query language (pure)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from monitor_agent.alerting import kql
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.dashboards.library import Library
from monitor_agent.errors import DataError
from monitor_agent.kibana.dashboard_model import Dashboard
from monitor_agent.kibana.filters import Query
from monitor_agent.kibana.lens import LensPanel

HINT = "write such as model_version: 2 and not labels.scene: search"


def free_filter(text: str, library: Library, dashboard: Dashboard) -> list[Query]:
    """Return the filter of a text; none for an empty text.

    Raises
    ------
    DataError
        If the text is no KQL, or names a field that no index of the dashboard has.
    """
    if not text.strip():
        return []
    try:
        query = kql.query(text)
    except DataError as error:
        raise DataError(f"the filter {error.message}".replace("the filter this KQL", "the filter"), HINT) from error
    fields = _fields(library, dashboard)
    for name in sorted(kql.fields(text)):
        if name not in fields and not any(name.startswith(field[:-1]) for field in fields if field.endswith(".*")):
            close = difflib.get_close_matches(name, fields, n=1)
            hint = f"did you mean {close[0]}?" if close else HINT
            raise DataError(f"the filter names {name}, which no index of this dashboard has", hint)
    return [query]


def _fields(library: Library, dashboard: Dashboard) -> set[str]:
    """Return the fields of the indices that a dashboard reads; `x.*` stands for all names below `x`."""
    patterns = {pattern for view in _views(library, dashboard) for pattern in library.views[view].index.split(",")}
    fields: set[str] = set()
    for contract in CONTRACTS:
        if contract.pattern in patterns:
            for name, field in contract.fields.items():
                fields.add(f"{name}.*" if field.options.get("_values") else name)
    return fields


def _views(library: Library, dashboard: Dashboard) -> Iterable[str]:
    for panel in dashboard.panels:
        source = library.definition(panel).source if panel.kind in ("lens", "search") else None
        if isinstance(source, LensPanel):
            yield from (layer.view for layer in source.layers.values() if layer.view in library.views)
        elif source is not None and getattr(source, "view", None) in library.views:
            yield source.view  # type: ignore[union-attr]
