"""Conditions beyond the recorded cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor_agent.errors import ConfigurationError
from tests.unit.monitor_agent.logstash.program_runs import filtered

EVENT = {
    "a": 1,
    "f": 1.0,
    "s": "abc",
    "t": "bc",
    "l": ["x", 1, True],
    "o": {"k": "v"},
    "e": [],
    "n": None,
    "null": None,
    "nulls": [None],
    "y": True,
    "false": "false",
}


def holds(condition: str, folder: Path, event: dict[str, Any] = EVENT) -> bool | None:
    """Return whether the condition is true for the event; None if the event is dropped."""
    events = filtered(f'if {condition} {{ mutate {{ add_tag => ["yes"] }} }}', event, folder=folder)
    return events[0].get("tags") == ["yes"] if events else None


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("[f] == 1", False),
        ("[f] == 1.0", True),
        ("[y] == 1", False),
        ("1 == [a]", True),
        ("[a] != 2", True),
        ("[n] == [missing]", False),
        ("[n] == [null]", True),
        ("[missing] == [absent]", True),
        ("[n] <= [null]", True),
        ("[y] >= [y]", True),
        ("[y] < [y]", False),
        ("[n] in [null]", True),
        ("[missing] in [absent]", False),
        ("[n] in [nulls]", True),
        ("1 in [a]", False),
        ("[a] in [a]", True),
        ("[a] in 312", False),
        ('"1" in 312', False),
        ("[@metadata]", True),
        ("[@timestamp] >= [@timestamp]", True),
        ('[@timestamp] == "2026-01-02T03:04:05.678901Z"', False),
        ("[a] == [f]", False),
        ("[a] >= 1 and [a] <= 1 and [f] > 0.5 and [a] < [f]", False),
        ("0 < [a]", True),
        ('[s] > "abb"', True),
        ("[t] in [s]", True),
        ("[a] in [l]", True),
        ("[f] in [l]", False),
        ("1 in [l]", True),
        ("2 in [l]", False),
        ('[a] in ["1", "2"]', True),
        ('[o] in ["1", "2"]', False),
        ('[s] in "xabcx"', True),
        ('[n] in ["null", ""]', True),
        ('[l] in ["x", "[1.0, 1, a]"]', False),
        ('"x" in ["x", "y"]', False),
        ('"x" in "x"', True),
        ('"v" in [o]', False),
        ("[e]", True),
        ("[o]", True),
        ("[false]", False),
        ("[l][-1]", True),
        ("[l][7]", False),
        ("[s] =~ /B/", False),
        ("[s] =~ /(?i)B/", True),
        ("[a] =~ /1/", False),
        ("[missing] !~ /x/", True),
        ("[s] =~ /a\\/b|c$/", True),
        ("[a] xor [n]", True),
        ("[a] xor [f]", False),
        ("[n] nand [missing] ", True),
        ("![n] and ![missing] and [a]", True),
        ("[n] or [missing] or [a]", True),
        ('"${NAME:x}" == "x"', True),
    ],
)
def test_a_condition_compares_value_and_type(condition: str, expected: bool, tmp_path: Path) -> None:
    """Numbers equal no texts and no booleans, 1 is not 1.0, null is not a missing field."""
    assert holds(condition, tmp_path) is expected


@pytest.mark.parametrize(
    "condition",
    ["[missing] > 1", "[n] < 1", "[s] > 1", '[a] > "1"', "[l] >= 1", "[y] > 0", "[a] == 1 and [missing] <= 1"],
)
def test_an_event_that_cannot_be_compared_is_dropped(condition: str, tmp_path: Path) -> None:
    """A missing field, null or another type has no order: the event is dropped, as in Logstash."""
    assert holds(condition, tmp_path) is None


@pytest.mark.parametrize("condition", ["[missing] and [missing] > 1", "[a] == 1 or [missing] > 1"])
def test_a_comparison_that_is_not_reached_drops_nothing(condition: str, tmp_path: Path) -> None:
    """The second operand is tested only if the first does not decide."""
    assert holds(condition, tmp_path) is not None


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("[s] =~ /(/", "is no regular expression"),
        ("[s] =~ /\\p{Nothing}/", "is no regular expression"),
        ("[s] =~ [t]", "expected"),
        ('[a] in ["x", [b]]', "texts and numbers only"),
        ('["a", "b"] in [l]', "before 'in'"),
        ('"text" and [a]', "compare a field"),
        ('!("text")', "compare a field"),
        ('[a] == "${NOWHERE}"', "NOWHERE is not set"),
    ],
)
def test_a_condition_without_meaning_is_refused(condition: str, message: str, tmp_path: Path) -> None:
    """The error comes before anything runs, and it names the expected text."""
    with pytest.raises(ConfigurationError, match=r"^pipeline.conf:2:\d+: ") as caught:
        holds(condition, tmp_path)

    assert message in str(caught.value)


@pytest.mark.parametrize(("condition", "expected"), [('"[s]"', True), ("1", True), ('"false"', False)])
def test_a_text_alone_is_the_same_for_every_event(condition: str, expected: bool, tmp_path: Path) -> None:
    """As in Logstash: `if "[field]"` does not look at the field, and the check of a configuration warns of it."""
    assert holds(condition, tmp_path) is expected
