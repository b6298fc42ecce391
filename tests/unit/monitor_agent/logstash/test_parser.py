"""The language: accepted texts, the grouping of conditions, and the errors."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash.language import syntax
from monitor_agent.logstash.language.parser import parse, parse_files

PIECES = (
    *(
        "input",
        "filter",
        "output",
        "if",
        "else",
        "in",
        "not",
        "and",
        "or",
        "xor",
        "mutate",
        "add_tag",
        "{",
        "}",
        "[",
        "]",
    ),
    *(
        "(",
        ")",
        "=>",
        "==",
        "<",
        "=~",
        "!",
        ",",
        '"x"',
        "'y'",
        "/z/",
        "[a][b]",
        "12",
        "-1.5",
        "word",
        "#",
        "\n",
        " ",
        '"',
    ),
)


def condition_of(text: str) -> syntax.Condition:
    """Return the parsed condition of an if."""
    branch = parse(f"filter {{ if {text} {{ }} }}", "a.conf")[0].body[0]
    assert isinstance(branch, syntax.Branch)
    assert branch.arms[0].condition is not None
    return branch.arms[0].condition


@hypothesis.given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join) | st.text(max_size=200))
@hypothesis.example("filter { mutate { a => " + "[" * 5000)
@hypothesis.example("filter { mutate { a => " + "[" * 3000 + "]" * 3000 + " } }")
@hypothesis.settings(max_examples=300, deadline=None)
def test_any_text_is_understood_or_refused_in_one_way(text: str) -> None:
    """Every text gives sections or a ConfigurationError with a place."""
    refusal = None
    try:
        parse(text, "a.conf")
    except ConfigurationError as error:
        refusal = error
    assert refusal is None or str(refusal).startswith("a.conf:")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "filter {\n  mutate {\n    add_tag => [1]\n  if [a] {\n    drop { }\n  }\n}\n",
            'the "{" at a.conf:2:10 (filter > mutate) is not closed',
        ),
        ("filter {\n  mutate { add_tag => [1 }\n}", 'the "[" at a.conf:2:23 (filter > mutate > add_tag) is not closed'),
        ("filter {\n  drop { }\n  }\n}", 'a "}" too much'),
        ('filter {\n  mutate { add_tag => "a }\n}', 'the """ at a.conf:2:23 (filter > mutate) is not closed'),
        ("filter { drop { } ]", 'a "]" too much'),
    ],
)
def test_a_bracket_without_its_partner_is_named(text: str, message: str) -> None:
    """The error names the open bracket, not only the place where the text stops to make sense."""
    with pytest.raises(ConfigurationError) as caught:
        parse(text, "a.conf")

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("filter { mutate add_tag => 'x' } }", (1, 17), "expected \"{\" after mutate, found 'add_tag'"),
        ("filter {\n  mutate\n    add_tag => 'x'\n  }\n}", (3, 5), "expected \"{\" after mutate, found 'add_tag'"),
        ("filter {\n  if [a] == 'b'\n    drop { }\n  }\n}", (3, 5), "expected \"{\" after 'b', found 'drop'"),
        ("filter {\n  if [a] { } else\n    drop { }\n  }\n}", (3, 5), 'expected "{" after else, found \'drop\''),
        ("filter\n  drop { }\n}", (2, 3), "expected \"{\" after filter, found 'drop'"),
        ("filter {\n if [a] { mutate id => 'x' } }\n}", (2, 18), "expected \"{\" after mutate, found 'id'"),
        ("output {\n  file\n    path => 'x'\n    id => 'y'\n  }\n}", (3, 5), 'expected "{" after file'),
        ("filter {\n  mutate { rename => 'a' => 'b' } }\n}", (2, 26), "expected \"{\" before 'a', found '=>'"),
        ("filter { mutate { copy => 'a' => 'b' } }", (1, 31), "write \"{\" before 'a'"),
        ("filter { mutate { add_tag 'x' } }", (1, 27), 'expected "=>" after add_tag, found "\'x\'"'),
        ("filter { mutate { add_tag ['x'] } }", (1, 27), 'expected "=>"'),
        ("filter { mutate { rename => { 'a' 'b' } } }", (1, 35), 'expected "=>" after \'a\''),
        ("filter { mutate { add_tag = 'x' } }", (1, 27), 'write "=>" between the name of an option and its value'),
        ("filter { if [a] = 'x' { drop { } } }", (1, 17), 'expected a comparison such as "=="'),
        ("filter { mutate { id => 'x', add_tag => 'y' } }", (1, 28), "remove the comma"),
        ("filter { mutate { id => xx yy } }", (1, 31), 'put the value in quotation marks: "xx yy"'),
        ('filter { mutate { add_field => { "a" => "b" "c" } } }', (1, 49), "expected \"=>\" after \"c\", found '}'"),
        ("\ufefffilter { }", (1, 1), "save the file without a byte order mark"),
        ("filter { mutate {\n id => xx'\n} }", (2, 10), "xx' has no quotation mark at its beginning"),
        ("filter { mutate {\n id => 'xx\n} }", (2, 9), 'the "\'" at a.conf:2:8 (filter > mutate) is not closed'),
    ],
)  # fmt: skip
def test_a_missing_brace_arrow_or_quotation_mark_is_named(text: str, place: tuple[int, int], message: str) -> None:
    """The error names what is missing and the text before it, not the bracket that is one too many because of it."""
    with pytest.raises(ConfigurationError) as caught:
        parse(text, "a.conf")

    assert (caught.value.line, caught.value.column) == place
    assert message in str(caught.value)
    assert "too much" not in str(caught.value)


