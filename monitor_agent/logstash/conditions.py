"""Conditions, compiled once to a function of the event. Numbers equal no texts, 1 is not 1.0, null is not false."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from monitor_agent.logstash import syntax
from monitor_agent.logstash.patterns import compile_pattern
from monitor_agent.logstash.plugin import Event
from monitor_agent.logstash.sprintf import static_reference
from monitor_agent.logstash.values import text_of
from monitor_agent.logstash.variables import substitute

EventTest = Callable[[Event], bool]

ORDERED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Incomparable(Exception):  # noqa: N818 - not an error: Logstash drops such an event
    """Raised if `<`, `<=`, `>` or `>=` meets a field that is missing or of another type; the text names the place."""


def compile_condition(condition: syntax.Condition, variables: Mapping[str, str]) -> EventTest:
    """Return the test; it raises Incomparable for an event that cannot be compared.

    Raises
    ------
    ConfigurationError
        If a reference, an expression or a pattern is malformed, or a variable is not set.
    """
    if isinstance(condition, syntax.Truth):
        return _truth(static_reference(condition.selector.text, condition.at).get)
    if isinstance(condition, syntax.Negation):
        operand = compile_condition(condition.operand, variables)
        return lambda event: not operand(event)
    if isinstance(condition, syntax.Junction):
        return _junction(condition.operator, [compile_condition(operand, variables) for operand in condition.operands])
    return _comparison(condition, variables)


def _truth(get: Callable[[Event], Any]) -> EventTest:
    def test(event: Event) -> bool:
        value = get(event)
        if type(value) is str:
            return value not in ("", "false")
        return value is not None and value is not False

    return test


def _junction(kind: str, tests: list[EventTest]) -> EventTest:
    if len(tests) == 2:
        first, second = tests
        if kind == "and":
            return lambda event: first(event) and second(event)
        if kind == "or":
            return lambda event: first(event) or second(event)
        if kind == "xor":
            return lambda event: first(event) is not second(event)
        return lambda event: not (first(event) and second(event))
    if kind in ("xor", "nand"):
        return _junction(kind, [_junction(kind, tests[:-1]), tests[-1]])
    if kind == "and":
        return lambda event: all(test(event) for test in tests)
    return lambda event: any(test(event) for test in tests)


def _comparison(node: syntax.Comparison, variables: Mapping[str, str]) -> EventTest:
    left, right = _operand(node.left, variables, node.at), _operand(node.right, variables, node.at)
    if node.operator in ("=~", "!~"):
        matches = _matches(left, right, node.at)
        return matches if node.operator == "=~" else lambda event: not matches(event)
    if node.operator == "in":
        return _contained(left, right, node.at)
    if node.operator in ORDERED:
        return _ordered(node.operator, left, right, node.at)
    equal = _equal(left, right)
    return equal if node.operator == "==" else lambda event: not equal(event)


class _Constant:
    """A value written in the configuration; `get` returns it for every event."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.get = lambda _event: value


class _Field:
    """A field of the event."""

    def __init__(self, node: syntax.Selector) -> None:
        self.text = node.text
        self.get = static_reference(node.text, node.at).get


_Operand = _Constant | _Field


def _operand(value: Any, variables: Mapping[str, str], at: syntax.Location) -> _Operand:
    if isinstance(value, syntax.Selector):
        return _Field(value)
    if isinstance(value, syntax.Pattern):
        return _Constant(value.text)
    if isinstance(value, list) and any(isinstance(item, (syntax.Selector, syntax.Pattern, list)) for item in value):
        raise at.error("a list in a condition holds texts and numbers only", "compare with each field by itself")
    return _Constant(substitute(value, variables, at))


def _equal(left: _Operand, right: _Operand) -> EventTest:
    if isinstance(left, _Constant):
        left, right = right, left
    get = left.get
    if isinstance(right, _Field):
        get_right = right.get
        return lambda event: _equal_values(get(event), get_right(event))
    value = right.value
    if type(value) is str:
        return lambda event: bool(get(event) == value)
    return lambda event: _equal_values(get(event), value)


def _equal_values(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _ordered(sign: str, left: _Operand, right: _Operand, at: syntax.Location) -> EventTest:
    compare = ORDERED[sign]
    get_left, get_right = left.get, right.get
    reason = f"{at.path}:{at.line}:{at.column}: {_operand_text(left)} {sign} {_operand_text(right)}"

    def test(event: Event) -> bool:
        value, bound = get_left(event), get_right(event)
        kind, bound_kind = type(value), type(bound)
        if (kind is int or kind is float) and (bound_kind is int or bound_kind is float):
            return bool(compare(value, bound))
        if kind is str and bound_kind is str:
            return bool(compare(value, bound))
        raise Incomparable(reason)

    return test


def _operand_text(operand: _Operand) -> str:
    return operand.text if isinstance(operand, _Field) else repr(operand.value)


def _matches(left: _Operand, right: _Operand, at: syntax.Location) -> EventTest:
    if not isinstance(right, _Constant) or not isinstance(right.value, str):
        raise at.error("a regular expression is expected on the right", "write /pattern/ or a text")
    get, search = left.get, compile_pattern(right.value, at).search

    def test(event: Event) -> bool:
        value = get(event)
        return type(value) is str and search(value) is not None

    return test


def _contained(left: _Operand, right: _Operand, at: syntax.Location) -> EventTest:
    if isinstance(right, _Constant):
        if isinstance(right.value, list):
            return _in_list(left.get, frozenset(text_of(item) for item in right.value))
        if not isinstance(right.value, str):
            raise at.error("a list, a text or a field is expected after 'in'", 'write [a] in ["x", "y"]')
    if isinstance(left, _Constant) and isinstance(left.value, list):
        raise at.error("a text, a number or a field is expected before 'in'", 'write [a] in ["x", "y"]')
    get, container = left.get, right.get
    return lambda event: _holds(container(event), get(event))


def _in_list(get: Callable[[Event], Any], texts: frozenset[str]) -> EventTest:
    def test(event: Event) -> bool:
        value = get(event)
        if type(value) is str:
            return value in texts
        return value is not None and type(value) not in (dict, list) and text_of(value) in texts

    return test


def _holds(container: Any, value: Any) -> bool:
    if value is None or container is None:
        return False
    if type(container) is list:
        if type(value) is str:
            return value in container
        return any(_equal_values(value, item) for item in container)
    if type(container) is str and type(value) is str:
        return value in container
    return _equal_values(container, value)
