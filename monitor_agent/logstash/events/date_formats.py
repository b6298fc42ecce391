"""Patterns that write a time: Joda's, as in `%{+YYYY.MM.dd}`, and java.time's, as in `%{{yyyy-MM-dd}}`; always UTC."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from monitor_agent.logstash.events.calendar_days import days_of, week_of
from monitor_agent.logstash.events.timestamps import Timestamp

Format = Callable[[Timestamp], str]

MONTHS: tuple[str, ...] = ("January", "February", "March", "April", "May", "June")
MONTHS += ("July", "August", "September", "October", "November", "December")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+")
_BY_DAY = frozenset("GCyYuxwMLdDeEcQqWg")


@dataclass(frozen=True)
class _Moment:
    """A time in UTC; `nanos` are the nine digits of its fraction."""

    year: int
    month: int
    day: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanos: str = "000000000"

    @classmethod
    def of(cls, text: str) -> _Moment:
        """Return the moment of a Timestamp or of its date."""
        date, _, time = text.partition("T")
        year, month, day = date.rsplit("-", 2)
        if not time:
            return cls(int(year), int(month), int(day))
        clock = int(time[:2]), int(time[3:5]), int(time[6:8])
        return cls(int(year), int(month), int(day), *clock, time[9:-1].ljust(9, "0"))

    @property
    def days(self) -> int:
        """Days since 1970-01-01."""
        return days_of(self.year, self.month, self.day)

    @property
    def day_of_year(self) -> int:
        """The day of the year from 1."""
        return self.days - days_of(self.year, 1, 1) + 1

    @property
    def seconds(self) -> int:
        """Seconds of the day."""
        return self.hour * 3600 + self.minute * 60 + self.second


_Piece = Callable[[_Moment], str]


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
    """Return the function that writes a time by a java.time pattern; weeks are those of the United States.

    Raises
    ------
    ValueError
        If the pattern is malformed or has an unknown letter.

    >>> java_time("yyyy-MM-dd'T'HH")(Timestamp.parse("2026-01-02T03:04:05Z"))
    '2026-01-02T03'
    """
    if re.search(r"[{}#]", re.sub(r"'[^']*'", "", pattern)):
        raise ValueError("the signs {, } and # need quotes in a java.time pattern")
    return _format(re.sub(r"('[^']*')|[\[\]]", r"\1", pattern), _java_piece)  # all optional parts can be written


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


def _format(pattern: str, piece_of: Callable[[str, int], _Piece]) -> Format:
    pattern_tokens = tokens(pattern)
    if not pattern_tokens:
        raise ValueError("a time needs a pattern")
    letters = {token[0] for token in pattern_tokens if isinstance(token, tuple)}
    pieces = [token if isinstance(token, str) else piece_of(*token) for token in pattern_tokens]

    def render(text: str) -> str:
        moment = _Moment.of(text)
        return "".join([piece if isinstance(piece, str) else piece(moment) for piece in pieces])

    if letters <= _BY_DAY:
        by_day = lru_cache(maxsize=1024)(render)
        return lambda time: by_day(time[: time.index("T", 10)])
    return render


def _joda_piece(letter: str, count: int) -> _Piece:
    if letter in "yYx" and count == 2:
        year = _joda_piece(letter, 4)
        return lambda moment: year(moment)[-2:]
    if letter in "yYxC":
        years = _JODA_YEARS[letter]
        return lambda moment: _padded(years(moment), count)
    if letter == "S":
        return lambda moment: moment.nanos[:3].ljust(count, "0")[:count]
    if letter == "Z":
        return _constant(("+0000", "+00:00", "UTC")[min(count, 3) - 1])
    if letter == "z":
        return _constant("UTC" if count < 4 else "Coordinated Universal Time")
    if letter == "G":
        return lambda moment: "AD" if moment.year > 0 else "BC"
    if letter in "we":
        week = _joda_week if letter == "w" else _day_of_week
        return lambda moment: _padded(week(moment), count)
    return _shared_piece(letter, count, narrow=False)


_JODA_YEARS: dict[str, Callable[[_Moment], int]] = {
    "y": lambda moment: moment.year,
    "Y": lambda moment: moment.year if moment.year > 0 else 1 - moment.year,
    "x": lambda moment: week_of(moment.days)[0],
    "C": lambda moment: (moment.year if moment.year > 0 else 1 - moment.year) // 100,
}


def _joda_week(moment: _Moment) -> int:
    return week_of(moment.days)[1]


def _day_of_week(moment: _Moment) -> int:
    return week_of(moment.days)[2]


def _java_piece(letter: str, count: int) -> _Piece:
    if letter in "uyY":
        return _java_year(letter, count)
    if letter == "S" and count < 10:
        return lambda moment: moment.nanos[:count]
    if letter in _JAVA_ZONES:
        return _constant(_one_of(_JAVA_ZONES[letter], letter, count))
    if letter == "G" and count < 6:
        return lambda moment: _one_of(_JAVA_ERAS[moment.year > 0], letter, count)
    if letter in "Qq" and count < 6:
        return lambda moment: _quarter((moment.month + 2) // 3, count)
    if letter in "ec":
        if count > 2:
            return _shared_piece("E", count)
        if count == 1 or letter == "e":
            return lambda moment: _padded(_day_of_week(moment) % 7 + 1, count)
    if letter in _JAVA_NUMBERS and count <= _JAVA_NUMBERS[letter][0]:
        number = _JAVA_NUMBERS[letter][1]
        return lambda moment: _padded(number(moment), count)
    if count > _MOST_LETTERS.get(letter, count):
        raise ValueError(f"{letter * count!r} has too many letters for a time")
    if letter in "CxewWY":
        raise ValueError(f"{letter * count!r} is not known in a java.time pattern here")
    return _shared_piece("M" if letter == "L" else letter, count)


_MOST_LETTERS = {"a": 1, "D": 3} | dict.fromkeys("dHhKkms", 2)
_JAVA_ERAS = (("BC", "BC", "BC", "Before Christ", "B"), ("AD", "AD", "AD", "Anno Domini", "A"))
_JAVA_ZONES = {
    "X": ("Z",) * 5,
    "x": ("+00", "+0000", "+00:00", "+0000", "+00:00"),
    "Z": ("+0000", "+0000", "+0000", "GMT", "Z"),
    "z": ("Z",) * 4,
    "O": ("GMT", "", "", "GMT"),
    "V": ("", "Z"),
    "v": ("Z", "", "", "Z"),
}
"""What is written for UTC by one letter, by two, and so on; nothing if Java refuses it."""
_JAVA_NUMBERS: dict[str, tuple[int, Callable[[_Moment], int]]] = {
    "n": (19, lambda moment: int(moment.nanos)),
    "N": (19, lambda moment: moment.seconds * 1_000_000_000 + int(moment.nanos)),
    "A": (19, lambda moment: moment.seconds * 1000 + int(moment.nanos[:3])),
    "g": (19, lambda moment: moment.days + 40_587),
    "w": (2, lambda moment: _american_week(moment)[1]),
    "W": (1, lambda moment: (moment.day + 6 - _day_of_week(moment) % 7) // 7 + 1),
}
"""The most letters, and the number that they write."""


def _java_year(letter: str, count: int) -> _Piece:
    def render(moment: _Moment) -> str:
        year = _american_week(moment)[0] if letter == "Y" else moment.year
        if letter == "y" and year < 1:
            year = 1 - year
        if count == 2:
            return f"{year % 100:02d}"
        return f"+{year}" if count >= 4 and len(str(year)) > count else _padded(year, count)

    return render


def _american_week(moment: _Moment) -> tuple[int, int]:
    """Return the year and the number of the week that begins on Sunday; the week with 1 January is the first."""
    sunday = moment.days - _day_of_week(moment) % 7
    year = moment.year + (days_of(moment.year + 1, 1, 1) < sunday + 7)
    first = days_of(year, 1, 1)
    return year, (sunday - (first - week_of(first)[2] % 7)) // 7 + 1


def _quarter(number: int, count: int) -> str:
    if count < 3:
        return _padded(number, count)
    return (f"Q{number}", ("1st", "2nd", "3rd", "4th")[number - 1] + " quarter", str(number))[count - 3]


def _one_of(texts: tuple[str, ...], letter: str, count: int) -> str:
    if count > len(texts) or not texts[count - 1]:
        raise ValueError(f"{letter * count!r} is not known in a java.time pattern")
    return texts[count - 1]


def _shared_piece(letter: str, count: int, *, narrow: bool = True) -> _Piece:
    if letter in "ME" and count > (2 if letter == "M" else 0):
        names = MONTHS if letter == "M" else DAYS
        if narrow and count > 5:
            raise ValueError(f"{letter * count!r} has too many letters for a time")
        length = 3 if count < 4 else 1 if narrow and count == 5 else None
        number = (lambda moment: moment.month) if letter == "M" else _day_of_week
        return lambda moment: names[number(moment) - 1][:length]
    if letter == "a":
        return lambda moment: "AM" if moment.hour < 12 else "PM"
    numbers = _NUMBERS.get(letter)
    if numbers is None:
        raise ValueError(f"{letter!r} is not known in a time pattern")
    return lambda moment: _padded(numbers(moment), count)


_NUMBERS: dict[str, Callable[[_Moment], int]] = {
    "M": lambda moment: moment.month,
    "d": lambda moment: moment.day,
    "D": lambda moment: moment.day_of_year,
    "H": lambda moment: moment.hour,
    "k": lambda moment: moment.hour or 24,
    "K": lambda moment: moment.hour % 12,
    "h": lambda moment: moment.hour % 12 or 12,
    "m": lambda moment: moment.minute,
    "s": lambda moment: moment.second,
}


def _padded(number: int, count: int) -> str:
    return f"{'-' if number < 0 else ''}{abs(number):0{count}d}"


def _constant(text: str) -> _Piece:
    return lambda _moment: text
