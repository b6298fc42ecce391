"""The filter `mutate`: changes fields in a fixed order, whatever the order of the options."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import structlog

from monitor_agent.logstash.decoration import write_decoration
from monitor_agent.logstash.events.event_fields import tag
from monitor_agent.logstash.events.values import BLANKS, clone, hash_order, ruby_join, ruby_list
from monitor_agent.logstash.filters.conversions import CONVERSIONS
from monitor_agent.logstash.language.field_code import assign, begin, call, rename
from monitor_agent.logstash.language.field_references import FieldReference
from monitor_agent.logstash.language.filter_code import FILTER_FAILURES
from monitor_agent.logstash.language.patterns import compile_pattern, compile_replacement
from monitor_agent.logstash.language.python_code import PythonCode
from monitor_agent.logstash.language.ruby_patterns import translate
from monitor_agent.logstash.language.sprintf import (
    compile_reference,
    compile_template,
    is_dynamic,
    static_reference,
    template_code,
)
from monitor_agent.logstash.language.syntax import Location
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec

Change = Callable[[Event], None]
Write = Callable[[Any, Location, PythonCode], None]
"""Writes the lines of an operation, from the value of its option."""

_BLANK = re.compile(f"[{BLANKS}]+")

_log = structlog.get_logger()


class MutateFilter:
    """If an operation fails, the event is tagged and the remaining operations are skipped; earlier changes stay."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        self._tag: str = config.options["tag_on_failure"]
        self._configured = config

    def write(self, code: PythonCode) -> None:
        """Write the lines that change fields of `event` in place."""
        options, at = self._configured.options, self._configured.at
        with code.block("try"):
            for name, write in _OPERATIONS.items():
                if options[name] is not None:
                    write(options[name], at, code)
            write_decoration(self._configured, code)
        with code.block(f"except {code.name('failures', FILTER_FAILURES)} as failure"):
            code.line(f"{code.name('give_up', self._give_up)}(event, failure)")
            begin(code)

    def _give_up(self, event: Event, failure: Exception) -> None:
        _log.debug("mutate gave up on an event", plugin=self._configured.id, reason=str(failure))
        self._configured.counters.fail(self._tag)
        tag(event, (self._tag,))


def _coerce(table: dict[str, Any], at: Location) -> list[Change]:
    def coerce_field(field: FieldReference, render: Callable[[Event], str]) -> Change:
        def coerce(event: Event) -> None:
            if field.get(event) is None and field.has(event):
                field.set(event, render(event))

        return coerce

    return [coerce_field(static_reference(name, at), compile_template(value, at)) for name, value in hash_order(table)]


def _write_rename(table: dict[str, Any], at: Location, code: PythonCode) -> None:
    """Write renamings in their order; one with a name that depends on the event is a call."""
    pairs: list[tuple[FieldReference, FieldReference]] = []
    for source, target in hash_order(table):
        if is_dynamic(str(source)) or is_dynamic(str(target)):
            rename(pairs, code)
            pairs = []
            call("rename", _rename_dynamic(source, target, at), code)
        else:
            pairs.append((static_reference(source, at), static_reference(target, at)))
    rename(pairs, code)


def _rename_dynamic(source: Any, target: Any, at: Location) -> Change:
    find_source, find_target = compile_reference(source, at), compile_reference(target, at)

    def change(event: Event) -> None:
        field = find_source(event)
        if field.has(event):
            find_target(event).set(event, field.remove(event))

    return change


def _update(table: dict[str, Any], at: Location) -> list[Change]:
    def update_field(field: FieldReference, render: Callable[[Event], str]) -> Change:
        def update(event: Event) -> None:
            if field.has(event):
                field.set(event, render(event))

        return update

    return [update_field(static_reference(name, at), compile_template(value, at)) for name, value in hash_order(table)]


def _write_replace(table: dict[str, Any], at: Location, code: PythonCode) -> None:
    for name, value in hash_order(table):
        assign(static_reference(name, at), template_code(value, at, code), code)


def _convert(table: dict[str, Any], at: Location) -> list[Change]:
    def convert_field(field: FieldReference, conversion: Callable[[Any], Any]) -> Change:
        def convert(event: Event) -> None:
            value = field.get(event)
            if type(value) is list:
                field.set(event, [None if item is None else conversion(item) for item in value])
            elif value is not None and type(value) is not dict:
                field.set(event, conversion(value))

        return convert

    for kind in table.values():
        if kind not in CONVERSIONS:
            raise at.error(f"convert has no type {kind!r}", f"use one of {', '.join(CONVERSIONS)}")
    return [convert_field(static_reference(name, at), CONVERSIONS[kind]) for name, kind in hash_order(table)]


