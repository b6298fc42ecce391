"""The filter `drop`: removes events."""

from __future__ import annotations

import random

from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec


class DropFilter:
    """Drops every event, or `percentage` of them."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        self._share: float = config.options["percentage"] / 100

    def filter(self, _event: Event) -> bool:
        """Return whether the event remains."""
        return self._share < 1 and random.random() >= self._share


SPEC = PluginSpec("filter", "drop", (PluginOption("percentage", "number", default=100),), DropFilter)
