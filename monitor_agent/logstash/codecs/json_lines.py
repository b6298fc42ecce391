"""The codec `json_lines`: one JSON object a line."""

from __future__ import annotations

from monitor_agent.logstash.codecs.json import OPTIONS, JsonCodec
from monitor_agent.logstash.plugin import Event, PluginSpec


class JsonLinesCodec(JsonCodec):
    """Every line is decoded by itself and written with a newline."""

    def decode(self, data: bytes) -> list[Event]:
        """Return the events of all lines."""
        if b"\n" not in data:
            return super().decode(data)
        return [event for line in data.split(b"\n") if line for event in super(JsonLinesCodec, self).decode(line)]

    def encode(self, event: Event) -> bytes:
        """Return the event as one line."""
        return super().encode(event) + b"\n"


SPEC = PluginSpec("codec", "json_lines", OPTIONS, JsonLinesCodec)
