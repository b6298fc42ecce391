"""Conditions as Python expressions about `event`. Numbers equal no texts, 1 is not 1.0, null is not false.

The usual comparisons are written out; an unusual one becomes the call of a function.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from monitor_agent.logstash.events.json_text import NonFinite
from monitor_agent.logstash.events.timestamps import Timestamp
from monitor_agent.logstash.events.values import equal, text_of, to_s
from monitor_agent.logstash.language import syntax
from monitor_agent.logstash.language.field_code import begin, value_of
from monitor_agent.logstash.language.patterns import searches
from monitor_agent.logstash.language.python_code import PythonCode
from monitor_agent.logstash.language.sprintf import static_reference
from monitor_agent.logstash.language.variables import substitute_whole
from monitor_agent.logstash.plugin import Event

EventTest = Callable[[Event], bool]

_NUMBERS = frozenset((int, float, NonFinite))
ORDERED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Incomparable(Exception):  # noqa: N818 - not an error: Logstash drops such an event
    """Raised if `<`, `<=`, `>` or `>=` meets a field that is missing or of another type; the text names the place."""


def compile_condition(condition: syntax.Condition, variables: Mapping[str, str]) -> EventTest:
    """Return the test as a function; see `condition_code`."""
    code = PythonCode()
    with code.block("def test(event)"):
        begin(code)
        code.line(f"return {condition_code(condition, variables, code)}")
    return code.function("test")


def condition_code(condition: syntax.Condition, variables: Mapping[str, str], code: PythonCode) -> str:
    """Return the test as an expression in parentheses; it raises Incomparable for an event that cannot be compared.

    Raises
    ------
    ConfigurationError
        If a reference, an expression or a pattern is malformed, or a variable is not set.
    """
    if isinstance(condition, syntax.Truth):
        value = value_of(static_reference(condition.selector.text, condition.at), code)
        return f'((value := {value}) is not None and value is not False and value != "" and value != "false")'
    if isinstance(condition, syntax.Literal):
        return str(literal_holds(condition, variables))
    if isinstance(condition, syntax.Negation):
        return f"(not {condition_code(condition.operand, variables, code)})"
    if isinstance(condition, syntax.Junction):
        return _junction(
            condition.operator, [condition_code(operand, variables, code) for operand in condition.operands]
        )
    return _comparison(condition, variables, code)


def literal_holds(literal: syntax.Literal, variables: Mapping[str, str]) -> bool:
    """Return whether a value alone is true, which is the same for every event; `0` is, as in Logstash.

    Raises
    ------
    ConfigurationError
        If a variable is not set.
    """
    return substitute_whole(literal.value, variables, literal.at) not in ("", "false")


def _junction(kind: str, tests: list[str]) -> str:
    if kind in ("and", "or"):
        return f"({f' {kind} '.join(tests)})"
    joined = tests[0]
    for test in tests[1:]:
        joined = f"(not ({joined} and {test}))" if kind == "nand" else f"(bool({joined}) is not bool({test}))"
    return joined


def _comparison(node: syntax.Comparison, variables: Mapping[str, str], code: PythonCode) -> str:
    left, right = _operand(node.left, variables, node.at), _operand(node.right, variables, node.at)
    if node.operator in ("=~", "!~"):
        matches = _matches(left, right, node.at, code)
        return matches if node.operator == "=~" else f"(not {matches})"
    if node.operator == "in":
        return f"{code.name('contained', _contained(left, right, node.at))}(event)"
    if node.operator in ORDERED:
        return _ordered(node, left, right, code)
    equal = _equal(left, right, code)
    return equal if node.operator == "==" else f"(not {equal})"


class _Constant:
    """A value written in the configuration; `get` returns it for every event."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.get = lambda _event: value

    def expression(self, code: PythonCode) -> str:
        """Return the expression for the value."""
        return repr(self.value) if isinstance(self.value, (str, int, float)) else code.name("constant", self.value)


class _Field:
    """A field of the event."""

    def __init__(self, node: syntax.Selector) -> None:
        self.text = node.text
        self._reference = static_reference(node.text, node.at)
        self.get, self.has = self._reference.get, self._reference.has

    def expression(self, code: PythonCode) -> str:
        """Return the expression for the value."""
        return value_of(self._reference, code)


_Operand = _Constant | _Field


def _operand(value: Any, variables: Mapping[str, str], at: syntax.Location) -> _Operand:
    if isinstance(value, syntax.Selector):
        return _Field(value)
    if isinstance(value, syntax.Pattern):
        return _Constant(value.text)
    if isinstance(value, list) and any(isinstance(item, (syntax.Selector, syntax.Pattern, list)) for item in value):
        raise at.error("a list in a condition holds texts and numbers only", "compare with each field by itself")
    return _Constant(substitute_whole(value, variables, at))


