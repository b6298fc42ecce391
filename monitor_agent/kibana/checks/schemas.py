"""Every object has the form that Kibana 8.19 and 9.x store: JSON Schemas, one for each type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from monitor_agent.extras import SCHEMAS, loading
from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import SavedObject, to_document

_DEFINITIONS = {
    "index-pattern": {"fieldFormatMap": "fieldFormatMap", "fieldAttrs": "fieldAttrs"},
    "search": {"kibanaSavedObjectMeta.searchSourceJSON": "searchSource"},
    "dashboard": {
        "panelsJSON": "panels",
        "optionsJSON": "options",
        "kibanaSavedObjectMeta.searchSourceJSON": "searchSource",
        "controlGroupInput.panelsJSON": "controls",
        "controlGroupInput.ignoreParentSettingsJSON": "ignoreParentSettings",
    },
}


def check(_bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield differences of an object, or of a JSON string in it, from the schema."""
    if saved.type not in ("index-pattern", "tag", "search", "lens", "dashboard"):
        return
    yield from problems(saved.type, to_document(saved, encoded=True))
    for path, definition in _DEFINITIONS.get(saved.type, {}).items():
        node: Any = saved.attributes
        for name in path.split("."):
            node = node.get(name) if isinstance(node, dict) else None
        if node is not None:
            yield from (f"{path}/{message}" for message in problems(saved.type, node, definition))


def problems(schema: str, document: Any, definition: str = "") -> list[str]:
    """Return the differences of a document from a schema, or from one of the schema's definitions.

    Parameters
    ----------
    schema : `dashboard`, `index-pattern`, `lens`, `rule`, `search`, `tag` or `watch`.
    definition : a name below `$defs` of the schema; empty = the whole schema.
    """
    messages = []
    for error in _validator(schema, definition).iter_errors(document):
        while error.context:
            error = min(error.context, key=lambda cause: (-len(cause.absolute_path), str(cause.message)))
        messages.append(f"{'/'.join(map(str, error.absolute_path)) or '(top)'}: {error.message[:200]}")
    return messages


@cache
def _validator(schema: str, definition: str) -> Any:
    with loading(SCHEMAS):
        from jsonschema import Draft202012Validator
    text = resources.files("monitor_agent.kibana").joinpath(f"schemas/{schema}.schema.json").read_text("utf-8")
    whole = json.loads(text)
    return Draft202012Validator({"$defs": whole["$defs"], "$ref": f"#/$defs/{definition}"} if definition else whole)
