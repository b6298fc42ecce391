"""The output `stdout`."""

from __future__ import annotations

from collections.abc import Sequence

from monitor_agent.logstash.plugin import Codec, Configured, Context, Event, Option, Spec


class StdoutOutput:
    """Writes events to standard output."""

    def __init__(self, configured: Configured, context: Context) -> None:
        self._codec: Codec = configured.options["codec"]
        self._stream = context.stdout
        self._counters = configured.counters

    def open(self) -> None:
        """Nothing to do: the stream is there."""

    def send(self, events: Sequence[Event]) -> None:
        """Write the events at once."""
        self._stream.write(b"".join([self._codec.encode(event) for event in events]))
        self._stream.flush()

    def close(self) -> None:
        """Flush; the stream stays open."""
        self._stream.flush()


SPEC = Spec("output", "stdout", (Option("codec", "codec", default="rubydebug"),), StdoutOutput)
