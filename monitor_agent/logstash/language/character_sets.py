"""Sets of characters, as the classes of Ruby's regular expressions need them: POSIX names, properties, operations."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

Ranges = tuple[tuple[int, int], ...]
"""Ranges of code points, first and last; in order, without gaps of nothing between them."""

ALL: Ranges = ((0, sys.maxunicode),)
DIGITS: Ranges = ((0x30, 0x39),)
HEX_DIGITS: Ranges = ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66))
WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
BLANKS: Ranges = ((0x09, 0x0D), (0x20, 0x20))

_ASCII: Ranges = ((0, 0x7F),)
_SPACE: Ranges = (
    *((0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000)),
)
_CIRCLED: Ranges = ((0x24B6, 0x24E9),)
_ASCII_SYMBOLS: Ranges = tuple((ord(sign), ord(sign)) for sign in "$+<=>^`|~")
_CATEGORIES = {
    "letter": "L",
    "uppercaseletter": "Lu",
    "lowercaseletter": "Ll",
    "titlecaseletter": "Lt",
    "modifierletter": "Lm",
    "otherletter": "Lo",
    "mark": "M",
    "nonspacingmark": "Mn",
    "spacingmark": "Mc",
    "enclosingmark": "Me",
    "number": "N",
    "decimalnumber": "Nd",
    "letternumber": "Nl",
    "othernumber": "No",
    "punctuation": "P",
    "connectorpunctuation": "Pc",
    "dashpunctuation": "Pd",
    "openpunctuation": "Ps",
    "closepunctuation": "Pe",
    "initialpunctuation": "Pi",
    "finalpunctuation": "Pf",
    "otherpunctuation": "Po",
    "symbol": "S",
    "mathsymbol": "Sm",
    "currencysymbol": "Sc",
    "modifiersymbol": "Sk",
    "othersymbol": "So",
    "separator": "Z",
    "spaceseparator": "Zs",
    "lineseparator": "Zl",
    "paragraphseparator": "Zp",
    "other": "C",
    "control": "Cc",
    "format": "Cf",
    "unassigned": "Cn",
    "privateuse": "Co",
    "surrogate": "Cs",
}
_SCRIPTS = {
    name: f"{name.upper()} "
    for name in (
        "latin",
        "greek",
        "cyrillic",
        "armenian",
        "hebrew",
        "arabic",
        "devanagari",
        "bengali",
        "thai",
        "georgian",
    )
} | {"hangul": "HANGUL ", "hiragana": "HIRAGANA ", "katakana": "KATAKANA ", "han": "CJK "}
_POSIX: dict[str, Callable[[], Ranges]] = {
    "alpha": lambda: union(_category("L"), _category("Nl"), _CIRCLED),
    "alnum": lambda: union(_POSIX["alpha"](), _category("Nd")),
    "ascii": lambda: _ASCII,
    "blank": lambda: union(((9, 9),), _category("Zs")),
    "cntrl": lambda: _category("Cc"),
    "digit": lambda: _category("Nd"),
    "graph": lambda: complement(union(_SPACE, _category("Cc"), _category("Cn"), _category("Cs"))),
    "lower": lambda: _ranges(code for code in range(sys.maxunicode + 1) if chr(code).islower()),
    "print": lambda: union(_POSIX["graph"](), _category("Zs")),
    "punct": lambda: union(_category("P"), _ASCII_SYMBOLS),
    "space": lambda: _SPACE,
    "upper": lambda: _ranges(code for code in range(sys.maxunicode + 1) if chr(code).isupper()),
    "word": lambda: union(_category("L"), _category("M"), _category("Nd"), _category("Pc")),
    "xdigit": lambda: HEX_DIGITS,
    "any": lambda: ALL,
    "assigned": lambda: complement(_category("Cn")),
}


def posix(name: str) -> Ranges:
    """Return the characters of `[[:name:]]`.

    Raises
    ------
    ValueError
        If there is no class of this name.
    """
    if name not in _POSIX or name in ("any", "assigned"):
        raise ValueError(f"[:{name}:] is not known here")
    return property_set(name)


@lru_cache(maxsize=256)
def property_set(name: str) -> Ranges:
    r"""Return the characters of `\p{name}`: a general category, a POSIX name or a script.

    Raises
    ------
    ValueError
        If there is no property of this name.
    """
    key = re.sub(r"[\s_-]", "", name).lower()
    if key in _POSIX:
        return _POSIX[key]()
    category = _CATEGORIES.get(key, key.capitalize())
    if category in _CATEGORIES.values():
        return _category(category)
    if key in ("lc", "l&", "casedletter"):
        return union(_category("Lu"), _category("Ll"), _category("Lt"))
    if key in _SCRIPTS:
        prefix = _SCRIPTS[key]
        return _ranges(code for code in range(sys.maxunicode + 1) if unicodedata.name(chr(code), "").startswith(prefix))
    raise ValueError(rf"\p{{{name}}} is not known here")


def union(*sets: Ranges) -> Ranges:
    """Return the characters that are in one of the sets.

    >>> union(((1, 3),), ((4, 5), (8, 9)), ((2, 2),))
    ((1, 5), (8, 9))
    """
    joined: list[tuple[int, int]] = []
    for first, last in sorted(pair for ranges in sets for pair in ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def complement(ranges: Ranges) -> Ranges:
    """Return the characters that are not in the set."""
    gaps = []
    start = 0
    for first, last in ranges:
        if first > start:
            gaps.append((start, first - 1))
        start = last + 1
    return (*gaps, (start, sys.maxunicode)) if start <= sys.maxunicode else tuple(gaps)


def intersection(left: Ranges, right: Ranges) -> Ranges:
    """Return the characters that are in both sets."""
    return complement(union(complement(left), complement(right)))


def written(ranges: Ranges, *, negated: bool = False) -> str:
    """Return the set as a class of Python's regular expressions.

    >>> written(((0x30, 0x39), (0x61, 0x61)), negated=True)
    '[^0-9a]'
    """
    if ranges == ALL and not negated:
        return "(?s:.)"  # Python counts these without a look at each
    if not ranges:
        return r"[\s\S]" if negated else "(?!)"
    texts = [_escaped(first) if first == last else f"{_escaped(first)}-{_escaped(last)}" for first, last in ranges]
    return f"[{'^' if negated else ''}{''.join(texts)}]"


def _escaped(code: int) -> str:
    letter = chr(code)
    if letter.isascii() and letter.isalnum():
        return letter
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _category(name: str) -> Ranges:
    """Return the characters of a general category; one letter stands for all that begin with it."""
    return union(*(ranges for category, ranges in _categories().items() if category.startswith(name)))


@cache
def _categories() -> dict[str, Ranges]:
    codes: dict[str, list[int]] = {}
    for code in range(sys.maxunicode + 1):
        codes.setdefault(unicodedata.category(chr(code)), []).append(code)
    return {category: _ranges(members) for category, members in codes.items()}


def _ranges(codes: Iterable[int]) -> Ranges:
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return tuple((first, last) for first, last in ranges)
