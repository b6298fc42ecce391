"""The output `stdout`."""

from __future__ import annotations

from collections.abc import Sequence

from monitor_agent.logstash.plugin import Codec, Event, PipelineContext, PluginConfig, PluginOption, PluginSpec


class StdoutOutput:
    """Writes events to standard output."""

    def __init__(self, config: PluginConfig, context: PipelineContext) -> None:
        self._codec: Codec = config.options["codec"]
        self._stream = context.stdout
        self._counters = config.counters

    def open(self) -> None:
        """Do nothing: the stream is open already."""

    def prepare(self, events: Sequence[Event]) -> list[bytes]:
        """Return the events as the codec writes them."""
        return [self._codec.encode(event) for event in events]

    def send(self, prepared: Sequence[bytes]) -> None:
        """Write the events at once."""
        self._stream.write(b"".join(prepared))
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open."""
        self._stream.flush()


SPEC = PluginSpec("output", "stdout", (PluginOption("codec", "codec", default="rubydebug"),), StdoutOutput)
