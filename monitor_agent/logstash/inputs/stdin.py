"""The input `stdin`: the lines of standard input, to its end."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from typing import Any

from monitor_agent.logstash.codecs.json import JsonCodec
from monitor_agent.logstash.decoration import input_decoration
from monitor_agent.logstash.events.event_fields import keep_original
from monitor_agent.logstash.events.inspected_text import utf8_text
from monitor_agent.logstash.plugin import (
    Codec,
    Event,
    EventBatch,
    PipelineContext,
    PluginConfig,
    PluginOption,
    PluginSpec,
)

CHUNK_BYTES = 256 * 1024


class StdinInput:
    """Reads the available lines without waiting; a last line without newline counts."""

    def __init__(self, config: PluginConfig, context: PipelineContext) -> None:
        codec: Codec = config.options["codec"]
        if isinstance(codec, JsonCodec):
            codec.ignore_target()  # as in Logstash, which replaces json by json_lines on a stream
        self._codec = codec
        self._decorate = input_decoration(config)
        self._host = context.host
        self._stream = context.stdin
        self._lines: list[bytes] = []
        self._rest = b""
        self._ended = False

    def open(self) -> None:
        """Do nothing: the stream is open already."""

    def read(self, limit: int) -> EventBatch | None:
        """Return the events of up to `limit` lines."""
        if not self._lines:
            self._fill()
        if not self._lines:
            return None
        lines, self._lines = self._lines[:limit], self._lines[limit:]
        events: list[Event] = []
        for line in lines:
            events += self._events(line)
        return EventBatch(events, None, sum(map(len, lines)) + len(lines))

    @property
    def finished(self) -> bool:
        """Whether the stream has ended and all of it was read."""
        return self._ended and not self._lines

    def acknowledge(self, positions: Sequence[Any]) -> None:
        """Do nothing: a stream is read once."""

    def close(self) -> None:
        """Do nothing: the stream belongs to the process."""

    def _fill(self) -> None:
        descriptor = self._stream.fileno()
        if self._ended or not select.select([descriptor], [], [], 0)[0]:
            return
        chunk = os.read(descriptor, CHUNK_BYTES)
        self._ended = not chunk
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if self._ended and self._rest:
            lines.append(self._rest)
        self._lines = lines

    def _events(self, line: bytes) -> list[Event]:
        events = self._codec.decode(line.removesuffix(b"\r"))
        for event in events:
            self._decorate(event)
            host = event.get("host")
            if host is None:
                event["host"] = {"hostname": self._host}
            elif type(host) is dict:
                host.setdefault("hostname", self._host)
            keep_original(event, utf8_text(line))
        return events


SPEC = PluginSpec("input", "stdin", (PluginOption("codec", "codec", default="line"),), StdinInput)