def _gsub(items: list[Any], at: Location) -> list[Change]:
    if len(items) % 3:
        raise at.error(
            "gsub needs three texts for each change: a field, a pattern and a replacement", f"it has {len(items)} texts"
        )

    def gsub_field(field: FieldReference, pattern: str, replacement: str) -> Change:
        fixed = None if is_dynamic(pattern) else compile_pattern(pattern, at)
        render_pattern, render = compile_template(pattern, at), compile_template(replacement, at)
        written = None
        if fixed is not None and not is_dynamic(replacement):
            try:
                written = compile_replacement(replacement, fixed)
            except ValueError as error:
                raise at.error(f"{replacement!r} cannot replace /{pattern}/: {error}") from None

        def gsub(event: Event) -> None:
            value = field.get(event)
            if type(value) not in (str, list):
                return
            search = fixed or translate(render_pattern(event))
            by = compile_replacement(render(event), search) if written is None else written
            if type(value) is str:
                field.set(event, search.compiled.sub(by, value))
            else:
                field.set(event, [search.compiled.sub(by, item) if type(item) is str else item for item in value])

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


def _lower(text: str) -> str:
    """Return the text in lower case, each letter by itself: a sigma is the same at the end of a word."""
    return text.lower() if text.isascii() else "".join([letter.lower() for letter in text])


def _strip(names: list[Any], at: Location) -> list[Change]:
    def strip_field(field: FieldReference) -> Change:
        def strip(event: Event) -> None:
            value = field.get(event)
            if type(value) is str:
                field.set(event, value.strip(BLANKS))
            elif type(value) is list:
                if not all(type(item) is str for item in value):
                    raise ValueError("only a text can be stripped")
                field.set(event, [item.strip(BLANKS) for item in value])

        return strip

    return [strip_field(static_reference(name, at)) for name in names]


def _split(table: dict[str, Any], at: Location) -> list[Change]:
    def split_field(field: FieldReference, separator: str) -> Change:
        def split(event: Event) -> None:
            value = field.get(event)
            if type(value) is str:
                field.set(event, _split_text(value, separator))

        return split

    return [split_field(static_reference(name, at), str(separator)) for name, separator in hash_order(table)]


def _split_text(text: str, separator: str) -> list[str]:
    """Return the texts between separators as in Ruby: none is empty at the end; " " splits at blanks."""
    if separator == " ":
        return _BLANK.sub(" ", text).strip(" ").split(" ") if text.strip(BLANKS) else []
    texts = text.split(separator) if separator else list(text)
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

    return [join_field(static_reference(name, at), str(separator)) for name, separator in hash_order(table)]


def _merge(table: dict[str, Any], at: Location) -> list[Change]:
    def merge_fields(field: FieldReference, sources: list[FieldReference]) -> Change:
        def merge(event: Event) -> None:
            present = field.get(event)
            for source in sources:
                more = clone(source.get(event))
                if type(present) is dict and type(more) is dict:
                    present = {**present, **more}
                    field.set(event, present)
                elif type(present) is not dict and type(more) is not dict:
                    merged = [*ruby_list(present), *ruby_list(more)]
                    field.set(event, merged)
                    # As in Logstash, a value that was no list is not one for the next source either.
                    present = merged if type(present) is list else present

        return merge

    return [
        merge_fields(
            static_reference(name, at),
            [static_reference(source, at) for source in (value if isinstance(value, list) else [value])],
        )
        for name, value in hash_order(table)
    ]


def _copy(table: dict[str, Any], at: Location) -> list[Change]:
    def copy_field(source: FieldReference, target: FieldReference) -> Change:
        def copy(event: Event) -> None:
            value = source.get(event)
            if value is not None:
                target.set(event, clone(value))

        return copy

    return [
        copy_field(static_reference(source, at), static_reference(target, at)) for source, target in hash_order(table)
    ]


def _calls(make: Callable[[Any, Location], list[Change]]) -> Write:
    """Return the function that writes an operation as calls of functions."""

    def write(value: Any, at: Location, code: PythonCode) -> None:
        for change in make(value, at):
            call("change", change, code)

    return write


_OPERATIONS: dict[str, Write] = {
    "coerce": _calls(_coerce),
    "rename": _write_rename,
    "update": _calls(_update),
    "replace": _write_replace,
    "convert": _calls(_convert),
    "gsub": _calls(_gsub),
    "uppercase": _calls(_texts(str.upper)),
    "capitalize": _calls(_texts(lambda text: text[:1].capitalize() + _lower(text[1:]))),
    "lowercase": _calls(_texts(_lower)),
    "strip": _calls(_strip),
    "split": _calls(_split),
    "join": _calls(_join),
    "merge": _calls(_merge),
    "copy": _calls(_copy),
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
