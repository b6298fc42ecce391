"""Fields in generated Python: the usual case, objects within objects, is written out; the rest calls the reference.

Each function writes or returns code that does the same as the method of `FieldReference` of that name. The code has the
event as `event`, and the object in its field `@metadata` as `metadata`, since most steps read or change that. Other
objects may have variables too. Code that may put something else in the place of an object renews its variable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monitor_agent.logstash.language.field_references import FieldReference, inner_value, is_index
from monitor_agent.logstash.language.python_code import PythonCode
from monitor_agent.logstash.plugin import Event

METADATA = "@metadata"
SPECIAL = ("@timestamp", METADATA, "tags")
"""Fields of the event itself whose type is fixed."""
_EMPTY: Event = {}
"""Stands for an object that is not there; it is only read."""


def begin(code: PythonCode) -> None:
    """Write the line that makes `metadata`; every function begins with it. An event always has `@metadata`."""
    new = code.name("new_metadata", _new_metadata)
    code.line(f"metadata = value if type(value := event.get('@metadata')) is dict else {new}(event)")
    _renew((), code)


def name_object(path: Sequence[str], code: PythonCode) -> None:
    """Write the lines that name the object at a path, and those around it; an empty object stands for a missing one.

    Parameters
    ----------
    path : no name in it is an index, except perhaps the first.
    """
    for length in range(1, len(path) + 1):
        outer = tuple(path[:length])
        if outer != (METADATA,) and outer not in code.objects:
            code.objects[outer] = code.variable("object")
            _write_object(outer, code)


def call(hint: str, function: Callable[[Event], object], code: PythonCode) -> None:
    """Write the call of a function that may change any field, also `@metadata` as a whole."""
    code.line(f"{code.name(hint, function)}(event)")
    begin(code)


def value_of(field: FieldReference, code: PythonCode) -> str:
    """Return the expression for the field's value; None if it is missing."""
    path = field.path
    for length in range(len(path) - 1, 0, -1):
        if path[:length] in code.objects and not is_index(path[length]):
            return _value(path[length:], code.objects[path[:length]], 1, code)
    if path[0] != METADATA:
        return _value(path, "event", 1, code)
    return _value(path[1:], "metadata", 1, code) if len(path) > 1 else "metadata"


def assign(field: FieldReference, value: str, code: PythonCode) -> None:
    """Write the lines that set the field to the value of an expression."""
    path = field.path
    if path[:-1] == (METADATA,):
        code.line(f"metadata[{path[-1]!r}] = {value}")
        _renew(path, code)
    elif len(path) > 1:
        code.line(f"value = {value}")
        with code.block(f"if {_is_object(path[:-1], 'outer')}"):
            code.line(f"outer[{path[-1]!r}] = value")
        with code.block("else"):
            code.line(f"{code.name('set', field.set)}(event, value)")
            _renew(path[:1], code)
        _renew(path, code)
    elif path[0] in SPECIAL:
        code.line(f"{code.name('set', field.set)}(event, {value})")
        begin(code)
    else:
        code.line(f"event[{path[0]!r}] = {value}")
        _renew(path, code)


def remove(field: FieldReference, code: PythonCode) -> None:
    """Write the lines that remove the field."""
    path = field.path
    if path == (METADATA,):
        code.line("metadata.clear()")
    elif path[:-1] == (METADATA,):
        code.line(f"metadata.pop({path[-1]!r}, None)")
    elif len(path) == 1:
        code.line(f"event.pop({path[0]!r}, None)")
    else:
        with code.block(f"if {_is_object(path[:-1], 'outer')}"):
            code.line(f"outer.pop({path[-1]!r}, None)")
        with code.block(f"elif {path[0]!r} in event"):
            code.line(f"{code.name('remove', field.remove)}(event)")
            _renew(path[:1], code)
    _forget(path, code)


