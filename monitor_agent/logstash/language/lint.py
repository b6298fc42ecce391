"""Warnings about legal conditions that are probably mistakes: they drop events, or compare with a missing field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from monitor_agent.logstash.language import syntax
from monitor_agent.logstash.language.conditions import ORDERED

Fields = frozenset[str]

_ALWAYS: Fields = frozenset({"[@timestamp]"})


def warnings(sections: Iterable[syntax.Section]) -> list[str]:
    """Return one line for each doubtful condition, with its place.

    Three conditions are doubtful: `<`, `<=`, `>`, `>=` on a field that may be missing, because they drop an event
    without the field; `in ["text"]`, because it means the field of that name; and `if "[field]"`, because a text alone
    is true for every event.
    """
    nodes = [node for section in sections for node in section.body]
    return list(_body(nodes, _ALWAYS))


def _body(nodes: Sequence[syntax.Node], present: Fields) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, syntax.Branch):
            yield from _branch(node, present)
        else:
            present |= _replaced_fields(node)


def _replaced_fields(node: syntax.Plugin) -> Fields:
    """Return the fields that a filter sets in every event."""
    tables = [attribute.value for attribute in node.attributes if attribute.name == "replace"]
    names = [str(name) for table in tables if isinstance(table, dict) for name in table]
    return frozenset(name if name.startswith("[") else f"[{name}]" for name in names)


def _branch(branch: syntax.Branch, present: Fields) -> Iterator[str]:
    for arm in branch.arms:
        if arm.condition is None:
            yield from _body(arm.body, present)
        else:
            yield from _condition(arm.condition, present)
            yield from _body(arm.body, present | _present_fields(arm.condition, holds=True))
            present |= _present_fields(arm.condition, holds=False)


def _condition(condition: syntax.Condition, present: Fields) -> Iterator[str]:
    if isinstance(condition, syntax.Negation):
        yield from _condition(condition.operand, present)
    elif isinstance(condition, syntax.Junction):
        for operand in condition.operands:
            yield from _condition(operand, present)
            if condition.operator != "xor":  # the next operand is tested only if this one was true (and), or false (or)
                present |= _present_fields(operand, holds=condition.operator != "or")
    elif isinstance(condition, syntax.Comparison):
        yield from _comparison(condition, present)
    elif isinstance(condition, syntax.Literal) and "${" not in str(condition.value):
        place = f"{condition.at.path}:{condition.at.line}:{condition.at.column}"
        yield f"{place}: {condition.value!r} is the same for every event: write a field without quotes, such as [field]"


def _comparison(node: syntax.Comparison, present: Fields) -> Iterator[str]:
    place = f"{node.at.path}:{node.at.line}:{node.at.column}"
    selectors = _selectors(node)
    if node.operator in ORDERED:
        for text in selectors:
            if text not in present:
                yield f"{place}: {node.operator} drops an event without {text}: write {text} and ... before it"
    for text in selectors:
        if text[1] in "\"'":
            yield f"{place}: {text} is read as a field: compare with == instead, or list two texts"


def _selectors(node: syntax.Comparison) -> list[str]:
    return [side.text for side in (node.left, node.right) if isinstance(side, syntax.Selector)]


def _present_fields(condition: syntax.Condition, *, holds: bool) -> Fields:
    """Return the fields that an event has if the condition is true (`holds`), or false."""
    if isinstance(condition, syntax.Truth):
        return frozenset({condition.selector.text}) if holds else frozenset()
    if isinstance(condition, syntax.Negation):
        return _present_fields(condition.operand, holds=not holds)
    if isinstance(condition, syntax.Comparison):
        decided = condition.operator in ORDERED or holds is (condition.operator not in ("!=", "!~"))
        both_fields = len(_selectors(condition)) == 2 and condition.operator in ("==", "!=")
        return frozenset(_selectors(condition)) if decided and not both_fields else frozenset()
    if isinstance(condition, syntax.Literal) or condition.operator == "xor":
        return frozenset()
    holds = holds is not (condition.operator == "nand")
    sets = [_present_fields(operand, holds=holds) for operand in condition.operands]
    return frozenset().union(*sets) if holds is (condition.operator != "or") else frozenset.intersection(*sets)
