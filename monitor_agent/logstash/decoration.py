"""The common options of inputs and filters: they add and remove fields and tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitor_agent.logstash.events.event_fields import tag
from monitor_agent.logstash.events.values import hash_order, ruby_list
from monitor_agent.logstash.language.field_code import METADATA, assign, begin, call, remove
from monitor_agent.logstash.language.field_references import FieldError, FieldReference
from monitor_agent.logstash.language.python_code import PythonCode
from monitor_agent.logstash.language.sprintf import (
    compile_reference,
    compile_template,
    is_dynamic,
    static_reference,
    template_code,
)
from monitor_agent.logstash.language.syntax import Location
from monitor_agent.logstash.plugin import Event, PluginConfig

Change = Callable[[Event], None]


def decoration(config: PluginConfig) -> Change:
    """Return the function that applies a filter's common options to an event, after the filter has succeeded.

    It raises FieldError if a field cannot be set; the compiler tags such an event.
    """
    code = PythonCode()
    with code.block("def change(event)"):
        begin(code)
        write_decoration(config, code)
    return code.function("change")


def write_decoration(config: PluginConfig, code: PythonCode) -> None:
    """Write the lines that do the same as the function of `decoration`."""
    common, at = config.common, config.at
    for name, value in hash_order(common.get("add_field", {})):
        _write_adding(name, value, at, code)
    for name in common.get("remove_field", []):
        if is_dynamic(str(name)):
            call("remove", _removing(name, at), code)
        else:
            remove(static_reference(name, at), code)
    changes: list[Change] = []
    added = [*common.get("add_tag", []), *common.get("tags", [])]
    if added:
        changes.append(_tagging(added, at))
    if common.get("remove_tag"):
        changes.append(_untagging(common["remove_tag"], at))
    if "type" in common:
        changes.append(_typing(common["type"]))
    for change in changes:
        call("change", change, code)


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


def _write_adding(name: Any, value: Any, at: Location, code: PythonCode) -> None:
    """Write the lines that set a field, or add an element to it; a field of `[@metadata]` is usually not there yet."""
    texts = value if isinstance(value, list) else [value]
    field = None if is_dynamic(str(name)) else static_reference(name, at)
    add = _adding(name, texts, at)
    if len(texts) > 1 or field is None or len(field.path) != 2 or field.path[0] != METADATA:
        call("add", add, code)
        return
    with code.block(f"if {field.path[1]!r} not in metadata"):
        assign(field, template_code(texts[0], at, code), code)
    with code.block("else"):
        call("add", add, code)


def _adding(name: Any, texts: list[Any], at: Location) -> Change:
    find = compile_reference(name, at)
    renders = [compile_template(text, at) for text in texts]

    def add(event: Event) -> None:
        try:
            field = find(event)
        except ValueError as error:
            raise FieldError(str(error)) from None
        for render in renders:
            _add(event, field, render(event))

    return add


def _add(event: Event, field: FieldReference, text: str) -> None:
    """Set the field; if it is there, make it a list with one more element."""
    field.set(event, [*ruby_list(field.get(event)), text] if field.has(event) else text)


def _removing(name: Any, at: Location) -> Change:
    find = compile_reference(name, at)

    def remove_named(event: Event) -> None:
        try:
            find(event).remove(event)
        except ValueError as error:
            raise FieldError(str(error)) from None

    return remove_named


def _tagging(names: list[Any], at: Location) -> Change:
    renders = [compile_template(name, at) for name in names]

    def add_tags(event: Event) -> None:
        event["tags"] = [*ruby_list(event.get("tags")), *[render(event) for render in renders]]

    return add_tags


def _untagging(names: list[Any], at: Location) -> Change:
    renders = [compile_template(name, at) for name in names]

    def untag(event: Event) -> None:
        present = event.get("tags")
        if present is not None:
            removed = {render(event) for render in renders}
            event["tags"] = [name for name in ruby_list(present) if name not in removed]

    return untag


def _typing(name: str) -> Change:
    def set_type(event: Event) -> None:
        event.setdefault("type", name)

    return set_type
