"""A Lens panel is shown on a dashboard; a tag and a data view are used."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import SavedObject


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield objects that nothing refers to; searches and data views are for people too."""
    if saved.type not in ("lens", "tag"):
        return
    if not any(f"{each.type}:{each.id}" == saved.key for other in bundle.objects.values() for each in other.references):
        yield f"nothing refers to {saved.key}"
