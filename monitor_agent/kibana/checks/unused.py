"""Every Lens panel is on a dashboard, and every tag is in use."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import SavedObject


def check(bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield objects that no other object refers to; searches and data views may stand alone."""
    if saved.type not in ("lens", "tag"):
        return
    references = (reference for referrer in bundle.objects.values() for reference in referrer.references)
    if not any(f"{reference.type}:{reference.id}" == saved.key for reference in references):
        yield f"nothing refers to {saved.key}"
