"""The filter `drop`: the event ends here."""

from __future__ import annotations

import random

from monitor_agent.logstash.plugin import Configured, Context, Event, Option, Spec


class DropFilter:
    """Drops every event, or `percentage` of them."""

    def __init__(self, configured: Configured, _context: Context) -> None:
        self._share: float = configured.options["percentage"] / 100

    def filter(self, _event: Event) -> bool:
        """Return whether the event remains."""
        return self._share < 1 and random.random() >= self._share


SPEC = Spec("filter", "drop", (Option("percentage", "number", default=100),), DropFilter)
