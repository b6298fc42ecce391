"""Ruby's regular expressions find the same with Python's `re`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor_agent.logstash.language import ruby_patterns
from monitor_agent.logstash.language.patterns import compile_replacement
from monitor_agent.logstash.language.ruby_patterns import translate
from tests.unit.monitor_agent.logstash.program_runs import filtered


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        ("[[:alpha:]]+", "1äb2", "äb"),
        ("[[:^digit:]]", "1٣x", "x"),
        ("[[:upper:][:digit:]]+", "aÄ1", "Ä1"),
        ("[[:space:]]", "a\u00a0b", "\u00a0"),
        ("[[:punct:]]", "a$", "$"),
        ("[[:word:]]+", "-ä_1-", "ä_1"),
        (r"\p{Lu}", "aÄ", "Ä"),
        (r"\p{^Lu}", "Äa", "a"),
        (r"\P{L}", "a1", "1"),
        (r"\p{Greek}+", "abγδ", "γδ"),
        (r"\p{Han}", "x中", "中"),
        (r"[\p{L}&&[^a-c]]", "abcd", "d"),
        ("[a-w&&[^c-g]z]", "cz", None),
        ("[^[a-c][x]]", "axd", "d"),
        ("[a-c-x]+", "-bx", "-bx"),
        ("[]a]", "]", "]"),
        (r"[\w-]+", "é-a_", "-a_"),
        (r"[\]\\\/]", "/", "/"),
        (r"\d", "٣", None),
        (r"\s", "\u00a0", None),
        (r"\bö", "aö ö", "ö"),
        (r"\h+\H", "xaf0g", "af0g"),
        (r"a\Rb", "a\r\nb", "a\r\nb"),
        (r"(?m)a.b", "a\nb", "a\nb"),
        ("a.b", "a\nb", None),
        ("(?i)ä", "Ä", "Ä"),
        ("a(?i)b|c", "aC", "aC"),
        ("a(?-i:b)", "AB", None),
        ("(?i:a)b", "AB", None),
        ("(?x) a b # c\n d", "abd", "abd"),
        ("(?<=a|bc)d", "bcd", "d"),
        ("(?<!a|bc)d", "bcd", None),
        ("(?<!a|bc)d", "cd", "d"),
        (r"(?<n>o)\k<n>", "foo", "oo"),
        (r"(?'n'o)\k'n'", "foo", "oo"),
        (r"(o)\1", "foo", "oo"),
        (r"(a)(b)\k<-1>", "abb", "abb"),
        (r"(?<n>a)(b)", "ab", "ab"),
        ("(?>a+)ab", "aaab", None),
        ("a++b", "aab", "aab"),
        ("a++ab", "aab", None),
        (r"[^\[{]*+[\[{]", "ab{", "ab{"),
        ("a{,2}b", "aaab", "aab"),
        ("(?:ab){2}+", "ababab", "abab"),
        ("a{2}{2}", "aaaa", "aaaa"),
        ("a**b", "aab", "aab"),
        ("a{x", "a{x", "a{x"),
        (r"^$", "a\n", None),
        (r"^$", "", ""),
        (r"b$", "ab\nc", "b"),
        (r"\Aab\z", "ab\n", None),
        (r"\Aab\Z", "ab\n", "ab"),
        (r"\u00e4\u{1F600 41}\x41\xc3\xa4\101\e", "ä😀AAäA\x1b", "ä😀AAäA\x1b"),
        (r"\y\-\@", None, None),
        (r"(?#no)a", "a", "a"),
        (r"a/b\/c", "a/b/c", "a/b/c"),
        ("[a-c[x]]", "x", "x"),
    ],
)
def test_a_pattern_finds_what_ruby_finds(pattern: str, text: str | None, matched: str | None) -> None:
    """Classes, properties, groups and repetitions have Ruby's meaning; only `\\d`, `\\w`, `\\s`, `\\h` are ASCII."""
    if text is None:
        with pytest.raises(ValueError, match="is not known here"):
            translate(pattern)
        return
    match = translate(pattern).compiled.search(text)

    assert (match and match[0]) == matched


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[a",
        "*",
        "a\\",
        r"\p{Nothing}",
        r"\X",
        r"\K",
        "(?~a)",
        "[[:nothing:]]",
        "[z-a]",
        r"\k<x>",
        r"(?<n>a)\1",
    ],
)
def test_what_has_no_meaning_here_is_refused(pattern: str) -> None:
    """The error says what is wrong with the pattern."""
    with pytest.raises(ValueError, match=r"\w"):
        translate(pattern)


@pytest.mark.parametrize(("pattern", "text"), [("(?>a+)ab", "aaab"), ("a++ab", "aab"), ("(a++)b(c)\\2", "aabcc")])
def test_older_versions_of_python_have_atomic_groups_too(
    pattern: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lookahead does the same, and the numbers of groups stay."""
    expected = translate(pattern).compiled.search(text)
    monkeypatch.setattr(ruby_patterns, "_ATOMIC", False)

    match = translate.__wrapped__(pattern).compiled.search(text)

    assert (match and match[0]) == (expected and expected[0])


@pytest.mark.parametrize(
    ("pattern", "replacement", "text", "expected"),
    [
        ("(b)", r"<\1\2\0\&>", "abc", "a<bbb>c"),
        ("(?<y>b)(c)", r"\k<y>\1\2", "abc", "abb"),
        ("b", r"\\1\n", "abc", "a\\1\\nc"),
        ("b", r"[\`|\']", "abc", "a[a|c]c"),
        ("(x)?b", r"[\1]", "xbb", "[x][]"),
        ("", "-", "ab", "-a-b-"),
        ("^", "> ", "a\nb\n", "> a\n> b\n"),
    ],
)
def test_a_replacement_refers_to_groups_as_in_ruby(pattern: str, replacement: str, text: str, expected: str) -> None:
    """A group that does not exist, or that did not match, is empty."""
    ruby = translate(pattern)

    assert ruby.compiled.sub(compile_replacement(replacement, ruby), text) == expected


@pytest.mark.parametrize("values", [{"from": "("}, {"from": "b", "to": r"\k<n>"}])
def test_a_pattern_of_an_event_that_is_malformed_is_a_failure(values: dict[str, Any], tmp_path: Path) -> None:
    """It comes from a field, so it cannot be refused before; the pipeline goes on."""
    (event,) = filtered('mutate { gsub => ["a", "%{from}", "%{to}"] }', {"a": "abc", **values}, folder=tmp_path)

    assert (event["a"], event["tags"]) == ("abc", ["_mutate_error"])
