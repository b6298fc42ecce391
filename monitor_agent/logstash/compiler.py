"""Text of a pipeline configuration -> `Program`: its inputs, filters and routes to outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash import options, registry
from monitor_agent.logstash.language import syntax
from monitor_agent.logstash.language.conditions import EventTest, Incomparable, compile_condition
from monitor_agent.logstash.language.filter_code import FilterBatch, FilterCode
from monitor_agent.logstash.language.parser import parse_files
from monitor_agent.logstash.plugin import (
    Event,
    Filter,
    Input,
    Output,
    PipelineContext,
    PluginConfig,
    PluginCounters,
    WrittenFilter,
)

Select = Callable[[Event, list[int]], None]
"""Appends the numbers of the outputs for an event."""

_log = structlog.get_logger()


class _Incomparables:
    """Counts the events that are dropped because a condition cannot compare them."""

    def __init__(self) -> None:
        self.counters = PluginCounters()

    def count(self, reason: Incomparable) -> None:
        """Count a dropped event; log the 1st, 10th, 100th, ... of a condition, since there may be very many."""
        self.counters.fail(str(reason))
        count = self.counters.failures[str(reason)]
        if str(count).strip("0") == "1":
            _log.warning("event dropped: a compared field is missing or of another type", at=str(reason), count=count)


@dataclass
class Program:
    """A configuration that can be run; nothing is opened yet.

    Attributes
    ----------
    inputs, outputs : in the order of the configuration.
    counters : by plugin id, inputs and outputs included; `conditions` counts events that could not be compared.
    filter : changes events in place; returns those that remain, in their order.
    """

    inputs: list[Input]
    outputs: list[Output]
    counters: dict[str, PluginCounters]
    filter: FilterBatch
    _select: Select | None
    _dropped: _Incomparables = field(default_factory=_Incomparables)

    def __post_init__(self) -> None:
        """Add the counter of the events that conditions drop."""
        self.counters["conditions"] = self._dropped.counters

    def route(self, events: Sequence[Event]) -> list[tuple[Output, list[Event]]]:
        """Return every output that gets an event, with its events in their order."""
        if self._select is None:
            return [(output, list(events)) for output in self.outputs if events]
        shares: list[list[Event]] = [[] for _ in self.outputs]
        for event in events:
            chosen: list[int] = []
            try:
                self._select(event, chosen)
            except Incomparable as reason:
                self._dropped.count(reason)
                continue
            for number in chosen:
                shares[number].append(event)
        return [(output, share) for output, share in zip(self.outputs, shares, strict=True) if share]


def read_sources(config: str) -> list[tuple[str, str]]:
    """Return (path, text) of a file, or of every file of a folder or glob pattern in the order of their names.

    Raises
    ------
    ConfigurationError
        If there is no file, or one cannot be read.
    """
    path = Path(config)
    if path.is_dir():
        paths = sorted(
            file for file in path.iterdir() if file.is_file() and file.name[0] != "." and file.name[-1] != "~"
        )
    elif path.is_file():
        paths = [path]
    else:
        paths = sorted(file for file in path.parent.glob(path.name) if file.is_file()) if path.name else []
    if not paths:
        raise ConfigurationError(
            "there is no pipeline configuration", path=config, hint="name a file or folder with -f"
        )
    try:
        return [(str(file), file.read_text(encoding="utf-8")) for file in paths]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot be read ({error})", path=config, hint="it must be UTF-8 text") from error


def parse_sources(sources: Sequence[tuple[str, str]]) -> list[syntax.Section]:
    """Return the sections of all texts.

    Raises
    ------
    ConfigurationError
        If a text is malformed, or if there is no plugin in any of them.
    """
    sections = parse_files(sources)
    if not any(section.body for section in sections):
        path = sources[0][0] if sources else ""
        raise ConfigurationError("the configuration holds no plugin", path=path, hint="write input { } and output { }")
    return sections


def compile_sections(
    sections: Sequence[syntax.Section], variables: Mapping[str, str], context: PipelineContext
) -> Program:
    """Return the program.

    Raises
    ------
    ConfigurationError
        With the place of the first mistake.
    """
    return _Compiler(variables, context).program(sections)


class _Compiler:
    def __init__(self, variables: Mapping[str, str], context: PipelineContext) -> None:
        self._variables = variables
        self._context = context
        self._counters: dict[str, PluginCounters] = {}
        self._dropped = _Incomparables()
        self._outputs: list[Output] = []

    def program(self, sections: Sequence[syntax.Section]) -> Program:
        bodies = {
            kind: tuple(node for section in sections if section.kind == kind for node in section.body)
            for kind in ("input", "filter", "output")
        }
        inputs = [self._plugin("input", node)[0] for node in self._without_branches(bodies["input"])]
        filter_batch = FilterCode(self._variables, self._filter, self._dropped.count).function(bodies["filter"])
        select = self._selects(bodies["output"])
        unconditional = all(isinstance(node, syntax.Plugin) for node in bodies["output"])
        return Program(
            inputs, self._outputs, self._counters, filter_batch, None if unconditional else select, self._dropped
        )

    def _without_branches(self, body: tuple[syntax.Node, ...]) -> Iterator[syntax.Plugin]:
        for node in body:
            if isinstance(node, syntax.Branch):
                raise node.at.error("an input cannot be inside an if", "put the condition into a filter")
            yield node

    def _plugin(self, kind: str, node: syntax.Plugin) -> tuple[Any, PluginConfig]:
        spec = registry.plugin_spec(kind, node.name, node.at)
        specific, common = options.configure(spec, node, self._variables, self._codec)
        counters = PluginCounters()
        identity = common.get("id") or f"{node.name}@{Path(node.at.path).name}:{node.at.line}:{node.at.column}"
        if kind != "codec":
            if identity in self._counters:
                raise node.at.error(f"two plugins have the id {identity!r}", "give each plugin its own id")
            self._counters[identity] = counters
        config = PluginConfig(node.name, identity, specific, common, node.at, counters)
        return spec.build(config, self._context), config

    def _codec(self, node: syntax.Plugin) -> Any:
        return self._plugin("codec", node)[0]

    def _condition(self, condition: syntax.Condition) -> EventTest:
        return compile_condition(condition, self._variables)

    def _filter(self, node: syntax.Plugin) -> tuple[Filter | WrittenFilter, PluginConfig]:
        return self._plugin("filter", node)

    def _selects(self, body: tuple[syntax.Node, ...]) -> Select:
        selects = [self._choice(node) if isinstance(node, syntax.Branch) else self._output(node) for node in body]

        def select(event: Event, chosen: list[int]) -> None:
            for append in selects:
                append(event, chosen)

        return select

    def _choice(self, branch: syntax.Branch) -> Select:
        arms = [(self._condition(arm.condition), self._selects(arm.body)) for arm in branch.arms if arm.condition]
        last = branch.arms[-1]
        otherwise = self._selects(last.body) if last.condition is None else None

        def select(event: Event, chosen: list[int]) -> None:
            for test, append in arms:
                if test(event):
                    append(event, chosen)
                    return
            if otherwise is not None:
                otherwise(event, chosen)

        return select

    def _output(self, node: syntax.Plugin) -> Select:
        number = len(self._outputs)
        self._outputs.append(self._plugin("output", node)[0])
        return lambda _event, chosen: chosen.append(number)
