"""The filter `mutate`: changes fields in a fixed order, whatever the order of the options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from monitor_agent.logstash.decoration import decoration
from monitor_agent.logstash.event_fields import tag
from monitor_agent.logstash.field_references import FieldError, FieldReference
from monitor_agent.logstash.filters.conversions import CONVERSIONS
from monitor_agent.logstash.patterns import compile_pattern, compile_replacement
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec
from monitor_agent.logstash.sprintf import (
    compile_reference,
    compile_template,
    is_dynamic,
    static_reference,
)
from monitor_agent.logstash.syntax import Location
from monitor_agent.logstash.values import clone, ruby_join

Change = Callable[[Event], None]

BLANKS = "\t\n\v\f\r \0"

_log = structlog.get_logger()


class MutateFilter:
    """If an operation fails, the event is tagged and the remaining operations are skipped; earlier changes stay."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        options, at = config.options, config.at
        self._changes = [
            change
            for name, make in _OPERATIONS.items()
            if options[name] is not None
            for change in make(options[name], at)
        ]
        self._changes.append(decoration(config))
        self._tag: str = options["tag_on_failure"]
        self._configured = config

    def filter(self, event: Event) -> bool:
        """Return True; fields are changed in place."""
        try:
            for change in self._changes:
                change(event)
        except (FieldError, ValueError) as error:
            _log.debug("mutate gave up on an event", plugin=self._configured.id, reason=str(error))
            self._configured.counters.fail(self._tag)
            tag(event, (self._tag,))
        return True


def _coerce(table: dict[str, Any], at: Location) -> list[Change]:
    def coerce_field(field: FieldReference, render: Callable[[Event], str]) -> Change:
        def coerce(event: Event) -> None:
            if field.get(event) is None and field.has(event):
                field.set(event, render(event))

        return coerce

    return [coerce_field(static_reference(name, at), compile_template(value, at)) for name, value in table.items()]


def _rename(table: dict[str, Any], at: Location) -> list[Change]:
    def rename_field(source: Any, target: Any) -> Change:
        find_source, find_target = compile_reference(source, at), compile_reference(target, at)

        def rename(event: Event) -> None:
            field = find_source(event)
            if field.has(event):
                find_target(event).set(event, field.remove(event))

        return rename

    return [rename_field(source, target) for source, target in table.items()]


def _update(table: dict[str, Any], at: Location) -> list[Change]:
    def update_field(field: FieldReference, render: Callable[[Event], str]) -> Change:
        def update(event: Event) -> None:
            if field.has(event):
                field.set(event, render(event))

        return update

    return [update_field(static_reference(name, at), compile_template(value, at)) for name, value in table.items()]


def _replace(table: dict[str, Any], at: Location) -> list[Change]:
    def replace_field(field: FieldReference, render: Callable[[Event], str]) -> Change:
        return lambda event: field.set(event, render(event))

    return [replace_field(static_reference(name, at), compile_template(value, at)) for name, value in table.items()]


def _convert(table: dict[str, Any], at: Location) -> list[Change]:
    """Return one change: all fields are converted, or none if one of them cannot be."""
    for kind in table.values():
        if kind not in CONVERSIONS:
            raise at.error(f"convert has no type {kind!r}", f"use one of {', '.join(CONVERSIONS)}")
    fields = [(static_reference(name, at), CONVERSIONS[kind]) for name, kind in table.items()]

    def convert(event: Event) -> None:
        results = []
        for field, conversion in fields:
            value = field.get(event)
            if value is None or type(value) is dict:
                continue
            if type(value) is list:
                results.append((field, [None if item is None else conversion(item) for item in value]))
            else:
                results.append((field, conversion(value)))
        for field, result in results:
            field.set(event, result)

    return [convert]


