"""The description of a panel that may be empty explains what an empty panel means."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.empty_panels import may_be_empty, meaning_of_empty
from monitor_agent.kibana.objects import SavedObject


def check(_bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield panels with the tag whose description does not explain it."""
    if may_be_empty(saved) and not meaning_of_empty(str(saved.attributes.get("description", "")))[0]:
        yield "may be empty: end its description with `Empty is good: ...` or `Empty where ...`"
