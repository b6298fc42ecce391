"""Texts with references: `%{field}`, `%{+YYYY.MM.dd}`, `%{{yyyy-MM-dd}}`, compiled once to a function of the event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monitor_agent.logstash.events.date_formats import Format, java_time, joda
from monitor_agent.logstash.events.timestamps import now_text
from monitor_agent.logstash.events.values import text_of
from monitor_agent.logstash.language.field_code import value_of
from monitor_agent.logstash.language.field_references import FieldReference, field_reference
from monitor_agent.logstash.language.python_code import PythonCode
from monitor_agent.logstash.language.syntax import Location
from monitor_agent.logstash.plugin import Event

Render = Callable[[Event], str]


def is_dynamic(template: str) -> bool:
    """Return whether the text depends on the event."""
    start = template.find("%{")
    return start >= 0 and template.find("}", start) >= 0


def compile_template(template: Any, at: Location) -> Render:
    """Return the function that renders the template for an event.

    A reference to a field that is missing or null stays as it is written; a date without `@timestamp` is empty.

    Raises
    ------
    ConfigurationError
        If a reference or a pattern is malformed.
    """
    pieces = _pieces_of(template, at)
    renders = [piece for piece in pieces if not isinstance(piece, str)]
    if not renders:
        return _constant("".join(piece for piece in pieces if isinstance(piece, str)))
    if len(pieces) == 1:
        return renders[0]
    form = "".join(piece.replace("%", "%%") if isinstance(piece, str) else "%s" for piece in pieces)
    if len(renders) == 1:
        only = renders[0]
        return lambda event: form % only(event)
    return lambda event: form % tuple([render(event) for render in renders])


def template_code(template: Any, at: Location, code: PythonCode) -> str:
    """Return the expression that does the same as the function of `compile_template`.

    Raises
    ------
    ConfigurationError
        If a reference or a pattern is malformed.
    """
    return " + ".join(_piece_code(piece, code) for piece in _pieces_of(template, at))


def compile_reference(name: Any, at: Location) -> Callable[[Event], FieldReference]:
    """Return the function that gives the field of this name for an event; the name may contain references.

    The function raises ValueError if the event makes the name malformed.
    """
    text = text_of(name)
    if is_dynamic(text):
        render = compile_template(text, at)
        return lambda event: field_reference(render(event))
    fixed = static_reference(text, at)
    return lambda _event: fixed


def static_reference(name: Any, at: Location) -> FieldReference:
    """Return the field of this name.

    Raises
    ------
    ConfigurationError
        If the name is malformed.
    """
    try:
        return field_reference(text_of(name))
    except ValueError as error:
        raise at.error(str(error)) from None


@dataclass(frozen=True)
class _FieldText:
    """The text of a field; if it is missing or null, the reference as written."""

    field: FieldReference
    written: str

    def __call__(self, event: Event) -> str:
        value = self.field.get(event)
        return value if type(value) is str else self.other(value)

    def other(self, value: Any) -> str:
        """Return the text of a value that is no text."""
        return self.written if value is None else text_of(value)


def _piece_code(piece: str | Render, code: PythonCode) -> str:
    if isinstance(piece, str):
        return repr(piece)
    if isinstance(piece, _FieldText):
        value = value_of(piece.field, code)
        return f"(text if type(text := {value}) is str else {code.name('text_of', piece.other)}(text))"
    return f"{code.name('render', piece)}(event)"


def _pieces_of(template: Any, at: Location) -> list[str | Render]:
    try:
        return _pieces(text_of(template))
    except ValueError as error:
        raise at.error(str(error), f"correct {template!r}") from None


def _pieces(template: str) -> list[str | Render]:
    pieces: list[str | Render] = []
    position = 0
    while True:
        start = template.find("%{", position)
        end = template.find("}", start) if start >= 0 else -1
        if end < 0:
            break
        if start > position:
            pieces.append(template[position:start])
        inner = template[start + 2 : end]
        if inner.startswith("{") and template[end + 1 : end + 2] == "}":
            end += 1
            pieces.append(_java_piece(inner[1:]))
        else:
            pieces.append(_piece(inner))
        position = end + 1
    if position < len(template) or not pieces:
        pieces.append(template[position:])
    return pieces


def _java_piece(pattern: str) -> Render:
    if pattern == "TIME_NOW":
        return lambda _event: now_text()
    return _date_piece(java_time(pattern))


def _piece(inner: str) -> Render:
    if "+%s".startswith(inner):  # also `%{}`: Logstash compares no more letters than there are
        return _date_piece(lambda time: str(time.seconds))
    if inner.startswith("+"):
        return _date_piece(joda(inner[1:]))
    return _FieldText(field_reference(inner), "%{" + inner + "}")


def _date_piece(write: Format) -> Render:
    def render(event: Event) -> str:
        time = event.get("@timestamp")
        return "" if time is None else write(time)

    return render


def _constant(text: str) -> Render:
    return lambda _event: text
