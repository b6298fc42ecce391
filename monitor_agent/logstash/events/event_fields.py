"""The fields that every event has: time, version, tags, original text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitor_agent.logstash.events.timestamps import Timestamp
from monitor_agent.logstash.language.field_references import legal_tags
from monitor_agent.logstash.plugin import Event

TIMESTAMP_FAILURE = "_timestampparsefailure"
TAGS_FAILURE = "_tagsparsefailure"
DEEPEST = 1000
"""The most levels of objects and lists, as in Logstash; Elasticsearch maps 20."""


def event_of(fields: dict[str, Any]) -> Event:
    """Return `fields` as an event: with `@version`, a valid `@timestamp` and legal `tags`.

    A malformed time goes to `_@timestamp`, other `tags` than text and lists of text go to `_tags`; both tag the event.
    """
    if "tags" in fields and not legal_tags(fields["tags"]):
        fields["_tags"] = [fields["tags"]]
        fields["tags"] = [TAGS_FAILURE]
    if "@version" not in fields:
        fields["@version"] = "1"
    time = fields.get("@timestamp")
    try:
        fields["@timestamp"] = Timestamp.parse(time) if type(time) is str else _now_unless(time)
    except ValueError:
        fields["@timestamp"] = Timestamp.now()
        fields["_@timestamp"] = time
        tag(fields, (TIMESTAMP_FAILURE,))
    return fields


def is_too_deep(value: Any, text: str | bytes) -> bool:
    """Return whether objects and lists in `value` are nested too deeply to be handled.

    Parameters
    ----------
    text : the JSON text of `value`; a short text, or one with few brackets, needs no walk through the value.
    """
    if len(text) < 2 * DEEPEST:  # the usual case: each level has two brackets
        return False
    openings = text.count("{") + text.count("[") if isinstance(text, str) else text.count(b"{") + text.count(b"[")
    if openings <= DEEPEST:
        return False
    layer = [value]
    for _ in range(DEEPEST):
        inner = [list(item.values()) if type(item) is dict else item for item in layer if type(item) in (dict, list)]
        layer = [item for items in inner for item in items]
    return bool(layer)


def message_event(text: str, *tags: str) -> Event:
    """Return an event whose `message` is `text`."""
    event: Event = {"message": text, "@timestamp": Timestamp.now(), "@version": "1"}
    if tags:
        event["tags"] = list(tags)
    return event


def keep_original(event: Event, text: str) -> None:
    """Put `text` into `event.original` if that is missing."""
    holder = event.get("event")
    if holder is None:
        event["event"] = {"original": text}
    elif type(holder) is dict and "original" not in holder:
        holder["original"] = text


def tag(event: Event, tags: Iterable[str]) -> None:
    """Add tags that the event does not have yet."""
    present = event.get("tags")
    if present is None:
        present = event["tags"] = []
    elif type(present) is not list:
        present = event["tags"] = [present]
    for name in tags:
        if name not in present:
            present.append(name)


def payload(event: Event) -> Event:
    """Return the event as outputs write it: without `@metadata`."""
    if "@metadata" not in event:
        return event
    fields = event.copy()  # faster than to leave the field out of a new object
    del fields["@metadata"]
    return fields


def _now_unless(value: Any) -> Timestamp:
    if value is None:
        return Timestamp.now()
    raise ValueError(f"{value!r} is no time")
