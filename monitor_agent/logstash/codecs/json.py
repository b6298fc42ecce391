"""The codec `json`: one JSON object, or a list of them."""

from __future__ import annotations

import codecs
import re
from typing import Any

from monitor_agent.logstash.events.event_fields import event_of, is_too_deep, keep_original, message_event, payload
from monitor_agent.logstash.events.inspected_text import utf8_text
from monitor_agent.logstash.events.json_text import read, read_first, write
from monitor_agent.logstash.events.timestamps import Timestamp
from monitor_agent.logstash.language.sprintf import static_reference
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec

FAILURE = "_jsonparsefailure"
ASCII_BLANKS = " \t\n\v\f\r"
_BINARY = {"ASCII-8BIT": "ascii", "BINARY": "ascii"}
"""Ruby's names for bytes without a meaning; each that is not ASCII is replaced."""
_NEXT_NAME = re.compile(r'[}\]\s]*,\s*"')
OPTIONS = (PluginOption("charset", default="UTF-8"), PluginOption("target"))


class JsonCodec:
    """Objects become events; other text becomes a `message` with the tag `_jsonparsefailure`.

    Text after a complete value is ignored, except where a pipeline could not notice that it is lost: after a list of
    several objects, and if it looks like the next name. `event.original` holds the text of an object, and of a list of
    one.
    """

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        self._utf8, self._charset = charset_of(config)
        target = config.options["target"]
        self._target = static_reference(target, config.at) if target else None
        if self._target is not None and self._target.path == ("@timestamp",):
            raise config.at.error("the target cannot be @timestamp", "name another field")

    def ignore_target(self) -> None:
        """Put fields into the event itself, whatever the option `target` is."""
        self._target = None

    def decode(self, data: bytes) -> list[Event]:
        """Return one event for an object, several for a list, none for an empty text."""
        if not self._utf8:
            data = data.decode(self._charset, "replace").encode()
        try:
            value = read(data)
        except ValueError:
            return self._decode_odd(data)
        return self._events(value, data)

    def encode(self, event: Event) -> bytes:
        """Return the event as one JSON object."""
        return write(payload(event))

    def _decode_odd(self, data: bytes) -> list[Event]:
        """Return the events of a text that is not JSON as a whole: empty, an object with more behind it, or no JSON."""
        text = utf8_text(data)
        if not text.strip(ASCII_BLANKS):
            return []
        try:
            value, rest = read_first(text)
        except ValueError:
            return [message_event(text, FAILURE)]
        # The events of a list do not have the text. In the text of an object, a name after its end looks like its own.
        if rest and ((type(value) is list and len(value) > 1) or _NEXT_NAME.match(rest)):
            return [message_event(text, FAILURE)]
        return self._events(value, text.encode())

    def _events(self, value: Any, data: bytes) -> list[Event]:
        if is_too_deep(value, data):
            return [message_event(data.decode(), FAILURE)]
        if type(value) is list and len(value) != 1:
            if all(type(item) is dict for item in value):
                return [self._event(item) for item in value]
            return [message_event(data.decode(), FAILURE)]
        item = value[0] if type(value) is list else value
        if type(item) is not dict or (self._target is None and not _has_objects(item)):
            return [message_event(data.decode(), FAILURE)]
        event = self._event(item)
        keep_original(event, data.decode())
        return [event]

    def _event(self, fields: dict[str, Any]) -> Event:
        if self._target is None:
            return event_of(fields)
        event: Event = {"@version": "1", "@timestamp": Timestamp.now()}
        self._target.set(event, fields)
        return event


def _has_objects(fields: dict[str, Any]) -> bool:
    """Return whether `@metadata` and `event` are objects, or not there: later steps put fields into them."""
    return all(type(fields.get(name, fields)) is dict for name in ("@metadata", "event"))


def charset_of(config: PluginConfig) -> tuple[bool, str]:
    """Return whether the codec's `charset` is UTF-8, and its name.

    Raises
    ------
    ConfigurationError
        If the charset is unknown.
    """
    name = config.options["charset"]
    try:
        charset = codecs.lookup(_BINARY.get(name.upper(), name)).name
    except LookupError:
        raise config.at.error(f"there is no charset {name!r}", "use UTF-8") from None
    return charset == "utf-8", charset


SPEC = PluginSpec("codec", "json", OPTIONS, JsonCodec)
