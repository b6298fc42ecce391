"""All saved objects as the one file that Kibana imports and exports (pure)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Any

from monitor_agent.errors import DataError
from monitor_agent.kibana.file_names import file_name
from monitor_agent.kibana.objects import TYPES, SavedObject, from_document, line_text, parse_json, to_document

_SUMMARY = "exportedCount"
_BLANKS = " \t\r"


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


def unpack(text: str, ids: Container[str] | None = None) -> dict[tuple[str, str], SavedObject]:
    """Return the objects of an export by type and id.

    Parameters
    ----------
    text : the export; only a line feed ends a line. A byte order mark at its start is ignored.
    ids : the ids of the objects to read; None = all.

    Raises
    ------
    DataError
        If a line is no saved object, an object occurs twice, or its type or id is no name of a file.
    """
    objects: dict[tuple[str, str], SavedObject] = {}
    for number, document in _documents(text):
        if _is_summary(document) or (ids is not None and isinstance(document, dict) and document.get("id") not in ids):
            continue
        try:
            saved = from_document(document)
            file_name(saved.type, "type")
            file_name(saved.id, "id")
        except DataError as error:
            raise DataError(f"line {number}: {error.message}", error.hint) from error
        if (saved.type, saved.id) in objects:
            raise DataError(f"line {number}: {saved.key} occurs twice", "Kibana would refuse the whole file")
        objects[saved.type, saved.id] = saved
    return objects


def gaps(text: str) -> list[str]:
    """Return a line for each object that an export lacks, by its summary: left out, missing, or cut off.

    Raises
    ------
    DataError
        If a line is not JSON.
    """
    documents = [document for _, document in _documents(text)]
    lines: list[str] = []
    for summary in filter(_is_summary, documents):
        for field, label in (("missingReferences", "missing"), ("excludedObjects", "left out by Kibana")):
            entries = summary.get(field)
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict):
                    reason = f" ({entry['reason']})" if entry.get("reason") else ""
                    lines.append(f"{entry.get('type')}:{entry.get('id')} is {label}{reason}")
        here = sum(not _is_summary(document) for document in documents)
        if isinstance(summary[_SUMMARY], int) and summary[_SUMMARY] != here:
            lines.append(f"the summary of the export counts {summary[_SUMMARY]} objects, and the export holds {here}")
    return lines


def _documents(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the number and the JSON value of each line."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not line.strip(_BLANKS):
            continue
        try:
            yield number, parse_json(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"line {number} is not JSON: {error}", "export the objects again") from error


def _is_summary(document: Any) -> bool:
    return isinstance(document, dict) and _SUMMARY in document and "type" not in document


def _rank(type_: str) -> int:
    return TYPES.index(type_) if type_ in TYPES else len(TYPES)
