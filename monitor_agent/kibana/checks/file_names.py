"""A file is named by its object: `objects/<type>/<id>.json`."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import TYPES, SavedObject


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield files whose name differs from their object, and objects of unknown types."""
    expected = f"objects/{saved.type}/{saved.id}.json"
    if expected not in bundle.objects or bundle.objects[expected] is not saved:
        yield f"{saved.key} belongs in {expected}"
    if saved.type not in TYPES:
        yield f"objects of the type {saved.type} are not used here; use one of {', '.join(TYPES)}"
