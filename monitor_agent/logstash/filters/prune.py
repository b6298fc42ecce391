"""The filter `prune`: keeps or removes fields by the patterns of their names or values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from monitor_agent.logstash.decoration import decoration
from monitor_agent.logstash.patterns import compile_pattern
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec
from monitor_agent.logstash.values import ruby_text

Keep = Callable[[str], bool]


class PruneFilter:
    """Looks at the outermost fields only."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        options, at = config.options, config.at
        if options["interpolate"]:
            raise at.error("prune cannot interpolate here", "leave interpolate out")
        self._allowed = [compile_pattern(str(text), at) for text in options["whitelist_names"]]
        self._refused = [compile_pattern(str(text), at) for text in options["blacklist_names"]]
        self._values = [
            (name, compile_pattern(str(text), at), wanted)
            for option, wanted in (("whitelist_values", True), ("blacklist_values", False))
            for name, text in options[option].items()
        ]
        self._decorate = decoration(config)

    def filter(self, event: Event) -> bool:
        """Return True; fields are removed in place."""
        unwanted = {name for name in event if name != "@metadata" and not self._keeps(name)}
        for name, pattern, wanted in self._values:
            value = event.get(name)
            if value is not None and not _prune_value(event, name, value, pattern, wanted=wanted):
                unwanted.add(name)
        for name in unwanted:
            del event[name]
        self._decorate(event)
        return True

    def _keeps(self, name: str) -> bool:
        if self._allowed and not any(pattern.search(name) for pattern in self._allowed):
            return False
        return not any(pattern.search(name) for pattern in self._refused)


def _prune_value(event: Event, name: str, value: Any, pattern: re.Pattern[str], *, wanted: bool) -> bool:
    """Return whether the field stays; a list keeps those of its elements that fit."""
    if type(value) is not list:
        return (pattern.search(ruby_text(value)) is not None) is wanted
    kept = [item for item in value if (pattern.search(ruby_text(item)) is not None) is wanted]
    event[name] = kept
    return bool(kept)


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
