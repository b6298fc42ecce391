"""The options that every input or filter has: fields and tags that are added and removed."""

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
    """Return what applies the common options that are given, for a filter after its success.

    It raises FieldError where a field cannot be set; the compiler tags such an event.
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
    return _all(changes)


def input_decoration(config: PluginConfig) -> Change:
    """Return what applies the common options of an input to an event; what it refuses is tagged."""
    change, counters, failure = decoration(config), config.counters, f"_{config.name}_error"

    def decorate(event: Event) -> None:
        try:
            change(event)
        except FieldError:
            counters.fail(failure)
            tag(event, (failure,))

    return decorate


def _all(changes: list[Change]) -> Change:
    if len(changes) == 1:
        return changes[0]

    def change(event: Event) -> None:
        for one in changes:
            one(event)

    return change


def _adding(name: Any, value: Any, at: Location) -> Change:
    find = compile_reference(name, at)
    renders = [compile_template(one, at) for one in (value if isinstance(value, list) else [value])]
    if not is_dynamic(str(name)) and len(renders) == 1:
        return _adding_one(static_reference(name, at), renders[0])

    def add(event: Event) -> None:
        try:
            field = find(event)
        except ValueError as error:
            raise FieldError(str(error)) from None
        for render in renders:
            _add(event, field, render(event))

    return add


def _adding_one(field: FieldReference, render: Callable[[Event], str]) -> Change:
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
    """Set the field, or make it a list with one more element where it is there."""
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
            unwanted = {render(event) for render in renders}
            tags = present if type(present) is list else [present]
            event["tags"] = [one for one in tags if one not in unwanted]

    return untag


def _typing(name: str) -> Change:
    def set_type(event: Event) -> None:
        event.setdefault("type", name)

    return set_type
