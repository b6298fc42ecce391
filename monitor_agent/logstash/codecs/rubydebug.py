"""The codec `rubydebug`: events for human eyes."""

from __future__ import annotations

from typing import Any

import orjson

from monitor_agent.logstash.events.event_fields import payload
from monitor_agent.logstash.events.timestamps import Timestamp
from monitor_agent.logstash.events.values import ruby_text
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec

INDENT = 4


class RubydebugCodec:
    """Writes one field a line, names aligned to the right, in Ruby's notation."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        self._at = config.at
        self._metadata: bool = config.options["metadata"]

    def decode(self, _data: bytes) -> list[Event]:
        """Refuse: nothing reads this form."""
        raise self._at.error("the codec rubydebug only writes", "use json or line for an input")

    def encode(self, event: Event) -> bytes:
        """Return the event in several lines."""
        return (_rendered(event if self._metadata else payload(event), 0) + "\n").encode(errors="backslashreplace")


def _rendered(value: Any, depth: int) -> str:
    inner = " " * INDENT * (depth + 1)
    if type(value) is dict and value:
        names = [orjson.dumps(name).decode() for name in value]
        width = max(map(len, names)) + len(inner)
        rows = (
            f"{name:>{width}} => {_rendered(item, depth + 1)}" for name, item in zip(names, value.values(), strict=True)
        )
    elif type(value) is list and value:
        rows = (f"{inner}[{number}] {_rendered(item, depth + 1)}" for number, item in enumerate(value))
    else:
        return _scalar(value)
    opening, closing = "{}" if type(value) is dict else "[]"
    return f"{opening}\n" + ",\n".join(rows) + f"\n{' ' * INDENT * depth}{closing}"


def _scalar(value: Any) -> str:
    if isinstance(value, Timestamp):
        return value[:]
    if isinstance(value, str):
        return orjson.dumps(value).decode()
    return "nil" if value is None else ruby_text(value)


SPEC = PluginSpec("codec", "rubydebug", (PluginOption("metadata", "boolean", default=False),), RubydebugCodec)
