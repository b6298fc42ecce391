"""The common options of inputs and filters: they add and remove fields and tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitor_agent.logstash.event_fields import tag
from monitor_agent.logstash.field_references import FieldError, FieldReference
from monitor_agent.logstash.plugin import Event, PluginConfig
from monitor_agent.logstash.sprintf import (
    compile_reference,
    compile_template,
    is_dynamic,
    static_reference,
)
from monitor_agent.logstash.syntax import Location

Change = Callable[[Event], None]


def decoration(config: PluginConfig) -> Change:
    """Return the function that applies a filter's common options to an event, after the filter has succeeded.

    It raises FieldError if a field cannot be set; the compiler tags such an event.
    """
    common, at = config.common, config.at
    changes: list[Change] = []
    changes += [_adding(name, value, at) for name, value in common.get("add_field", {}).items()]
    changes += [_removing(name, at) for name in common.get("remove_field", [])]
    added = [*common.get("add_tag", []), *common.get("tags", [])]
    if added:
        changes.append(_tagging(added, at))
    if common.get("remove_tag"):
        changes.append(_untagging(common["remove_tag"], at))
    if "type" in common:
        changes.append(_typing(common["type"]))
    return _sequence(changes)


def input_decoration(config: PluginConfig) -> Change:
    """Return the function that applies an input's common options; it tags an event whose field cannot be set."""
    change, counters, failure = decoration(config), config.counters, f"_{config.name}_error"

    def decorate(event: Event) -> None:
        try:
            change(event)
        except FieldError:
            counters.fail(failure)
            tag(event, (failure,))

    return decorate


def _sequence(changes: list[Change]) -> Change:
    if len(changes) == 1:
        return changes[0]

    def apply(event: Event) -> None:
        for change in changes:
            change(event)

    return apply


def _adding(name: Any, value: Any, at: Location) -> Change:
    find = compile_reference(name, at)
    renders = [compile_template(text, at) for text in (value if isinstance(value, list) else [value])]
    if not is_dynamic(str(name)) and len(renders) == 1:
        return _adding_text(static_reference(name, at), renders[0])

    def add(event: Event) -> None:
        try:
            field = find(event)
        except ValueError as error:
            raise FieldError(str(error)) from None
        for render in renders:
            _add(event, field, render(event))

    return add


def _adding_text(field: FieldReference, render: Callable[[Event], str]) -> Change:
    path = field.path
    if len(path) == 2 and path[0] == "@metadata":  # the usual target, and the one that is always an object
        key = path[1]

        def add_metadata(event: Event) -> None:
            holder = event.get("@metadata")
            if holder is None:
                event["@metadata"] = {key: render(event)}
            elif key in holder:
                _add(event, field, render(event))
            else:
                holder[key] = render(event)

        return add_metadata
    return lambda event: _add(event, field, render(event))


def _add(event: Event, field: FieldReference, text: str) -> None:
    """Set the field; if it is there, make it a list with one more element."""
    if not field.has(event):
        field.set(event, text)
        return
    present = field.get(event)
    if type(present) is list:
        present.append(text)
    else:
        field.set(event, [text] if present is None else [present, text])


def _removing(name: Any, at: Location) -> Change:
    if is_dynamic(str(name)):
        find = compile_reference(name, at)

        def remove(event: Event) -> None:
            try:
                find(event).remove(event)
            except ValueError as error:
                raise FieldError(str(error)) from None

        return remove
    field = static_reference(name, at)
    if len(field.path) == 1:
        key = field.path[0]
        return lambda event: event.pop(key, None)
    return field.remove


def _tagging(names: list[Any], at: Location) -> Change:
    renders = [compile_template(name, at) for name in names]
    return lambda event: tag(event, [render(event) for render in renders])


def _untagging(names: list[Any], at: Location) -> Change:
    renders = [compile_template(name, at) for name in names]

    def untag(event: Event) -> None:
        present = event.get("tags")
        if present is not None:
            removed = {render(event) for render in renders}
            tags = present if type(present) is list else [present]
            event["tags"] = [name for name in tags if name not in removed]

    return untag


def _typing(name: str) -> Change:
    def set_type(event: Event) -> None:
        event.setdefault("type", name)

    return set_type
