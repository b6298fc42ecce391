"""The codec `plain`: the whole text is the message."""

from __future__ import annotations

from collections.abc import Callable

from monitor_agent.logstash.codecs.json import charset_of
from monitor_agent.logstash.events import keep_original, message_event
from monitor_agent.logstash.plugin import Configured, Context, Event, Option, Spec
from monitor_agent.logstash.sprintf import compile_template

OPTIONS = (Option("charset", default="UTF-8"), Option("format"))
DEFAULT_FORMAT = "%{@timestamp} %{host} %{message}"


class PlainCodec:
    """Text becomes a `message`; an event is written by `format`."""

    def __init__(self, configured: Configured, _context: Context) -> None:
        _, self._charset = charset_of(configured)
        form = configured.options["format"]
        self._render: Callable[[Event], str] = compile_template(form or DEFAULT_FORMAT, configured.at)

    def decode(self, data: bytes) -> list[Event]:
        """Return one event."""
        text = data.decode(self._charset, "backslashreplace")
        event = message_event(text)
        keep_original(event, text)
        return [event]

    def encode(self, event: Event) -> bytes:
        """Return the event as text."""
        return self._render(event).encode(errors="backslashreplace")


SPEC = Spec("codec", "plain", OPTIONS, PlainCodec)
