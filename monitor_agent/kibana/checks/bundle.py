"""The input of every check: the objects by name, their typed form, the fields of the contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.errors import MonitorError
from monitor_agent.kibana import dashboard_model, lens, saved_search
from monitor_agent.kibana.data_views import DataView, data_view
from monitor_agent.kibana.objects import SavedObject

META_FIELDS = ("_id", "_index", "_score", lens.RECORDS)


@dataclass(frozen=True)
class Finding:
    """A problem in a file of `kibana/`: the check that found it, the file, and the problem in words."""

    check: str
    file: str
    message: str


class Bundle:
    """All saved objects.

    Attributes
    ----------
    objects : path -> object.
    by_key : `type:id` -> object.
    """

    def __init__(self, objects: Mapping[str, SavedObject]) -> None:
        self.objects = objects
        self.by_key = {saved.key: saved for saved in objects.values()}

    @cached_property
    def views(self) -> dict[str, DataView]:
        """The data views by id."""
        return {saved.id: data_view(saved) for saved in self.objects.values() if saved.type == "index-pattern"}

    def panel(self, saved: SavedObject) -> lens.LensPanel | None:
        """Return the panel of a Lens object; None for other types, and if it cannot be read."""
        return _read(lens.lens_panel, saved) if saved.type == "lens" else None

    def dashboard(self, saved: SavedObject) -> dashboard_model.Dashboard | None:
        """Return the dashboard of an object; None for other types, and if it cannot be read."""
        return _read(dashboard_model.dashboard, saved) if saved.type == "dashboard" else None

    def search(self, saved: SavedObject) -> saved_search.SavedSearch | None:
        """Return the saved search of an object; None for other types, and if it cannot be read."""
        return _read(saved_search.saved_search, saved) if saved.type == "search" else None

    def fields(self, view: str) -> dict[str, str]:
        """Return field -> type of a data view, by the contracts of its indices; `x.*` stands for names below `x`."""
        patterns = self.views[view].index.split(",") if view in self.views else []
        types: dict[str, str] = {}
        for contract in CONTRACTS:
            if contract.pattern not in patterns:
                continue
            for name, field in contract.fields.items():
                values = field.options.get("_values")
                if values:
                    types[f"{name}.*"] = values["type"]
                elif field.type == "alias":
                    types[name] = contract.fields[field.options["path"]].type
                else:
                    types[name] = field.type
        return types

    def type_of(self, view: str, field: str) -> str | None:
        """Return the type of a field of a data view; None if no index of it has the field."""
        if field in META_FIELDS:
            return "keyword"
        fields = self.fields(view)
        below = next(
            (kind for name, kind in fields.items() if name.endswith(".*") and field.startswith(name[:-1])), None
        )
        return fields.get(field) or below


Check = Callable[[Bundle, SavedObject], Iterator[str]]
"""Yields the problems of one object, in words."""


T = TypeVar("T")


def _read(read: Callable[[SavedObject], T], saved: SavedObject) -> T | None:
    try:
        return read(saved)
    except MonitorError:
        return None
