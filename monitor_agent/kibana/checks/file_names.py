"""A file is named by its object: `objects/<type>/<id>.json`."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import TYPES, SavedObject


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield where a file's name and its object differ, and objects of unknown types."""
    wanted = f"objects/{saved.type}/{saved.id}.json"
    if wanted not in bundle.objects or bundle.objects[wanted] is not saved:
        yield f"{saved.key} belongs into {wanted}"
    if saved.type not in TYPES:
        yield f"objects of the type {saved.type} are not used here; known are {', '.join(TYPES)}"
