"""Data views: the indices that panels read, with the names and formats of their fields (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor_agent.kibana.objects import SavedObject

Format = Mapping[str, Any]
"""A Kibana field format: `{"id": "percent", "params": {"pattern": "0.0%"}}`."""


@dataclass(frozen=True)
class DataView:
    """A data view.

    Attributes
    ----------
    index : the index expression that it reads.
    time_field : the field that the time picker filters; empty if it has none.
    formats : field -> format.
    labels : field -> name for people.
    """

    id: str
    name: str
    index: str
    time_field: str
    formats: Mapping[str, Format]
    labels: Mapping[str, str]

    def label(self, field: str) -> str:
        """Return the field's name for people."""
        return self.labels.get(field, field)


def data_view(saved: SavedObject) -> DataView:
    """Return the data view of a saved object."""
    attributes = saved.attributes
    attrs: Mapping[str, Mapping[str, str]] = attributes.get("fieldAttrs") or {}
    return DataView(
        id=saved.id,
        name=saved.title,
        index=attributes["title"],
        time_field=attributes.get("timeFieldName", ""),
        formats=attributes.get("fieldFormatMap") or {},
        labels={field: entry["customLabel"] for field, entry in attrs.items() if entry.get("customLabel")},
    )
