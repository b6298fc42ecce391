"""The codec `line`: each line is a message."""

from __future__ import annotations

from monitor_agent.logstash.codecs.plain import OPTIONS, PlainCodec
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec


class LineCodec(PlainCodec):
    """Lines become messages; an event is written by `format` and with the delimiter."""

    def __init__(self, config: PluginConfig, context: PipelineContext) -> None:
        super().__init__(config, context)
        self._delimiter: bytes = config.options["delimiter"].encode()

    def decode(self, data: bytes) -> list[Event]:
        """Return one event a line."""
        if self._delimiter not in data:
            return super().decode(data)
        lines = data.removesuffix(self._delimiter).split(self._delimiter)
        return [event for line in lines for event in super(LineCodec, self).decode(line)]

    def encode(self, event: Event) -> bytes:
        """Return the event as one line."""
        return super().encode(event) + self._delimiter


SPEC = PluginSpec("codec", "line", (*OPTIONS, PluginOption("delimiter", default="\n")), LineCodec)