def _gsub(items: list[Any], at: Location) -> list[Change]:
    if len(items) % 3:
        raise at.error(
            "gsub needs three texts for each change: a field, a pattern and a replacement", f"it has {len(items)} texts"
        )

    def gsub_field(field: FieldReference, pattern: str, replacement: str) -> Change:
        dynamic = is_dynamic(pattern)
        fixed = None if dynamic else compile_pattern(pattern, at)
        render_pattern, render = compile_template(pattern, at), compile_template(replacement, at)
        written = None if is_dynamic(replacement) else compile_replacement(replacement)

        def gsub(event: Event) -> None:
            value = field.get(event)
            if type(value) not in (str, list):
                return
            search = fixed or compile_pattern(render_pattern(event), at)
            by = compile_replacement(render(event)) if written is None else written
            if type(value) is str:
                field.set(event, search.sub(by, value))
            else:
                field.set(event, [search.sub(by, item) if type(item) is str else item for item in value])

        return gsub

    triples = zip(items[::3], items[1::3], items[2::3], strict=True)
    return [gsub_field(static_reference(name, at), str(pattern), str(by)) for name, pattern, by in triples]


def _texts(change: Callable[[str], str]) -> Callable[[list[Any], Location], list[Change]]:
    """Return the operation that changes texts and texts in lists, and no other values."""

    def change_field(field: FieldReference) -> Change:
        def apply(event: Event) -> None:
            value = field.get(event)
            if type(value) is str:
                field.set(event, change(value))
            elif type(value) is list:
                field.set(event, [change(item) if type(item) is str else item for item in value])

        return apply

    return lambda names, at: [change_field(static_reference(name, at)) for name in names]


def _split(table: dict[str, Any], at: Location) -> list[Change]:
    def split_field(field: FieldReference, separator: str) -> Change:
        def split(event: Event) -> None:
            value = field.get(event)
            if type(value) is str:
                field.set(event, _split_text(value, separator))

        return split

    return [split_field(static_reference(name, at), str(separator)) for name, separator in table.items()]


def _split_text(text: str, separator: str) -> list[str]:
    """Return the texts between separators as in Ruby: none is empty at the end; " " splits at any whitespace."""
    texts = list(text) if not separator else text.split() if separator == " " else text.split(separator)
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _join(table: dict[str, Any], at: Location) -> list[Change]:
    def join_field(field: FieldReference, separator: str) -> Change:
        def join(event: Event) -> None:
            value = field.get(event)
            if type(value) is list:
                field.set(event, ruby_join(value, separator))

        return join

    return [join_field(static_reference(name, at), str(separator)) for name, separator in table.items()]


def _merge(table: dict[str, Any], at: Location) -> list[Change]:
    def merge_field(field: FieldReference, added: FieldReference) -> Change:
        def merge(event: Event) -> None:
            present, more = field.get(event), clone(added.get(event))
            if type(present) is dict and type(more) is dict:
                field.set(event, {**present, **more})
            elif type(present) is not dict and type(more) is not dict:
                field.set(event, [*_listed(present), *_listed(more)])

        return merge

    pairs = [
        (name, source) for name, value in table.items() for source in (value if isinstance(value, list) else [value])
    ]
    return [merge_field(static_reference(name, at), static_reference(source, at)) for name, source in pairs]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if type(value) is list else [value]


def _copy(table: dict[str, Any], at: Location) -> list[Change]:
    def copy_field(source: FieldReference, target: FieldReference) -> Change:
        def copy(event: Event) -> None:
            value = source.get(event)
            if value is not None:
                target.set(event, clone(value))

        return copy

    return [copy_field(static_reference(source, at), static_reference(target, at)) for source, target in table.items()]


_OPERATIONS: dict[str, Callable[[Any, Location], list[Change]]] = {
    "coerce": _coerce,
    "rename": _rename,
    "update": _update,
    "replace": _replace,
    "convert": _convert,
    "gsub": _gsub,
    "uppercase": _texts(str.upper),
    "capitalize": _texts(str.capitalize),
    "lowercase": _texts(str.lower),
    "strip": _texts(lambda text: text.strip(BLANKS)),
    "split": _split,
    "join": _join,
    "merge": _merge,
    "copy": _copy,
}
_LISTS = ("gsub", "uppercase", "capitalize", "lowercase", "strip")

SPEC = PluginSpec(
    "filter",
    "mutate",
    (
        *(PluginOption(name, "array" if name in _LISTS else "hash") for name in _OPERATIONS),
        PluginOption("tag_on_failure", default="_mutate_error"),
    ),
    MutateFilter,
)
