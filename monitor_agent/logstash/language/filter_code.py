"""The filters of a configuration as one generated Python function, which takes a batch of events through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog

from monitor_agent.logstash.events.event_fields import tag
from monitor_agent.logstash.language import syntax
from monitor_agent.logstash.language.conditions import Incomparable, condition_code
from monitor_agent.logstash.language.field_code import begin, name_object
from monitor_agent.logstash.language.field_references import FieldError
from monitor_agent.logstash.language.often_read import often_read
from monitor_agent.logstash.language.python_code import PythonCode
from monitor_agent.logstash.plugin import Event, Filter, PluginConfig, PluginCounters, WrittenFilter

FilterBatch = Callable[[Sequence[Event]], list[Event]]
"""Changes events in place; returns those that remain, in their order."""
MakeFilter = Callable[[syntax.Plugin], tuple[Filter | WrittenFilter, PluginConfig]]
CountDropped = Callable[[Incomparable], None]

DEEPEST = 40
"""The most ifs within each other: Python reads at most 100 levels."""
FILTER_FAILURES = (FieldError, ValueError, RecursionError)
"""What a filter raises if it cannot change an event."""
LONGEST = 500
"""The most branches of one if: for Python, each of them is a level of the syntax tree."""

_log = structlog.get_logger()


class FilterCode:
    """Writes the function. An event that a filter drops, or that cannot be compared, leaves the loop at once."""

    def __init__(self, variables: Mapping[str, str], make: MakeFilter, count_dropped: CountDropped) -> None:
        self._variables = variables
        self._make = make
        self._count_dropped = count_dropped
        self._code = PythonCode()
        self._counters: list[PluginCounters] = []

    def function(self, body: Sequence[syntax.Node]) -> FilterBatch:
        """Return the function for the nodes of all filter sections.

        Raises
        ------
        ConfigurationError
            With the place of the first mistake.
        """
        code = self._code
        with code.block("def filter_batch(events)"):
            code.line("remaining = []")
            code.line("append = remaining.append")
            code.line("".join(f"count_{number} = " for number in range(_plugins(body))) + "0")
            with code.block("try"), code.block("for event in events"):
                self._write_loop(body)
            with code.block("finally"):
                for number, counters in enumerate(self._counters):
                    code.line(f"{code.name('counters', counters)}.count(count_{number})")
            code.line("return remaining")
        return code.function("filter_batch")

    def _write_loop(self, body: Sequence[syntax.Node]) -> None:
        code = self._code
        with code.block("try"):
            begin(code)
            self._write(body, 0)
        with code.block(f"except {code.name('incomparable', Incomparable)} as reason"):
            code.line(f"{code.name('count_dropped', self._count_dropped)}(reason)")
        with code.block("else"):
            code.line("append(event)")

    def _write(self, body: Sequence[syntax.Node], depth: int) -> None:
        for number, node in enumerate(body, 1):
            if isinstance(node, syntax.Branch):
                for path in often_read(node, body[number:]):
                    name_object(path, self._code)
                self._write_branch(node, depth + 1)
            else:
                self._write_filter(node)

    def _write_branch(self, branch: syntax.Branch, depth: int) -> None:
        if depth > DEEPEST:
            raise branch.at.error(f"there are more than {DEEPEST} ifs within each other", "join some of them by and")
        if len(branch.arms) > LONGEST:
            raise branch.at.error(f"this if has more than {LONGEST} branches", "divide it into several ifs")
        code, word = self._code, "if"
        for arm in branch.arms:
            head = "else"
            if arm.condition is not None:
                head = f"{word} {condition_code(arm.condition, self._variables, code)}"
            with code.block(head):
                named = dict(code.objects)
                self._write(arm.body, depth)
                code.objects = named
            word = "elif"

    def _write_filter(self, node: syntax.Plugin) -> None:
        plugin, config = self._make(node)
        code = self._code
        if isinstance(plugin, WrittenFilter):
            code.line(f"count_{len(self._counters)} += 1")
            self._counters.append(config.counters)
            plugin.write(code)
            return
        with code.block(f"if not {code.name('step', _counted(plugin, config))}(event)"):
            code.line("continue")
        begin(code)  # the step may have set it


def give_up(config: PluginConfig, event: Event, error: Exception) -> None:
    """Count and tag an event that a filter could not change."""
    failure = f"_{config.name}_error"
    # The text of the error may hold a value of the event.
    _log.warning("a filter could not change an event", plugin=config.id, reason=type(error).__name__)
    config.counters.fail(failure)
    tag(event, (failure,))


def _plugins(body: Sequence[syntax.Node]) -> int:
    """Return the number of plugins in a body, also those within its ifs."""
    return sum(sum(_plugins(arm.body) for arm in node.arms) if isinstance(node, syntax.Branch) else 1 for node in body)


def _counted(plugin: Filter, config: PluginConfig) -> Callable[[Event], bool]:
    """Return a step that runs and counts a filter; if it cannot set a field, the event is tagged and goes on."""
    counters, change = config.counters, plugin.filter

    def step(event: Event) -> bool:
        counters.events_in += 1
        try:
            remains = change(event)
        except FILTER_FAILURES as error:
            give_up(config, event, error)
            remains = True
        if remains:
            counters.events_out += 1
        return remains

    return step
