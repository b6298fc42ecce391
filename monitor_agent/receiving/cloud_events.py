"""Reads CloudEvents from HTTP requests: binary mode, structured mode and batches (pure).

Source: CloudEvents 1.0.2, HTTP protocol binding and JSON event format.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import orjson

from monitor_agent.errors import RecordError
from monitor_agent.prediction_log.limits import MAX_ID_LENGTH, MAX_PATH_LENGTH
from monitor_agent.prediction_log.record_fields import RecordFields, kind_of

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
HEADER_PREFIX = "ce-"
VERSION = "1.0"
MAX_ATTRIBUTE_LENGTH = 4096
_REQUIRED = ("specversion", "id", "source", "type", "time")
_DATA = ("data", "data_base64")
_NAME = re.compile(r"[a-z0-9]{1,64}")
_FRACTION = re.compile(r"(?<=:\d\d)[.,](\d+)")
_MICROSECOND_DIGITS = 6


@dataclass(frozen=True)
class CloudEvent:
    """One CloudEvent.

    Attributes
    ----------
    id, source, type : its attributes; source and id together are unique.
    time : when it happened, UTC.
    extensions : all other attributes, by their names in small letters.
    content : the JSON text of its data.
    place : path of its data in the body of the request, "" for the body itself.
    """

    id: str
    source: str
    type: str
    time: datetime
    extensions: Mapping[str, str]
    content: bytes
    place: str = ""

    def data(self) -> Any:
        """Return its data.

        Raises
        ------
        RecordError
            If it is not JSON.
        """
        return json_of(self.content, self.place)


def read_events(media_type: str, headers: Mapping[str, str], body: bytes, now: datetime, most: int) -> list[CloudEvent]:
    """Return the events of a request.

    Parameters
    ----------
    media_type : of the header `Content-Type`, without parameters, in small letters.
    headers : names in small letters.
    most : the highest number of events.

    Raises
    ------
    RecordError
        If the request holds no CloudEvents, or an attribute is wrong; it names the path of the attribute.
    """
    if media_type == BATCH:
        entries = json_of(body, "")
        if not isinstance(entries, list) or not entries:
            raise RecordError("the body", "a list of events that is not empty is expected")
        if len(entries) > most:
            raise RecordError("the body", f"at most {most} events are expected, {len(entries)} given")
        return [_structured(entry, f"[{index}]", now) for index, entry in enumerate(entries)]
    if media_type == STRUCTURED:
        return [_structured(json_of(body, ""), "", now)]
    attributes = {
        name.removeprefix(HEADER_PREFIX): unquote(value)
        for name, value in headers.items()
        if name.startswith(HEADER_PREFIX)
    }
    if not attributes:
        raise RecordError(
            "the headers", f"ce-id, ce-type, ... of a CloudEvent are missing, and the body is no {STRUCTURED} either"
        )
    return [_event(attributes, HEADER_PREFIX, body, "", now)]


def json_of(content: bytes, place: str) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    RecordError
        If it is not JSON; the reason gives the position.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise RecordError(place or "the body", f"it is not JSON ({error})") from error


def rfc3339(text: str) -> str:
    """Return a time with microseconds: Go writes up to nine digits, of which Python 3.10 reads three or six.

    >>> rfc3339("2026-11-23T10:00:00.1234567Z"), rfc3339("2026-11-23T10:00:00Z")
    ('2026-11-23T10:00:00.123456Z', '2026-11-23T10:00:00Z')
    """
    digits = _MICROSECOND_DIGITS
    return _FRACTION.sub(lambda match: f".{match[1][:digits].ljust(digits, '0')}", text, count=1)


def _structured(entry: Any, path: str, now: datetime) -> CloudEvent:
    if not isinstance(entry, dict):
        raise RecordError(path or "the body", f"an object is expected, {kind_of(entry)} given")
    place = f"{path}." if path else ""
    data = {name: entry[name] for name in _DATA if entry.get(name) is not None}
    if len(data) != 1:
        raise RecordError(f"{place}data", "one of data and data_base64 is expected")
    if "data" in data:
        content, name = orjson.dumps(data["data"]), "data"
    else:
        content, name = _decoded(data["data_base64"], f"{place}data_base64"), "data_base64"
    attributes = {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in entry.items()
        if name not in _DATA and value is not None
    }
    return _event(attributes, place, content, place + name, now)


def _decoded(text: Any, place: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise RecordError(place, "text in base64 is expected") from error


def _event(attributes: Mapping[str, str], prefix: str, content: bytes, place: str, now: datetime) -> CloudEvent:
    """Return an event; `prefix` stands before the names of its attributes in errors."""
    plain = {name: value for name, value in attributes.items() if _NAME.fullmatch(name)}
    node = RecordFields({f"{prefix}{name}": plain[name] for name in plain}, "", [f"{prefix}{name}" for name in plain])
    for name in _REQUIRED:
        if not plain.get(name):
            why = ": without it, an event that comes twice may count twice" if name == "time" else ""
            raise RecordError(prefix + name, f"is missing{why}")
    if plain["specversion"] != VERSION:
        raise RecordError(f"{prefix}specversion", f"{VERSION} is expected")
    for name in plain.keys() - {"time"}:
        node.text_of(prefix + name, plain[name], MAX_ATTRIBUTE_LENGTH, shortest=0)
    return CloudEvent(
        id=node.text_of(f"{prefix}id", plain["id"], MAX_ID_LENGTH),
        source=node.text_of(f"{prefix}source", plain["source"], MAX_PATH_LENGTH * 4),
        type=plain["type"],
        time=_time(plain["time"], prefix, now),
        extensions={name: value for name, value in plain.items() if name not in _REQUIRED},
        content=content,
        place=place,
    )


def _time(text: str, prefix: str, now: datetime) -> datetime:
    name = f"{prefix}time"
    moment = RecordFields({name: rfc3339(text)}, "", [name]).moment(name, now)
    assert moment is not None
    return moment
