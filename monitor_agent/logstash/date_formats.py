"""Patterns that write a time: Joda's, as in `%{+YYYY.MM.dd}`, and java.time's, as in `%{{yyyy-MM-dd}}`; always UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

from monitor_agent.logstash.timestamps import Timestamp

Format = Callable[[Timestamp], str]
Piece = Callable[[str], str]

MONTHS: tuple[str, ...] = ("January", "February", "March", "April", "May", "June")
MONTHS += ("July", "August", "September", "October", "November", "December")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
_BY_DAY = frozenset("GCyYuxwMdDeEQ")


def joda(pattern: str) -> Format:
    """Return the function that writes a time by a Joda pattern.

    Raises
    ------
    ValueError
        If the pattern is malformed or has an unknown letter.

    >>> joda("YYYY.MM.dd")(Timestamp.parse("2026-01-02T03:04:05Z"))
    '2026.01.02'
    """
    return _format(pattern, _joda_piece)


def java_time(pattern: str) -> Format:
    """Return the function that writes a time by a java.time pattern.

    Weeks (`Y`, `w`, `W`, `e`) depend on a locale there and are refused.

    Raises
    ------
    ValueError
        If the pattern is malformed or has an unknown letter.

    >>> java_time("yyyy-MM-dd'T'HH")(Timestamp.parse("2026-01-02T03:04:05Z"))
    '2026-01-02T03'
    """
    return _format(pattern, _java_piece)


def tokens(pattern: str) -> list[tuple[str, int] | str]:
    """Return the tokens of a pattern: (letter, number of repetitions), or text that stands for itself.

    >>> tokens("yyyy'T'.")
    [('y', 4), 'T', '.']
    """
    items: list[tuple[str, int] | str] = []
    position = 0
    while position < len(pattern):
        match = _TOKEN.match(pattern, position)
        if match is None:
            raise ValueError(f"{pattern!r} has a quote that nothing closes")
        if match[2]:
            items.append((match[2], len(match[0])))
        else:
            items.append(match[0] if match[1] is None else match[1].replace("''", "'") or "'")
        position = match.end()
    return items


def _format(pattern: str, piece_of: Callable[[str, int], Piece]) -> Format:
    pattern_tokens = tokens(pattern)
    letters = {token[0] for token in pattern_tokens if isinstance(token, tuple)}
    pieces = [token if isinstance(token, str) else piece_of(*token) for token in pattern_tokens]

    def render(text: str) -> str:
        return "".join([piece if isinstance(piece, str) else piece(text) for piece in pieces])

    if letters <= _BY_DAY:
        by_day = lru_cache(maxsize=1024)(render)
        return lambda time: by_day(time[:10])
    return render


def _joda_piece(letter: str, count: int) -> Piece:
    if letter in "yYx" and count == 2:
        year = _joda_piece(letter, 4)
        return lambda text: year(text)[2:]
    if letter in "yY":
        return lambda text: text[:4].lstrip("0").rjust(count, "0")
    if letter == "S":
        return lambda text: text[20:23].ljust(count, "0")[:count]
    if letter in "Zz":
        return _constant("UTC" if letter == "z" or count > 2 else ("+0000", "+00:00")[count - 1])
    return _shared_piece(letter, count)


def _java_piece(letter: str, count: int) -> Piece:
    if letter in "uy":
        if count == 2:
            return lambda text: text[2:4]
        return lambda text: text[:4].lstrip("0").rjust(count, "0")
    if letter == "S":
        return lambda text: text[20:-1].ljust(9, "0").ljust(count, "0")[:count]
    if letter == "n":
        return lambda text: text[20:-1].ljust(9, "0").lstrip("0").rjust(max(count, 1), "0")
    if letter == "X":
        return _constant("Z")
    if letter == "x":
        return _constant({1: "+00", 2: "+0000", 3: "+00:00"}.get(count, "+0000"))
    if letter == "Z":
        return _constant("+0000" if count < 4 else "GMT")
    if letter == "Q":
        return _number(lambda text: (int(text[5:7]) + 2) // 3, count)
    if letter in "CeKwx":
        raise ValueError(f"{letter!r} is not known in a java.time pattern here")
    return _shared_piece(letter, count)


def _shared_piece(letter: str, count: int) -> Piece:
    if letter == "M" and count > 2:
        return lambda text: MONTHS[int(text[5:7]) - 1][: 3 if count == 3 else None]
    if letter == "E":
        return lambda text: DAYS[_day(text).weekday()][: 3 if count < 4 else None]
    if letter == "a":
        return lambda text: "AM" if text[11:13] < "12" else "PM"
    if letter == "G":
        return _constant("AD")
    number = _NUMBERS.get(letter)
    if number is None:
        raise ValueError(f"{letter!r} is not known in a time pattern")
    return _number(number, count)


_NUMBERS: dict[str, Callable[[str], int]] = {
    "C": lambda text: int(text[:2]),
    "x": lambda text: _day(text).isocalendar()[0],
    "w": lambda text: _day(text).isocalendar()[1],
    "e": lambda text: _day(text).isoweekday(),
    "M": lambda text: int(text[5:7]),
    "d": lambda text: int(text[8:10]),
    "D": lambda text: _day(text).timetuple().tm_yday,
    "H": lambda text: int(text[11:13]),
    "k": lambda text: int(text[11:13]) or 24,
    "K": lambda text: int(text[11:13]) % 12,
    "h": lambda text: int(text[11:13]) % 12 or 12,
    "m": lambda text: int(text[14:16]),
    "s": lambda text: int(text[17:19]),
}


def _number(number: Callable[[str], int], count: int) -> Piece:
    return lambda text: str(number(text)).rjust(count, "0")


def _constant(text: str) -> Piece:
    return lambda _text: text


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[5:7]), int(text[8:10]))
