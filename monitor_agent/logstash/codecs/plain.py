"""The codec `plain`: the whole text is the message."""

from __future__ import annotations

from collections.abc import Callable

from monitor_agent.logstash.codecs.json import charset_of
from monitor_agent.logstash.events.event_fields import keep_original, message_event
from monitor_agent.logstash.events.inspected_text import utf8_text
from monitor_agent.logstash.language.sprintf import compile_template
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec

OPTIONS = (PluginOption("charset", default="UTF-8"), PluginOption("format"))
DEFAULT_FORMAT = "%{@timestamp} %{host} %{message}"


class PlainCodec:
    """Text becomes a `message`; an event is written by `format`."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        self._utf8, self._charset = charset_of(config)
        form = config.options["format"]
        self._render: Callable[[Event], str] = compile_template(form or DEFAULT_FORMAT, config.at)

    def decode(self, data: bytes) -> list[Event]:
        """Return one event."""
        text = utf8_text(data) if self._utf8 else data.decode(self._charset, "replace")
        event = message_event(text)
        keep_original(event, text)
        return [event]

    def encode(self, event: Event) -> bytes:
        """Return the event as text."""
        return self._render(event).encode(errors="backslashreplace")


SPEC = PluginSpec("codec", "plain", OPTIONS, PlainCodec)
