"""The filter `truncate`: shortens texts to a number of bytes."""

from __future__ import annotations

from typing import Any

from monitor_agent.logstash.decoration import decoration
from monitor_agent.logstash.language.sprintf import static_reference
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec


class TruncateFilter:
    """Cuts the end of texts, also of texts in lists and objects, without breaking a character."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        self._most = int(config.options["length_bytes"])
        if self._most < 0:
            raise config.at.error("'length_bytes' must not be negative", "write a number of bytes")
        names = config.options["fields"]
        self._fields = None if names is None else [static_reference(name, config.at) for name in names]
        self._decorate = decoration(config)

    def filter(self, event: Event) -> bool:
        """Return True; fields are changed in place. Only an event with a text that was cut is decorated."""
        if self._fields is None:
            changed = self._cut_all(event)
        else:
            changed = False
            for field in self._fields:
                value = field.get(event)
                cut = self._cut(value)
                if cut != value:
                    field.set(event, cut)
                    changed = True
        if changed:
            self._decorate(event)
        return True

    def _cut_all(self, event: Event) -> bool:
        cut = {name: self._cut(value) for name, value in event.items() if name != "@metadata"}
        changed = any(event[name] != value for name, value in cut.items())
        event.update(cut)
        return changed

    def _cut(self, value: Any) -> Any:
        if type(value) is str:
            encoded = value.encode("utf-8", "surrogatepass")
            return value if len(encoded) <= self._most else encoded[: self._most].decode("utf-8", "ignore")
        if type(value) is list:
            return [self._cut(item) if type(item) is str else item for item in value]
        if type(value) is dict:
            return {key: self._cut(item) for key, item in value.items()}
        return value


SPEC = PluginSpec(
    "filter",
    "truncate",
    (PluginOption("fields", "array"), PluginOption("length_bytes", "number", required=True)),
    TruncateFilter,
)