def rename(pairs: Sequence[tuple[FieldReference, FieldReference]], code: PythonCode) -> None:
    """Write the lines that rename fields, one after another. Neighbours from the same object share the way to it."""
    start = 0
    while start < len(pairs):
        end = start + 1
        while end < len(pairs) and _share_source(pairs[start], pairs[end]) and _leaves_source(pairs[end - 1]):
            end += 1
        _rename_from(pairs[start:end], code)
        start = end


def renaming(source: FieldReference, target: FieldReference) -> Callable[[Event], None]:
    """Return the function that renames a field of an event, if it is there."""

    def change(event: Event) -> None:
        if source.has(event):
            target.set(event, source.remove(event))

    return change


def _share_source(left: tuple[FieldReference, FieldReference], right: tuple[FieldReference, FieldReference]) -> bool:
    return left[0].path[:-1] == right[0].path[:-1]


def _leaves_source(pair: tuple[FieldReference, FieldReference]) -> bool:
    """Return whether a renaming cannot replace the object that it takes the field from."""
    source, target = pair
    return len(source.path) == 1 or source.path[0] != target.path[0]


def _rename_from(pairs: Sequence[tuple[FieldReference, FieldReference]], code: PythonCode) -> None:
    head = pairs[0][0].path[:-1]
    if not head or head == (METADATA,):
        for source, target in pairs:
            _move(source, "metadata" if head else "event", target, code)
        return
    with code.block(f"if {_is_object(head, 'holder')}"):
        for source, target in pairs:
            _move(source, "holder", target, code)
    with code.block(f"elif {head[0]!r} in event"):
        for source, target in pairs:
            call("rename", renaming(source, target), code)


def _move(source: FieldReference, holder: str, target: FieldReference, code: PythonCode) -> None:
    if source.path == (METADATA,):
        call("rename", renaming(source, target), code)
        return
    name = source.path[-1]
    with code.block(f"if {name!r} in {holder}"):
        assign(target, f"{holder}.pop({name!r})", code)
        if source.path[0] == target.path[0]:
            _renew(source.path, code)
        else:
            _forget(source.path, code)


def _new_metadata(event: Event) -> Event:
    metadata: Event = {}
    event[METADATA] = metadata
    return metadata


def _write_object(path: tuple[str, ...], code: PythonCode) -> None:
    outer = path[:-1]
    container = "event" if not outer else "metadata" if outer == (METADATA,) else code.objects[outer]
    text = f"value if type(value := {container}.get({path[-1]!r})) is dict else {code.name('empty', _EMPTY)}"
    code.line(f"{code.objects[path]} = {text}")


def _renew(path: Sequence[str], code: PythonCode) -> None:
    """Write the lines that name the objects at a path and within it again, an outer one before an inner one."""
    for inner in sorted(code.objects, key=len):
        if inner[: len(path)] == tuple(path):
            _write_object(inner, code)


def _forget(path: tuple[str, ...], code: PythonCode) -> None:
    """Write the lines after which there is no object at a path."""
    for inner, name in code.objects.items():
        if inner[: len(path)] == path:
            code.line(f"{name} = {code.name('empty', _EMPTY)}")


def _is_object(path: Sequence[str], result: str) -> str:
    """Return the condition that the value at the path, and all around it, are objects; it names that value."""
    tests, container = [], "event"
    for number, key in enumerate(path, 1):
        inner = result if number == len(path) else f"outer{number}"
        tests.append(f"type({inner} := {container}.get({key!r})) is dict")
        container = inner
    return " and ".join(tests)


def _value(path: tuple[str, ...], container: str, number: int, code: PythonCode) -> str:
    first = f"{container}.get({path[0]!r})"
    if len(path) == 1:
        return first
    inner, rest = f"inner{number}", path[1:]
    other = f"None if {inner} is None else {code.name('inner_value', inner_value)}({inner}, {rest!r})"
    return f"({_value(rest, inner, number + 1, code)} if type({inner} := {first}) is dict else {other})"
