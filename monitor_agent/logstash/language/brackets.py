"""Which bracket or quote of a refused configuration is not closed, or is one too many (pure).

The parser notices a missing "}" only where the next text makes no sense, often in another section or file. The
indentation of the lines shows better which bracket was meant to be closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<pattern>(?<==~)\s*/(?:\\/|[^/])*/ | (?<=!~)\s*/(?:\\/|[^/])*/)
  | (?P<string>"(?:\\"|[^"])*" | '(?:\\'|[^'])*')
  | (?P<quote>["'])
  | (?P<arrow>=>)
  | (?P<open>[{[(])
  | (?P<close>[}\])])
  | (?P<word>[A-Za-z0-9_@-]+)
    """,
    re.VERBOSE,
)
CLOSING = {"{": "}", "[": "]", "(": ")"}
_AFTER_STRING = frozenset(" \t\r\n,])}{=!<>#")
"""What may follow a quoted text directly; another character shows that the text has begun at the wrong quote."""
_SECTIONS = ("input", "filter", "output")


@dataclass(frozen=True)
class BracketFault:
    """A bracket or quote that is wrong.

    Attributes
    ----------
    text : the bracket or quote.
    offset : its place, in characters from the beginning.
    chain : the names around it, the outermost first, such as `("filter", "mutate")`.
    noticed : the place that shows the fault.
    closed : of a bracket that is one too many, the place of the one that closes the same text; -1 = not known.
    surplus : whether the bracket is one too many; otherwise it is not closed.
    """

    text: str
    offset: int
    chain: tuple[str, ...]
    noticed: int
    closed: int = -1
    surplus: bool = False


@dataclass(frozen=True)
class _Open:
    text: str
    offset: int
    name: str
    indent: int


@dataclass(frozen=True)
class _Pair:
    opened: _Open
    closed: int
    indent: int
    first: bool


def bracket_fault(text: str) -> BracketFault | None:
    """Return the first fault of a configuration; None if all brackets and quotes have their partners."""
    stack: list[_Open] = []
    pairs: list[_Pair] = []
    for kind, token, offset, name in _tokens(text):
        if kind == "quote" or (kind == "string" and _is_too_long(text, token, offset)):
            return BracketFault(token[0], offset, _chain(stack), offset + len(token))
        if kind == "open":
            if stack and _begins_section(text, offset, stack[0]):
                return _not_closed(stack, pairs, offset)
            stack.append(_Open(token, offset, name, _indent(text, offset)))
        elif kind == "close":
            if not stack:
                return _surplus(pairs, token, offset)
            if CLOSING[stack[-1].text] != token:
                return _mismatch(stack, token, offset)
            pairs.append(_Pair(stack.pop(), offset, _indent(text, offset), _is_first(text, offset)))
    return _not_closed(stack, pairs, len(text)) if stack else None


def innermost(text: str, end: int) -> BracketFault | None:
    """Return the bracket that is open at a place; None if there is none."""
    stack: list[_Open] = []
    for kind, token, offset, name in _tokens(text[:end]):
        if kind == "open":
            stack.append(_Open(token, offset, name, 0))
        elif kind == "close" and stack:
            stack.pop()
    return BracketFault(stack[-1].text, stack[-1].offset, _chain(stack), end) if stack else None


def tokens_before(text: str, end: int) -> list[str]:
    """Return the tokens before a place, the last one first; comments are none.

    >>> tokens_before("filter { mutate add_tag", 16)
    ['mutate', '{', 'filter']
    """
    return [token.strip() for kind, token, _, _ in _tokens(text[:end]) if kind != "comment"][::-1]


def _tokens(text: str) -> Iterator[tuple[str, str, int, str]]:
    """Yield kind, text, place, and for an opening bracket its name: that of a plugin, an option, or `if`."""
    branch = last = option = ""
    after_arrow = False
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        token = match[0]
        name = ""
        if kind in ("word", "string"):
            last = token.strip("\"'")
            if token in ("if", "else"):
                branch = "else if" if branch == "else" else token
        elif kind == "arrow":
            option = last
        elif kind == "open":
            name = (branch if token == "{" else "") or (option if after_arrow else last if token == "{" else "")
            branch = "" if token == "{" else branch
        if kind not in ("comment", "pattern"):
            after_arrow = kind == "arrow"
        yield kind, token, match.start(), name


def _is_too_long(text: str, token: str, offset: int) -> bool:
    """Return whether a text of several lines ends at the quote that begins the next one."""
    following = text[offset + len(token) : offset + len(token) + 1]
    return "\n" in token and bool(following) and following not in _AFTER_STRING


def _begins_section(text: str, offset: int, outermost: _Open) -> bool:
    """Return whether the line with this bracket begins a section, while another section is open."""
    before = text[text.rfind("\n", 0, offset) + 1 : offset].strip()
    return before in _SECTIONS and _indent(text, offset) <= outermost.indent


def _not_closed(stack: list[_Open], pairs: list[_Pair], noticed: int) -> BracketFault:
    """Return the bracket that was most likely meant to be closed.

    A "}" at the beginning of a line closes what begins a line with the same indentation. If it does not, one is missing
    before it.
    """
    for pair in pairs:
        opened = pair.opened
        # Only pairs within the bracket that stays open can have taken its partner.
        if pair.first and pair.indent < opened.indent and opened.offset > stack[-1].offset:
            around = [*stack, *_around(pairs, opened), opened]
            return BracketFault(opened.text, opened.offset, _chain(around), pair.closed)
    return BracketFault(stack[-1].text, stack[-1].offset, _chain(stack), noticed)


def _around(pairs: list[_Pair], inner: _Open) -> list[_Open]:
    """Return the closed brackets around a bracket, the outermost first."""
    end = next(pair.closed for pair in pairs if pair.opened is inner)
    around = [pair.opened for pair in pairs if pair.opened.offset < inner.offset and pair.closed > end]
    return sorted(around, key=lambda opened: opened.offset)


def _surplus(pairs: list[_Pair], token: str, offset: int) -> BracketFault:
    last = pairs[-1] if pairs else None
    chain = (last.opened.name,) if last and last.opened.name else ()
    return BracketFault(token, offset, chain, offset, last.closed if last else -1, surplus=True)


def _mismatch(stack: list[_Open], token: str, offset: int) -> BracketFault:
    """Return the fault if a bracket of another kind closes: the open one is not closed, or this one is too many."""
    if not any(CLOSING[opened.text] == token for opened in stack):
        return BracketFault(token, offset, _chain(stack), offset, surplus=True)
    return BracketFault(stack[-1].text, stack[-1].offset, _chain(stack), offset)


def _chain(stack: list[_Open]) -> tuple[str, ...]:
    return tuple(opened.name for opened in stack if opened.name)


def _indent(text: str, offset: int) -> int:
    line = text[text.rfind("\n", 0, offset) + 1 : offset + 1]
    return len(line) - len(line.lstrip(" \t"))


def _is_first(text: str, offset: int) -> bool:
    return not text[text.rfind("\n", 0, offset) + 1 : offset].strip()
