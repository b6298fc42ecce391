"""Texts with references: `%{field}`, `%{+YYYY.MM.dd}`, `%{{yyyy-MM-dd}}`, compiled once to a function of the event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitor_agent.logstash.date_formats import Format, java_time, joda
from monitor_agent.logstash.field_references import FieldReference, field_reference
from monitor_agent.logstash.plugin import Event
from monitor_agent.logstash.syntax import Location
from monitor_agent.logstash.timestamps import Timestamp
from monitor_agent.logstash.values import text_of

Render = Callable[[Event], str]


def is_dynamic(template: str) -> bool:
    """Return whether the text depends on the event."""
    start = template.find("%{")
    return start >= 0 and template.find("}", start) >= 0


def compile_template(template: Any, at: Location) -> Render:
    """Return what renders the template for an event; ConfigurationError where a reference or a pattern is malformed.

    A field that is missing or null leaves its reference as it is written; a date without `@timestamp` is empty.
    """
    try:
        parts = _parts(text_of(template))
    except ValueError as error:
        raise at.error(str(error), f"mend {template!r}") from None
    renders = [part for part in parts if not isinstance(part, str)]
    if not renders:
        return _constant("".join(part for part in parts if isinstance(part, str)))
    if len(parts) == 1:
        return renders[0]
    form = "".join(part.replace("%", "%%") if isinstance(part, str) else "%s" for part in parts)
    if len(renders) == 1:
        only = renders[0]
        return lambda event: form % only(event)
    return lambda event: form % tuple([render(event) for render in renders])


def compile_reference(name: Any, at: Location) -> Callable[[Event], FieldReference]:
    """Return what finds the field that `name` says for an event; the name itself may hold references.

    An event may make the name malformed: ValueError then.
    """
    text = text_of(name)
    if is_dynamic(text):
        render = compile_template(text, at)
        return lambda event: field_reference(render(event))
    fixed = static_reference(text, at)
    return lambda _event: fixed


def static_reference(name: Any, at: Location) -> FieldReference:
    """Return the field that `name` says; ConfigurationError where it is malformed."""
    try:
        return field_reference(text_of(name))
    except ValueError as error:
        raise at.error(str(error)) from None


def _parts(template: str) -> list[str | Render]:
    parts: list[str | Render] = []
    position = 0
    while True:
        start = template.find("%{", position)
        end = template.find("}", start) if start >= 0 else -1
        if end < 0:
            break
        if start > position:
            parts.append(template[position:start])
        inner = template[start + 2 : end]
        if inner.startswith("{") and template[end + 1 : end + 2] == "}":
            end += 1
            parts.append(_java_part(inner[1:]))
        else:
            parts.append(_part(inner))
        position = end + 1
    if position < len(template) or not parts:
        parts.append(template[position:])
    return parts


def _java_part(pattern: str) -> Render:
    if pattern == "TIME_NOW":
        return lambda _event: str(Timestamp.now())
    return _date_part(java_time(pattern))


def _part(inner: str) -> Render:
    if inner == "+%s":
        return _date_part(lambda time: str(time.seconds))
    if inner.startswith("+"):
        return _date_part(joda(inner[1:]))
    written = "%{" + inner + "}"
    get = field_reference(inner).get

    def render(event: Event) -> str:
        value = get(event)
        if type(value) is str:
            return value
        return written if value is None else text_of(value)

    return render


def _date_part(write: Format) -> Render:
    def render(event: Event) -> str:
        time = event.get("@timestamp")
        return "" if time is None else write(time)

    return render


def _constant(text: str) -> Render:
    return lambda _event: text