def test_an_open_bracket_of_another_file_is_named() -> None:
    """Logstash reads all files as one text; the error names the file that lacks the bracket."""
    with pytest.raises(ConfigurationError) as caught:
        parse_files([("10.conf", "filter {\n  drop { }\n"), ("20.conf", "output {\n  stdout { }\n}\n")])

    assert 'the "{" at 10.conf:1:8 (filter) is not closed' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("input {\n  stdin { }\n", 3, 1, "the end of the file"),
        ("filter {\n  mutate { add_tag -> 1 }\n}", 2, 20, "expected \"=>\" after add_tag, found '-'"),
        ("inputs { }", 1, 1, "unknown section 'inputs': expected input or filter or output"),
        ("filter { if [a] == true { } }", 1, 20, "put a text in quotes"),
        ("filter { if [a] = 1 { } }", 1, 17, "found '='"),
        ("filter { mutate { a => { bb => 1 bb => 2 } } }", 1, 34, "'bb' is given twice in one hash"),
        ("filter { mutate { a => x } }", 1, 24, "neither a number nor a word: put it in quotes"),
        ("filter { if [a] { } else { } else if [b] { } }", 1, 10, "put the else last"),
        ("filter { if [a] and [b] xor [c] { } }", 1, 13, "use parentheses"),
    ],
)
def test_a_refusal_names_the_place_and_what_was_expected(text: str, line: int, column: int, message: str) -> None:
    """The error names file, line and column, and the expected text."""
    with pytest.raises(ConfigurationError) as caught:
        parse(text, "a.conf")

    assert (caught.value.path, caught.value.line, caught.value.column) == ("a.conf", line, column)
    assert message in str(caught.value)


def test_and_binds_tighter_than_or() -> None:
    """`a or b and c or d` has three alternatives; the second has two operands."""
    condition = condition_of("[a] or [b] and [c] or [d]")

    assert isinstance(condition, syntax.Junction)
    assert condition.operator == "or"
    assert [getattr(operand, "operator", "-") for operand in condition.operands] == ["-", "and", "-"]


def test_parentheses_group() -> None:
    """Parentheses group conditions."""
    condition = condition_of("([a] or [b]) and !([c] == 1)")

    assert isinstance(condition, syntax.Junction)
    assert condition.operator == "and"
    assert isinstance(condition.operands[0], syntax.Junction)
    assert isinstance(condition.operands[1], syntax.Negation)


def test_a_number_keeps_its_type() -> None:
    """1 is whole, 1.0 and -2.5 are not, and quotes make a text."""
    plugin = parse('filter { mutate { a => [1, 1.0, -2.5, "1", word] } }', "a.conf")[0].body[0]

    assert isinstance(plugin, syntax.Plugin)
    assert [repr(item) for item in plugin.attributes[0].value] == ["1", "1.0", "-2.5", "'1'", "'word'"]


def test_a_name_may_begin_like_a_keyword() -> None:
    """`in_2`, `iffy` and `order` are words, not keywords."""
    plugin = parse("filter { iffy { order => in_2 not_x => android } }", "a.conf")[0].body[0]

    assert isinstance(plugin, syntax.Plugin)
    assert plugin.name == "iffy"
    assert {attribute.name: attribute.value for attribute in plugin.attributes} == {"order": "in_2", "not_x": "android"}


def test_every_node_knows_its_place() -> None:
    """Plugins and options have line and column, for errors that are detected later."""
    section = parse("# first\nfilter {\n  mutate {\n    add_tag => []\n  }\n}", "a.conf")[0]
    plugin = section.body[0]

    assert isinstance(plugin, syntax.Plugin)
    assert (plugin.at.line, plugin.at.column) == (3, 3)
    assert (plugin.attributes[0].at.line, plugin.attributes[0].at.column) == (4, 5)
