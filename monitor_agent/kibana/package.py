"""All saved objects as the one file that Kibana imports and exports (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from monitor_agent.errors import DataError
from monitor_agent.kibana.objects import TYPES, SavedObject, from_document, line_text, to_document

_SUMMARY = "exportedCount"


def pack(objects: Iterable[SavedObject]) -> str:
    """Return the import file: one object a line, data views first and dashboards last, by id; then the summary.

    The same objects always give the same text.
    """
    ordered = sorted(objects, key=lambda saved: (_rank(saved.type), saved.type, saved.id))
    lines = [line_text(to_document(saved, encoded=True)) for saved in ordered]
    summary = {
        "excludedObjects": [],
        "excludedObjectsCount": 0,
        _SUMMARY: len(ordered),
        "missingRefCount": 0,
        "missingReferences": [],
    }
    return "\n".join([*lines, line_text(summary)]) + "\n"


def unpack(text: str) -> dict[tuple[str, str], SavedObject]:
    """Return the objects of an export by type and id.

    Raises
    ------
    DataError
        If a line is no saved object, or an object occurs twice.
    """
    objects: dict[tuple[str, str], SavedObject] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"line {number} is not JSON: {error}", "export the objects again") from error
        if isinstance(document, dict) and _SUMMARY in document and "type" not in document:
            continue
        try:
            saved = from_document(document)
        except DataError as error:
            raise DataError(f"line {number}: {error.message}", error.hint) from error
        if (saved.type, saved.id) in objects:
            raise DataError(f"line {number}: {saved.key} occurs twice", "Kibana would refuse the whole file")
        objects[saved.type, saved.id] = saved
    return objects


def _rank(type_: str) -> int:
    return TYPES.index(type_) if type_ in TYPES else len(TYPES)
