"""One saved object: decoded for people who read and edit it, encoded for Kibana's import (pure)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from monitor_agent.errors import DataError

TYPES = ("index-pattern", "tag", "search", "lens", "dashboard")
"""In the order of an import file."""

CORE_VERSION = "8.8.0"

ENCODED: dict[str, tuple[str, ...]] = {
    "index-pattern": ("fieldFormatMap", "fieldAttrs", "fields", "runtimeFieldMap", "sourceFilters", "typeMeta"),
    "search": ("kibanaSavedObjectMeta.searchSourceJSON",),
    "dashboard": (
        "kibanaSavedObjectMeta.searchSourceJSON",
        "optionsJSON",
        "panelsJSON",
        "controlGroupInput.panelsJSON",
        "controlGroupInput.ignoreParentSettingsJSON",
    ),
}
"""Attributes that Kibana stores as JSON inside a string."""

VOLATILE = frozenset({"version", "created_at", "created_by", "updated_at", "updated_by", "namespaces"})
"""Fields that differ at every export, and that an import does not use; no file holds them."""

_DEFINED = frozenset({"attributes", "coreMigrationVersion", "id", "references", "type", "typeMigrationVersion"})
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LINE_ENDS = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, order=True)
class SavedObjectReference:
    """A named link from one saved object to another."""

    name: str
    type: str
    id: str


@dataclass(frozen=True)
class SavedObject:
    """A saved object with decoded attributes.

    Attributes
    ----------
    version : Kibana's `typeMigrationVersion`; an older one is migrated when imported, a newer one is refused.
    core_version : Kibana's `coreMigrationVersion`.
    further : all other fields that Kibana reads, such as `originId`, and `managed` if it is true.
    """

    type: str
    id: str
    attributes: dict[str, Any]
    references: tuple[SavedObjectReference, ...] = ()
    version: str = ""
    core_version: str = CORE_VERSION
    further: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """The object's name for people: `lens:accuracy`."""
        return f"{self.type}:{self.id}"

    @property
    def title(self) -> str:
        """The title, or the name of a tag or data view."""
        return str(self.attributes.get("name") or self.attributes.get("title") or self.id)

    def target(self, name: str) -> str:
        """Return the id of the object that a reference leads to.

        Raises
        ------
        DataError
            If there is no reference of this name.
        """
        for reference in self.references:
            if reference.name == name:
                return reference.id
        raise DataError(f"{self.key} has no reference named {name}", "add it to `references`")


def from_document(document: Mapping[str, Any]) -> SavedObject:
    """Return the object of a line of an export, or of a file in `kibana/objects`, without what differs at every export.

    Raises
    ------
    DataError
        If it is no saved object, or a JSON string in it cannot be read.
    """
    if not isinstance(document, Mapping) or not {"type", "id", "attributes"} <= document.keys():
        raise DataError("not a saved object: type, id or attributes are missing", "see docs/kibana.md")
    texts = (document["type"], document["id"])
    if not all(isinstance(text, str) and text for text in texts) or not isinstance(document["attributes"], Mapping):
        raise DataError("not a saved object: type and id must be texts, and attributes an object", "see docs/kibana.md")
    key = _CONTROLS.sub("?", f"{document['type']}:{document['id']}")
    if "migrationVersion" in document:
        raise DataError(
            f"{key} is from a Kibana before 8.8: its panels have another form",
            "import it into a Kibana from 8.8 on, and export it there",
        )
    attributes: dict[str, Any] = json.loads(json.dumps(document["attributes"]))
    for path in ENCODED.get(document["type"], ()):
        _change(attributes, path, lambda value, path=path: _decoded(value, f"{key} {path}"))
    versions = [document.get(name, "") for name in ("typeMigrationVersion", "coreMigrationVersion")]
    if not all(isinstance(version, str) for version in versions):
        raise DataError(f"{key}: typeMigrationVersion and coreMigrationVersion must be texts", "see docs/kibana.md")
    further = {name: value for name, value in document.items() if name not in _DEFINED | VOLATILE}
    if further.get("managed") is False:  # what an import assumes
        del further["managed"]
    return SavedObject(
        type=document["type"],
        id=document["id"],
        attributes=attributes,
        references=_references(document, key),
        version=versions[0],
        core_version=versions[1],
        further=further,
    )


def to_document(saved: SavedObject, *, encoded: bool) -> dict[str, Any]:
    """Return the object as a file in `kibana/objects` holds it (decoded), or a line of an import file (encoded)."""
    attributes: dict[str, Any] = json.loads(json.dumps(saved.attributes))
    if encoded:
        for path in ENCODED.get(saved.type, ()):
            _change(attributes, path, _encoded)
    document: dict[str, Any] = {
        **({"managed": False} if encoded else {}),
        **saved.further,
        "attributes": attributes,
        "id": saved.id,
        "references": [
            {"id": reference.id, "name": reference.name, "type": reference.type}
            for reference in sorted(saved.references)
        ],
        "type": saved.type,
    }
    if saved.core_version:
        document["coreMigrationVersion"] = saved.core_version
    if saved.version:
        document["typeMigrationVersion"] = saved.version
    return document


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        If it is no JSON, such as `NaN`, or holds a number that is too large.
    RecursionError
        If it is nested too deeply.
    """
    return json.loads(text, parse_constant=_no_number, parse_float=_number)


def file_text(document: Mapping[str, Any]) -> str:
    """Return a document as the files hold it: keys sorted, two spaces, one final newline.

    Raises
    ------
    RecursionError
        If it is nested too deeply.
    """
    return _escaped(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)) + "\n"


def line_text(document: Mapping[str, Any]) -> str:
    """Return a document as one line without needless spaces, keys sorted."""
    return _escaped(json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False))


def _escaped(text: str) -> str:
    r"""Return a JSON text with `\u....` for halves of characters, which no file takes, and for other line ends."""
    return _LINE_ENDS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no number that can be kept")


def _references(document: Mapping[str, Any], key: str) -> tuple[SavedObjectReference, ...]:
    try:
        references = sorted(
            SavedObjectReference(reference["name"], reference["type"], reference["id"])
            for reference in document.get("references", ())
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"{key}: a reference lacks name, type or id") from error
    if not all(isinstance(text, str) for link in references for text in (link.name, link.type, link.id)):
        raise DataError(f"{key}: name, type and id of a reference must be texts")
    return tuple(references)


def _change(attributes: dict[str, Any], path: str, change: Any) -> None:
    *parents, leaf = path.split(".")
    node: Any = attributes
    for parent in parents:
        node = node.get(parent)
        if not isinstance(node, dict):
            return
    if node.get(leaf) is not None:
        node[leaf] = change(node[leaf])


def _decoded(value: Any, path: str) -> Any:
    if not isinstance(value, str) or not value.strip():
        return value
    try:
        decoded = parse_json(value)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    # A text that holds a number or a text stays as it is: decoded, it would be another text.
    return decoded if isinstance(decoded, dict | list) else value


def _encoded(value: Any) -> Any:
    return value if isinstance(value, str) else line_text(value)
