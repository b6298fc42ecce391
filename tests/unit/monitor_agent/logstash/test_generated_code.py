"""The function that is generated from filters does what the references say, whatever lies in the fields."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash.language import field_code
from monitor_agent.logstash.language.field_references import FieldError, FieldReference, field_reference, is_index
from monitor_agent.logstash.language.python_code import PythonCode
from monitor_agent.logstash.plugin import Event
from tests.unit.monitor_agent.logstash.program_runs import filtered

NAMES = st.sampled_from(["a", "b", "c", "0", "-1"])
PATHS = st.tuples(NAMES | st.just("@metadata"), st.lists(NAMES, max_size=3))
REFERENCES = PATHS.map(lambda path: "".join(f"[{name}]" for name in (path[0], *path[1])))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x", "false"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)
EVENTS = st.tuples(OBJECTS, OBJECTS).map(lambda objects: {**objects[0], "@metadata": objects[1]})


def outcome(change: Callable[[Event], Any], event: Event) -> Any:
    """Return the result or failure of a change, and what it makes of a copy of an event, which has `@metadata`."""
    changed = copy.deepcopy(event)
    try:
        result = change(changed)
    except FieldError as failure:
        result = str(failure)
    return result, {"@metadata": {}, **changed}


def generated(write: Callable[[PythonCode], None]) -> Callable[[Event], Any]:
    """Return the function with the lines that `write` writes."""
    code = PythonCode()
    with code.block("def change(event)"):
        field_code.begin(code)
        write(code)
    return code.function("change")


@hypothesis.given(EVENTS, REFERENCES)
def test_a_field_is_read_set_and_removed_as_its_reference_does(event: Event, name: str) -> None:
    """Also if there are lists, texts or nothing on the way to it."""
    field = field_reference(name)

    get = generated(lambda code: code.line(f"return {field_code.value_of(field, code)}"))
    assign = generated(lambda code: field_code.assign(field, "'new'", code))
    remove = generated(lambda code: field_code.remove(field, code))

    assert outcome(get, event) == outcome(field.get, event)
    assert outcome(assign, event) == outcome(lambda event: field.set(event, "new"), event)
    assert outcome(remove, event)[1] == outcome(field.remove, event)[1]


@hypothesis.given(EVENTS, st.lists(st.tuples(REFERENCES, REFERENCES), min_size=1, max_size=4))
def test_fields_are_renamed_one_after_another(event: Event, names: list[tuple[str, str]]) -> None:
    """A renaming sees what those before it did, even if they share the way to their fields."""
    pairs = [(field_reference(source), field_reference(target)) for source, target in names]

    rename = generated(lambda code: field_code.rename(pairs, code))

    assert outcome(rename, event)[1] == outcome(lambda event: rename_all(event, pairs), event)[1]


@hypothesis.given(EVENTS, REFERENCES, REFERENCES, REFERENCES)
def test_an_object_with_a_name_is_read_after_every_change(event: Event, name: str, changed: str, other: str) -> None:
    """The name follows a renaming, a new value or a removal of the object, of one around it or of a field in it."""
    field, source, target = (field_reference(text) for text in (f"{name}[b]", changed, other))

    def write(code: PythonCode) -> None:
        outer = next((at for at, key in enumerate(field.path) if at and is_index(key)), len(field.path)) - 1
        field_code.name_object(field.path[:outer], code)
        code.line(f"values = [{field_code.value_of(field, code)}]")
        field_code.rename([(source, target)], code)
        code.line(f"values.append({field_code.value_of(field, code)})")
        field_code.assign(source, "'new'", code)
        code.line(f"values.append({field_code.value_of(field, code)})")
        field_code.remove(target, code)
        code.line(f"values.append({field_code.value_of(field, code)})")
        code.line("return values")

    def change(event: Event) -> list[Any]:
        event.setdefault("@metadata", {})
        values = [copy.deepcopy(field.get(event))]
        rename_all(event, [(source, target)])
        values.append(copy.deepcopy(field.get(event)))
        source.set(event, "new")
        values.append(copy.deepcopy(field.get(event)))
        target.remove(event)
        values.append(copy.deepcopy(field.get(event)))
        return values

    assert outcome(generated(write), event) == outcome(change, event)


def rename_all(event: Event, pairs: list[tuple[FieldReference, FieldReference]]) -> None:
    """Rename fields by their references."""
    for source, target in pairs:
        event.setdefault("@metadata", {})
        if source.has(event):
            target.set(event, source.remove(event))


@pytest.mark.parametrize(
    ("filters", "fault"),
    [
        ("if [a] { " * 41 + " }" * 41, "more than 40 ifs"),
        ('if [a] == "0" { }' + ' else if [a] == "1" { }' * 500, "more than 500 branches"),
    ],
)
def test_an_if_that_is_too_large_is_refused_with_its_place(filters: str, fault: str, tmp_path: Path) -> None:
    """Python cannot read a function with more levels."""
    with pytest.raises(ConfigurationError, match=rf"pipeline.conf:2:\d+: .*{fault}"):
        filtered(filters, {}, folder=tmp_path)


def test_the_largest_ifs_are_run(tmp_path: Path) -> None:
    """A long chain of `else if` and many ifs within each other reach their last filter."""
    chain = 'if [a] == "0" { }' + "".join(
        f' else if [a] == "{number}" {{ mutate {{ add_tag => ["{number}"] }} }}' for number in range(1, 500)
    )
    nest = "if [a] { " * 40 + 'mutate { add_tag => ["inside"] }' + " }" * 40

    (event,) = filtered(chain + nest, {"a": "499"}, folder=tmp_path)

    assert event["tags"] == ["499", "inside"]


@pytest.mark.parametrize("letter", ["e", "E"])
def test_a_pattern_that_begins_with_two_letters_finds_both(letter: str, tmp_path: Path) -> None:
    """It is searched once for each letter, since that is faster."""
    filters = r'if [a] =~ /[eE]\+?\d{3}$/ { mutate { add_tag => ["yes"] } }'

    events = filtered(filters, {"a": f"1{letter}+400"}, {"a": f"{letter}12"}, folder=tmp_path)

    assert [event.get("tags") for event in events] == [["yes"], None]


def test_a_pattern_that_asks_for_many_brackets_counts_them(tmp_path: Path) -> None:
    """Four of two kinds are counted together."""
    filters = r'if [a] =~ /\A(?:[^\[{]*+[\[{]){4}/ { mutate { add_tag => ["yes"] } }'

    events = filtered(filters, {"a": "[{x[{"}, {"a": "{y{[)]}"}, folder=tmp_path)

    assert [event.get("tags") for event in events] == [["yes"], None]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"ab*\d", "a1"), (r"\\u[dD]", r"\uD"), (r"ab?c", "ac"), (r"a{0}b", "b"), (r"a{2}", "aa"), ("a|b", "b")],
)
def test_the_literal_beginning_of_a_pattern_decides_only_where_it_is_needed(
    pattern: str, text: str, tmp_path: Path
) -> None:
    """A quantifier or an alternative behind it makes it optional."""
    filters = f"if [a] =~ /{pattern}/ {{ mutate {{ add_tag => ['yes'] }} }}"

    events = filtered(filters, {"a": text}, {"a": "x"}, folder=tmp_path)

    assert [event.get("tags") for event in events] == [["yes"], None]


def test_a_field_is_read_again_where_an_earlier_condition_read_its_object(tmp_path: Path) -> None:
    """Each filter in between changes what the object is."""
    tags = 'if [o][a] == "1" and [o][b] != "2" { mutate { add_tag => ["%s"] } }'
    filters = " ".join(
        [
            tags % "first",
            'mutate { rename => { "o" => "p" } }',
            tags % "renamed away",
            'mutate { replace => { "[o][a]" => "1" } }',
            tags % "made again",
            'mutate { remove_field => ["[o][a]"] }',
            tags % "removed",
            'json { source => "text" target => "o" }',
            tags % "read from JSON",
            'mutate { gsub => ["[o][a]", "1", "3"] }',
            tags % "substituted",
            'mutate { copy => { "p" => "o" } }',
            tags % "copied",
        ]
    )

    (event,) = filtered(filters, {"o": {"a": "1"}, "text": '{"a":"1"}'}, folder=tmp_path)

    assert event["tags"] == ["first", "made again", "read from JSON", "copied"]
