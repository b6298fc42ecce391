"""Ruby's regular expressions as Python's."""

from __future__ import annotations

import re
from collections.abc import Callable

from monitor_agent.logstash.syntax import Location

Search = Callable[[str], re.Match[str] | None]

_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9a-fA-F",
    "word": r"\w",
    "cntrl": r"\x00-\x1f\x7f",
}
_PAIR = re.compile(r"\[(?P<letters>[A-Za-z0-9]{2})\](?![*+?{])")
_DIFFERENCE = re.compile(
    r"\[:(?P<negated>\^?)(?P<class>[a-z]+):\]|(?P<escape>\\(?:.|\n))|\(\?<(?P<name>[A-Za-z_]\w*)>|(?P<bracket>[\[\]])"
)


def compile_pattern(text: str, at: Location) -> re.Pattern[str]:
    r"""Return the pattern.

    As in Ruby, `^` and `$` match at every line, `\z` only at the end, and `\d`, `\s`, `\w` match ASCII only.

    Raises
    ------
    ConfigurationError
        If it is malformed, or if it uses syntax that is not translated here.
    """
    try:
        return re.compile(_translated(text), re.MULTILINE | re.ASCII)
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        raise at.error(f"/{text}/ is no regular expression ({error})", "mend it") from None


def searches(text: str, at: Location) -> list[Search]:
    r"""Return functions of a text; one of them returns a match if the pattern is somewhere in the text.

    Python scans a text for one character many times as fast as for a class of characters. So a pattern that begins
    with a class of two, such as `[eE]\d`, is divided.

    Raises
    ------
    ConfigurationError
        If the pattern is malformed.
    """
    whole = compile_pattern(text, at)
    pair = _PAIR.match(text)
    if pair is None or "|" in text or whole.groups:
        return [whole.search]
    return [compile_pattern(re.escape(letter) + text[pair.end() :], at).search for letter in pair["letters"]]


def compile_replacement(text: str) -> str:
    r"""Return a replacement with Ruby's `\1` and `\k<name>` as one for `re.sub`.

    >>> re.sub(r"(\d+)", compile_replacement(r"<\1>"), "a12")
    'a<12>'
    """
    pieces = re.split(r"\\(?:(\d)|k<(\w+)>|(\\))", text)
    written = pieces[0].replace("\\", "\\\\")
    for number, name, backslash, rest in zip(pieces[1::4], pieces[2::4], pieces[3::4], pieces[4::4], strict=True):
        written += "\\\\" if backslash else f"\\g<{number or name}>"
        written += rest.replace("\\", "\\\\")
    return written


def _translated(text: str) -> str:
    depth = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal depth
        if match["bracket"]:
            depth = max(0, depth + (1 if match["bracket"] == "[" else -1))
            return match[0]
        if match["name"]:
            return f"(?P<{match['name']}>" if not depth else match[0]
        if match["class"]:
            if match["negated"] or match["class"] not in _CLASSES or not depth:
                raise ValueError(f"{match[0]} is not known here")
            return _CLASSES[match["class"]]
        return _escape(match["escape"], inside=depth > 0)

    return _DIFFERENCE.sub(replace, text)


def _escape(escape: str, *, inside: bool) -> str:
    letter = escape[1]
    if letter == "h":
        return "0-9a-fA-F" if inside else "[0-9a-fA-F]"
    if letter == "z":
        return r"\Z"
    if letter == "Z":
        return r"(?=\n?\Z)"
    if letter == "k":
        raise ValueError(r"\k is not known here")
    return "/" if letter == "/" else escape
