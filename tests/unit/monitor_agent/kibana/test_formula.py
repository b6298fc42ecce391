"""Formulas: their columns as Kibana stores them, and their arithmetic."""

from __future__ import annotations

from typing import Any

import pytest

from monitor_agent.errors import DataError
from monitor_agent.kibana.arithmetic import compiled
from monitor_agent.kibana.formula import expand


def columns_of(text: str) -> dict[str, dict[str, Any]]:
    """Return the columns of a formula."""
    return expand("F", {"label": "Share", "operationType": "formula", "params": {"formula": text}})


def test_the_columns_are_numbered_in_the_order_of_the_calls() -> None:
    """Kibana stores a column for each call and a last one for the arithmetic; the formula refers to the last one."""
    columns = columns_of("sum(tp, kql='outcome: \\'x\\'', shift='1d') / count()")

    assert columns["F"]["references"] == ["FX2"]
    assert columns["FX0"]["sourceField"] == "tp"
    assert columns["FX0"]["filter"] == {"query": "outcome: 'x'", "language": "kuery"}
    assert columns["FX0"]["timeShift"] == "1d"
    assert columns["FX1"]["sourceField"] == "___records___"
    assert columns["FX2"]["references"] == ["FX0", "FX1"]
    assert columns["FX2"]["params"]["tinymathAst"] == {
        "type": "function",
        "name": "divide",
        "args": ["FX0", "FX1"],
        "location": {"min": 0, "max": 51},
        "text": "sum(tp, kql='outcome: \\'x\\'', shift='1d') / count()",
    }


def test_a_single_call_needs_no_arithmetic() -> None:
    """`count()` alone is one column."""
    assert list(columns_of("count()")) == ["F", "FX0"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 4 - 3", 3),
        ("16 / 4 / 2", 2),
        ("sqrt(9) + abs(1 - 3)", 5),
        ("1 / (2 - 2)", None),
        ("sqrt(1 - 2)", None),
        ("count() + 1", 6),
        ("count() / sum(tp)", None),
    ],
)
def test_arithmetic_is_that_of_school(text: str, value: float | None) -> None:
    """Products before sums, from left to right; an operand without a value gives no value."""
    columns = columns_of(text)
    tree = columns[columns["F"]["references"][0]]["params"]["tinymathAst"]

    assert compiled(tree)({"FX0": 5.0, "FX1": None}) == value


@pytest.mark.parametrize(
    "text",
    ["", "count(", "count() +", "tp", "counter_rate(max(n))", "sum()", "sum(tp, n)", "sqrt(1, 2)", "count() count()"],
)
def test_an_unsupported_formula_is_refused(text: str) -> None:
    """The error shows the formula."""
    with pytest.raises(DataError, match="not understood"):
        columns_of(text)
