"""The type of an index contract: fields with their mapping, index names and a sample document.

Server, pipeline checks, agent, dashboards and documentation take the names of fields from the contracts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from monitor_agent.contracts.bounds import Bounds

FIELD_LIMIT = "index.mapping.total_fields.limit"
TOTAL_FIELDS_LIMIT = 400
"""Largest number of fields of an index; further fields of clients stay in the source, unindexed (`_ignored`)."""
TEMPLATE_PRIORITY = 500
"""The priority of the index templates; Elasticsearch uses the template with the highest one."""


@dataclass(frozen=True)
class Field:
    """One field: its Elasticsearch type, meaning, unit, further mapping parameters, and the range of its numbers."""

    type: str
    help: str
    unit: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    bounds: Bounds | None = None

    def mapping(self) -> dict[str, Any]:
        """Return the field's entry in an Elasticsearch mapping."""
        return {"type": self.type, **self.options}


def keyword(help_: str, *, ignore_above: int = 1024) -> Field:
    """Return a field for exact text."""
    return Field("keyword", help_, options={"ignore_above": ignore_above})


def text(help_: str) -> Field:
    """Return a field for free text, searchable by words."""
    return Field("text", help_)


def date(help_: str) -> Field:
    """Return a field for a time, UTC; the source has microseconds, the index milliseconds."""
    return Field("date", help_, unit="UTC")


def long(help_: str, unit: str = "") -> Field:
    """Return a field for a whole number."""
    return Field("long", help_, unit)


def integer(help_: str, unit: str = "") -> Field:
    """Return a field for a small whole number."""
    return Field("integer", help_, unit)


def exact(field_: Field) -> Field:
    """Return the field of a number that refuses text and, for a whole number, a fraction."""
    return replace(field_, options={**field_.options, "coerce": False})


def bounded(field_: Field, bounds: Bounds) -> Field:
    """Return the field with the range of its numbers."""
    return replace(field_, bounds=bounds)


def double(help_: str, unit: str = "") -> Field:
    """Return a field for a 64-bit floating point number."""
    return Field("double", help_, unit)


def boolean(help_: str) -> Field:
    """Return a field for yes or no."""
    return Field("boolean", help_)


def stored(help_: str) -> Field:
    """Return a field for an object that is in the source only: neither parsed nor indexed."""
    return Field("object", help_, options={"enabled": False})


def blob(help_: str) -> Field:
    """Return a field for base64 text that is in the source only."""
    return Field("binary", help_)


def alias(path: str) -> Field:
    """Return a field that is a second name of the field at `path`."""
    return Field("alias", f"the same as `{path}`", options={"path": path})


def dynamic(type_: str, help_: str, **options: Any) -> Field:
    """Return a field for an object with names of clients, all mapped to `type_`: each new name is a new field."""
    return Field("object", help_, options={"dynamic": True, "_values": {"type": type_, **options}})


def closed(type_: str, help_: str, **options: Any) -> Field:
    """Return a field for an object with names of clients, mapped to `type_`: only configured names are fields.

    Other names stay in the source, unindexed, however many there are.
    """
    return Field("object", help_, options={"dynamic": False, "_values": {"type": type_, **options}})


