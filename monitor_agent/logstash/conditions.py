"""Conditions as Python expressions about `event`. Numbers equal no texts, 1 is not 1.0, null is not false.

The usual comparisons are written out; an unusual one becomes the call of a function.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from monitor_agent.logstash import syntax
from monitor_agent.logstash.field_code import value_of
from monitor_agent.logstash.patterns import searches
from monitor_agent.logstash.plugin import Event
from monitor_agent.logstash.python_code import PythonCode
from monitor_agent.logstash.sprintf import static_reference
from monitor_agent.logstash.values import text_of
from monitor_agent.logstash.variables import substitute

EventTest = Callable[[Event], bool]

ORDERED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Incomparable(Exception):  # noqa: N818 - not an error: Logstash drops such an event
    """Raised if `<`, `<=`, `>` or `>=` meets a field that is missing or of another type; the text names the place."""


def compile_condition(condition: syntax.Condition, variables: Mapping[str, str]) -> EventTest:
    """Return the test as a function; see `condition_code`."""
    code = PythonCode()
    with code.block("def test(event)"):
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
    if isinstance(condition, syntax.Negation):
        return f"(not {condition_code(condition.operand, variables, code)})"
    if isinstance(condition, syntax.Junction):
        return _junction(
            condition.operator, [condition_code(operand, variables, code) for operand in condition.operands]
        )
    return _comparison(condition, variables, code)


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
        self.get = self._reference.get

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
    return _Constant(substitute(value, variables, at))


def _equal(left: _Operand, right: _Operand, code: PythonCode) -> str:
    if isinstance(left, _Constant):
        left, right = right, left
    value, other = left.expression(code), right.expression(code)
    if isinstance(right, _Constant) and isinstance(right.value, str):
        return f"({value} == {other})"
    if isinstance(right, _Constant) and type(right.value) is int:
        return f"(type(value := {value}) is int and value == {other})"
    return f"{code.name('equal', _equal_values)}({value}, {other})"


def _equal_values(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _ordered(node: syntax.Comparison, left: _Operand, right: _Operand, code: PythonCode) -> str:
    at = node.at
    compare = ORDERED[node.operator]
    reason = f"{at.path}:{at.line}:{at.column}: {_operand_text(left)} {node.operator} {_operand_text(right)}"

    def test(value: Any, bound: Any) -> bool:
        kind, bound_kind = type(value), type(bound)
        if (kind is int or kind is float) and (bound_kind is int or bound_kind is float):
            return bool(compare(value, bound))
        if kind is str and bound_kind is str:
            return bool(compare(value, bound))
        raise Incomparable(reason)

    return f"{code.name('ordered', test)}({left.expression(code)}, {right.expression(code)})"


def _operand_text(operand: _Operand) -> str:
    return operand.text if isinstance(operand, _Field) else repr(operand.value)


def _matches(left: _Operand, right: _Operand, at: syntax.Location, code: PythonCode) -> str:
    if not isinstance(right, _Constant) or not isinstance(right.value, str):
        raise at.error("a regular expression is expected on the right", "write /pattern/ or a text")
    tests = [f"{code.name('search', search)}(value)" for search in searches(right.value, at)]
    return f"(type(value := {left.expression(code)}) is str and ({' or '.join(tests)}))"


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
