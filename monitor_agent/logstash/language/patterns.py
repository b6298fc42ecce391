"""Ruby's regular expressions as Python's."""

from __future__ import annotations

import re
from collections.abc import Callable

from monitor_agent.logstash.language.ruby_patterns import RubyPattern, translate
from monitor_agent.logstash.language.syntax import Location

Search = Callable[[str], object]

_LITERAL = re.compile(r'(?:[\w":]|\\\\)+(?![*+?{])', re.ASCII)
"""The literal text at the beginning of a pattern, as it is written there."""
_PAIR = re.compile(r"\[(?P<letters>[A-Za-z0-9]{2})\](?![*+?{])")
_MANY = re.compile(r"\\A\(\?:\[\^(?P<letters>(?:\\?[\[\](){}<>,;:.]){1,4})\]\*\+\[(?P=letters)\]\)\{(?P<number>\d+)\}")
_ESCAPE = re.compile(r"\\(?:(\d)|k<(\w+)>|([&`'\\]))")


def compile_pattern(text: str, at: Location) -> RubyPattern:
    """Return the pattern.

    Raises
    ------
    ConfigurationError
        If it is malformed, or if it uses syntax that is not rewritten for Python.
    """
    try:
        return translate(text)
    except ValueError as error:
        raise at.error(
            f"/{text}/ is no regular expression ({error})", "correct it, or write it in another way"
        ) from None


def searches(text: str, at: Location) -> list[tuple[str, Search]]:
    r"""Return functions of a text; the result of one of them is true if the pattern is somewhere in the text.

    Before each function there is a text that must be there as well; "" if there is none. Python finds out several
    times as fast that there is no such text as that there is no match.

    Python scans a text for one character many times as fast as for a class of characters. So a pattern that begins
    with a class of two, such as `[eE]\d`, is divided, and one that only asks for a number of characters, such as
    `\A(?:[^({]*+[({]){9}`, becomes a count.

    Raises
    ------
    ConfigurationError
        If the pattern is malformed.
    """
    whole = compile_pattern(text, at)
    many = _MANY.fullmatch(text)
    if many is not None:
        return [("", _counting(many["letters"].replace("\\", ""), int(many["number"])))]
    pair = _PAIR.match(text)
    if pair is None or "|" in text or whole.groups:
        literal = None if "|" in text else _LITERAL.match(text)
        return [(literal[0].replace(r"\\", "\\") if literal is not None else "", whole.compiled.search)]
    rest = text[pair.end() :]
    return [(letter, compile_pattern(re.escape(letter) + rest, at).compiled.search) for letter in pair["letters"]]


def _counting(letters: str, number: int) -> Search:
    distinct = sorted(set(letters))

    def holds(text: str) -> bool:
        total = 0
        for letter in distinct:
            if letter in text:  # several times as fast as to count none
                total += text.count(letter)
        return total >= number

    return holds


def compile_replacement(text: str, pattern: RubyPattern) -> str | Callable[[re.Match[str]], str]:
    r"""Return a replacement with Ruby's `\1`, `\k<name>` and `\&` as one for `re.sub`; a missing group is empty.

    >>> pattern = translate(r"(\d+)")
    >>> pattern.compiled.sub(compile_replacement(r"<\1\2>", pattern), "a12")
    'a<12>'

    Raises
    ------
    ValueError
        If no group has the name.
    """
    template = ""
    place = 0
    for match in _ESCAPE.finditer(text):
        template += text[place : match.start()].replace("\\", r"\\")
        place = match.end()
        number, name, sign = match.groups()
        if sign in ("`", "'"):
            return lambda hit: _replaced(text, hit, pattern)
        if name is not None and name not in pattern.groups:
            raise ValueError(f"there is no group {name!r}")
        if sign == "\\":
            template += r"\\"
        elif sign == "&" or number == "0":
            template += r"\g<0>"
        else:
            template += "".join(rf"\g<{group}>" for group in _group(name, number, pattern))
    return template + text[place:].replace("\\", r"\\")


def _group(name: str | None, number: str | None, pattern: RubyPattern) -> tuple[str, ...]:
    """Return the name of a group; nothing if there is no group of this number."""
    return (name,) if name is not None else pattern.groups[int(number or 0) - 1 : int(number or 0)]


def _replaced(text: str, hit: re.Match[str], pattern: RubyPattern) -> str:
    """Return the replacement of one match, if the text before or behind the match belongs to it."""

    def piece(match: re.Match[str]) -> str:
        number, name, sign = match.groups()
        if sign == "\\":
            return "\\"
        if sign in ("`", "'"):
            return hit.string[: hit.start()] if sign == "`" else hit.string[hit.end() :]
        if sign == "&" or number == "0":
            return hit[0]
        return "".join(hit[group] or "" for group in _group(name, number, pattern))

    return _ESCAPE.sub(piece, text)