@dataclass(frozen=True)
class IndexContract:
    """One family of indices.

    Attributes
    ----------
    name : prefix of the concrete indices, and the template's name.
    alias : the name for reading.
    suffix : strftime pattern of the event's date; "" for a single index.
    fields : fields by their full dotted names.
    sample : a document as in `_source`.
    strict : whether unknown fields are refused; else they are stored, but not indexed.
    """

    name: str
    alias: str
    suffix: str
    help: str
    fields: Mapping[str, Field]
    sample: Mapping[str, Any]
    strict: bool = True

    @property
    def pattern(self) -> str:
        """The index pattern that matches all concrete indices."""
        return f"{self.name}-*" if self.suffix else self.name

    def has_template(self, patterns: Iterable[str]) -> bool:
        """Return whether one of the index templates with these patterns is for this contract.

        A user's template may have another name, but its pattern begins with the name of the indices.
        """
        return any(pattern.startswith(self.name) for pattern in patterns)

    def has_index(self, pattern: str) -> bool:
        """Return whether an index, or a pattern of indices, is of this contract; its alias is, too."""
        return pattern in (self.name, self.alias) or (bool(self.suffix) and pattern.startswith(f"{self.name}-"))

    def has_field(self, name: str) -> bool:
        """Return whether documents may have a field; names of clients below an object are fields, too."""
        parents = (self.fields.get(name[:position]) for position, letter in enumerate(name) if letter == ".")
        return name in self.fields or any(row is not None and "_values" in row.options for row in parents)

    def index_for(self, moment: datetime) -> str:
        """Return the concrete index of an event at `moment` (converted to UTC)."""
        if not self.suffix:
            return self.name
        return f"{self.name}-{moment.astimezone(timezone.utc).strftime(self.suffix)}"

    def day_of(self, index: str) -> datetime:
        """Return the start (UTC) of the day or month of an index.

        Raises
        ------
        ValueError
            If the index does not belong to this contract.
        """
        return datetime.strptime(index.removeprefix(f"{self.name}-"), self.suffix).replace(tzinfo=timezone.utc)

    def with_names(self, names: Mapping[str, Sequence[str]]) -> IndexContract:
        """Return the contract in which these names of clients are fields from the start, however many other names come.

        Parameters
        ----------
        names : field from `dynamic` or `closed` -> names in it; fields that the contract does not have are ignored.
        """
        further: dict[str, Field] = {}
        for field_name, configured in names.items():
            if field_name in self.fields:
                values = dict(self.fields[field_name].options["_values"])
                type_ = values.pop("type")
                for name in configured:
                    further[f"{field_name}.{name}"] = Field(type_, f"`{name}` of `{field_name}`", options=values)
        return replace(self, fields={**self.fields, **further})

    def mapping(self) -> dict[str, Any]:
        """Return the Elasticsearch mapping: nested properties, and templates for the names of clients."""
        root: dict[str, Any] = {"dynamic": "strict" if self.strict else False, "properties": {}}
        templates: list[dict[str, Any]] = []
        for name, entry in self.fields.items():
            self._add_field(root, templates, name, entry)
        if templates:
            root["dynamic_templates"] = templates
        return root

    @staticmethod
    def _add_field(root: dict[str, Any], templates: list[dict[str, Any]], name: str, entry: Field) -> None:
        node = root["properties"]
        *parents, leaf = name.split(".")
        for parent in parents:
            node = node.setdefault(parent, {"properties": {}}).setdefault("properties", {})
        mapping = dict(entry.mapping())
        values = mapping.pop("_values", None)
        if values is not None and mapping["dynamic"]:
            templates.append({name: {"path_match": f"{name}.*", "mapping": values}})
        node[leaf] = mapping

    def template(self, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the body of the index template; `settings` are further index settings (lifecycle, replicas)."""
        basic = {
            "index.number_of_shards": 1,
            "index.auto_expand_replicas": "0-1",
            # With an explicit interval, an index without searches is refreshed too.
            "index.refresh_interval": "1s",
            FIELD_LIMIT: TOTAL_FIELDS_LIMIT,
            "index.mapping.total_fields.ignore_dynamic_beyond_limit": True,
        }
        aliases: dict[str, Any] = {self.alias: {}} if self.suffix else {}
        return {
            "index_patterns": [self.pattern],
            "priority": TEMPLATE_PRIORITY,
            "template": {
                "settings": {**basic, **(settings or {})},
                "mappings": self.mapping(),
                "aliases": aliases,
            },
            "_meta": {"description": self.help, "managed_by": "monitor-agent"},
        }
