"""The filter `prune`: removes fields by the patterns of their names or values."""

from __future__ import annotations

import re
from typing import Any

from monitor_agent.logstash.decoration import decoration
from monitor_agent.logstash.events.values import ruby_text
from monitor_agent.logstash.language.patterns import compile_pattern
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec


class PruneFilter:
    """Removes outermost fields only."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        options, at = config.options, config.at
        if options["interpolate"]:
            raise at.error("prune cannot interpolate here", "leave interpolate out")
        self._allowed = [compile_pattern(str(text), at).compiled for text in options["whitelist_names"]]
        self._refused = [compile_pattern(str(text), at).compiled for text in options["blacklist_names"]]
        self._values = [
            (name, compile_pattern(str(text), at).compiled, matching)
            for option, matching in (("whitelist_values", True), ("blacklist_values", False))
            for name, text in options[option].items()
        ]
        self._decorate = decoration(config)

    def filter(self, event: Event) -> bool:
        """Return True; fields are removed in place."""
        removed = {name for name in event if name != "@metadata" and not self._allows(name)}
        for name, pattern, matching in self._values:
            value = event.get(name)
            if value is not None and not _prune_value(event, name, value, pattern, matching=matching):
                removed.add(name)
        for name in removed:
            del event[name]
        self._decorate(event)
        return True

    def _allows(self, name: str) -> bool:
        if self._allowed and not any(pattern.search(name) for pattern in self._allowed):
            return False
        return not any(pattern.search(name) for pattern in self._refused)


def _prune_value(event: Event, name: str, value: Any, pattern: re.Pattern[str], *, matching: bool) -> bool:
    """Return whether the field stays; elements of a list that do not fit are removed."""
    if type(value) is not list:
        return (pattern.search(ruby_text(value)) is not None) is matching
    remaining = [item for item in value if (pattern.search(ruby_text(item)) is not None) is matching]
    event[name] = remaining
    return bool(remaining)


SPEC = PluginSpec(
    "filter",
    "prune",
    (
        PluginOption("interpolate", "boolean", default=False),
        PluginOption("whitelist_names", "array", default=[]),
        PluginOption("blacklist_names", "array", default=["%\\{[^}]+\\}"]),
        PluginOption("whitelist_values", "hash", default={}),
        PluginOption("blacklist_values", "hash", default={}),
    ),
    PruneFilter,
)
