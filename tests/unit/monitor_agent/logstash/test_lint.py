"""The warnings of `pipeline check`."""

from __future__ import annotations

import pytest

from monitor_agent.logstash.language.lint import warnings
from monitor_agent.logstash.language.parser import parse


def warned(text: str) -> list[str]:
    """Return the warnings of a filter section."""
    return warnings(parse(f"filter {{ {text} }}", "a.conf"))


@pytest.mark.parametrize(
    "text",
    [
        "if [a] > 1 { }",
        "if [b] and [a] > 1 { }",
        "if [a] or [a] > 1 { }",
        "if [a] > 1 and [a] { }",
        "if [b] { } else if [a] <= 1 { }",
        "if [b] { if !([a] >= 1) { } }",
        "if [a] xor [a] > 1 { }",
        "if [a] == [b] { if [a] > 1 { } }",
        "if [a] != 1 { if [a] > 1 { } }",
        'if [b] { mutate { replace => { "a" => "x" } } } if [a] > "b" { }',
    ],
)
def test_a_comparison_of_a_field_that_may_be_missing_is_warned_of(text: str) -> None:
    """Logstash drops an event without the field; the warning names the place and the remedy."""
    (warning,) = warned(text)

    assert warning.startswith("a.conf:1:")
    assert "drops an event without [a]" in warning
    assert warning.endswith("write [a] and ... before it")


@pytest.mark.parametrize(
    "text",
    [
        'mutate { replace => { "a" => "x" } } if [b] { if [a] > "b" { } }',
        'mutate { replace => { "[a]" => "x" } } if [a] > "b" { }',
        "if [a] and [a] > 1 { }",
        "if [a] { if [b] { } else if [a] > 1 { } }",
        "if ![a] { } else if [a] > 1 { }",
        "if ![a] or [a] > 1 { }",
        "if ![a] and [b] { } else { if [b] and [b] > 1 { } }",
        'if [a] == 1 or [a] in ["x", "y"] { if [a] < 1 { } }',
        "if [a] =~ /x/ and [a] > 1 { }",
        "if [a] !~ /x/ { } else if [a] > 1 { }",
        "if [a] nand [a] { } else if [a] > 1 { }",
        'if [@timestamp] > "2026" { }',
        "if [a] == 1 { }",
    ],
)
def test_a_field_that_is_known_to_be_there_is_not_warned_of(text: str) -> None:
    """A condition before it or around it, or a failed one before it, can guarantee that the field is there."""
    assert warned(text) == []


def test_one_warning_is_enough() -> None:
    """After a comparison, the field is there for the comparisons behind it."""
    assert len(warned("if [a] > 1 and [a] < 5 { if [a] > 2 { } }")) == 1


def test_a_list_of_one_text_is_warned_of() -> None:
    """Logstash reads `in ["x"]` as the field of that name, which is probably a mistake."""
    assert warned('if [a] in ["x"] { }') == [
        'a.conf:1:13: ["x"] is read as a field: compare with == instead, or list two texts'
    ]
    assert warned('if [a] in ["x", "y"] { }') == []