def _equal(left: _Operand, right: _Operand, code: PythonCode) -> str:
    if isinstance(left, _Field) and isinstance(right, _Field):
        return f"{code.name('equal', _equal_fields(left, right))}(event)"
    if isinstance(left, _Constant):
        left, right = right, left
    value, other = left.expression(code), right.expression(code)
    kind = type(right.value) if isinstance(right, _Constant) else None
    if kind in (str, int):
        return f"(type(value := {value}) is {kind.__name__} and value == {other})"
    return f"{code.name('equal', equal)}({value}, {other})"


def _equal_fields(left: _Field, right: _Field) -> EventTest:
    """Return the test of two fields; two missing fields are equal, a missing one and null are not."""

    def test(event: Event) -> bool:
        value, other = left.get(event), right.get(event)
        if value is None and other is None:
            return left.has(event) is right.has(event)
        return equal(value, other)

    return test


def _ordered(node: syntax.Comparison, left: _Operand, right: _Operand, code: PythonCode) -> str:
    at = node.at
    compare = ORDERED[node.operator]
    reason = f"{at.path}:{at.line}:{at.column}: {_operand_text(left)} {node.operator} {_operand_text(right)}"

    def test(event: Event) -> bool:
        value, bound = left.get(event), right.get(event)
        kind, bound_kind = type(value), type(bound)
        if kind is str and bound_kind is str:
            return bool(compare(value, bound))
        if kind in _NUMBERS and bound_kind in _NUMBERS:
            return bool(compare(value, bound))
        if kind is Timestamp and bound_kind is Timestamp:
            return bool(compare(value.moment, bound.moment))
        if (kind is bool and value is bound) or (value is bound is None and _are_there(event, left, right)):
            return bool(compare(0, 0))
        raise Incomparable(reason)

    both_texts = f"type(value := {left.expression(code)}) is str and type(bound := {right.expression(code)}) is str"
    return f"(value {node.operator} bound if {both_texts} else {code.name('ordered', test)}(event))"


def _are_there(event: Event, *operands: _Operand) -> bool:
    return all(isinstance(operand, _Field) and operand.has(event) for operand in operands)


def _operand_text(operand: _Operand) -> str:
    return operand.text if isinstance(operand, _Field) else repr(operand.value)


def _matches(left: _Operand, right: _Operand, at: syntax.Location, code: PythonCode) -> str:
    if not isinstance(right, _Constant) or not isinstance(right.value, str):
        raise at.error("a regular expression is expected on the right", "write /pattern/ or a text")
    tests = []
    for needle, search in searches(right.value, at):
        test = f"{code.name('search', search)}(value)"
        tests.append(f"({needle!r} in value and {test})" if needle else test)
    return f"(type(value := {left.expression(code)}) is str and ({' or '.join(tests)}))"


def _contained(left: _Operand, right: _Operand, at: syntax.Location) -> EventTest:
    """Return the test of `in`; what is searched in what depends on which side is written in the configuration."""
    if isinstance(left, _Constant) and isinstance(left.value, list):
        raise at.error("a text, a number or a field is expected before 'in'", 'write [a] in ["x", "y"]')
    if isinstance(right, _Field):
        return _contained_in_field(left, right)
    if isinstance(left, _Constant):
        result = type(left.value) is type(right.value) and left.value == right.value
        return lambda _event: result
    if isinstance(right.value, list):
        return _in_list(left, frozenset(text_of(item) for item in right.value))
    get, text = left.get, text_of(right.value)
    return lambda event: type(value := get(event)) is str and value in text


def _in_list(field: _Field, texts: frozenset[str]) -> EventTest:
    get = field.get

    def test(event: Event) -> bool:
        value = get(event)
        if type(value) is str:
            return value in texts
        return (value is not None or field.has(event)) and to_s(value) in texts

    return test


def _contained_in_field(left: _Operand, right: _Field) -> EventTest:
    container_of = right.get
    if isinstance(left, _Constant):
        element = left.value

        def holds(event: Event) -> bool:
            container = container_of(event)
            if type(container) is list:
                return any(equal(element, item) for item in container)
            return type(container) is str and type(element) is str and element in container

        return holds
    get, has = left.get, left.has

    def test(event: Event) -> bool:
        value, container = get(event), container_of(event)
        if type(value) in (list, dict) or (value is None and not has(event)):
            return False
        if type(value) is str and type(container) is str:
            return value in container
        if type(container) is list:
            return any(equal(value, item) for item in container)
        return equal(value, container) and (container is not None or right.has(event))

    return test
