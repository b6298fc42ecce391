"""References to fields, and the text of their values."""

from __future__ import annotations

from typing import Any

import pytest

from monitor_agent.logstash.events.values import ruby_text, text_of
from monitor_agent.logstash.language.field_references import FieldError, field_reference


def event() -> dict[str, Any]:
    """Return an event with values of all types."""
    return {"a": 1, "o": {"p": {"q": "x"}, "n": None}, "l": [1, [2, 3], {"k": "v"}], "a.b": "dot"}


@pytest.mark.parametrize(
    ("text", "value", "present"),
    [
        ("a", 1, True),
        ("[a]", 1, True),
        ("a.b", "dot", True),
        ("[o][p][q]", "x", True),
        ("[o][n]", None, True),
        ("[o][x]", None, False),
        ("[a][b]", None, False),
        ("[l][0]", 1, True),
        ("[l][1][-1]", 3, True),
        ("[l][2][k]", "v", True),
        ("[l][3]", None, False),
        ("[l][x]", None, False),
    ],
)
def test_a_field_is_found_by_its_path(text: str, value: Any, present: bool) -> None:
    """Fields of objects have names, elements of lists have indices (negative ones from the end); null is there."""
    field = field_reference(text)

    assert field.get(event()) == value
    assert field.has(event()) is present


@pytest.mark.parametrize("text", ["[", "[]", "[a", "a]", "[a]b", "a[b]", "[a]][b]", "[[a]b]", "[a][]"])
def test_a_malformed_reference_is_refused(text: str) -> None:
    """Brackets must match and must not be empty."""
    with pytest.raises(ValueError, match="field"):
        field_reference(text)


def test_setting_makes_the_missing_fields_of_the_path() -> None:
    """Missing objects are made, lists are filled up; a name in a list is nothing."""
    fields = event()
    field_reference("[x][y][z]").set(fields, 1)
    field_reference("[[o][p]][m]").set(fields, 2)
    field_reference("[l][x]").set(fields, 2)
    field_reference("[l][5]").set(fields, 3)
    field_reference("[l][-1]").set(fields, 4)

    assert fields["x"] == {"y": {"z": 1}}
    assert fields["o"]["p"] == {"q": "x", "m": 2}
    assert fields["l"][3:] == [None, None, 4]


@pytest.mark.parametrize(
    "text", ["[a][b]", "[a.b][c][d]", "[o][n][m]", "[l][-9]", "[l][99999]", "@timestamp", "@metadata"]
)
def test_a_field_that_cannot_be_set_is_an_error(text: str) -> None:
    """A number and null have no fields, and some fields have a fixed type."""
    with pytest.raises(FieldError):
        field_reference(text).set(event(), "x")


@pytest.mark.parametrize(
    ("text", "removed"), [("a", 1), ("[o][p]", {"q": "x"}), ("[l][0]", 1), ("[a][b]", None), ("x", None)]
)
def test_removing_returns_the_value(text: str, removed: Any) -> None:
    """A removed field is gone; removing a missing one does nothing."""
    fields = event()

    assert field_reference(text).remove(fields) == removed
    assert removed is None or field_reference(text).get(fields) != removed


@pytest.mark.parametrize(
    ("value", "java", "ruby"),
    [
        (1.0, "1.0", "1.0"),
        (0.001, "0.001", "0.001"),
        (0.0001, "1.0E-4", "0.0001"),
        (0.00001, "1.0E-5", "1.0e-05"),
        (123456789.0, "1.23456789E8", "123456789.0"),
        (1e16, "1.0E16", "1.0e+16"),
        (1e23, "1.0E23", "1.0e+23"),
        (-1.5e300, "-1.5E300", "-1.5e+300"),
        (True, "true", "true"),
        ([1, [2, None], {"a": "b"}], "1,2,,{a=b}", '[1, [2, nil], {"a"=>"b"}]'),
        ({"a": [1e7, 5e-4, 0.5]}, '{"a":[1.0E7,5.0E-4,0.5]}', '{"a"=>[10000000.0, 0.0005, 0.5]}'),
        ({"a": [True, 'q"']}, '{"a":[true,"q\\""]}', '{"a"=>[true, "q\\""]}'),
    ],
)
def test_values_become_text_by_the_rules_of_java_and_ruby(value: Any, java: str, ruby: str) -> None:
    """References follow Java, conversions and hashes Ruby."""
    assert (text_of(value), ruby_text(value)) == (java, ruby)
