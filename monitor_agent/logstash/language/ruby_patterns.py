"""Ruby's regular expressions (Onigmo's syntax) rewritten as Python's."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from functools import lru_cache

from monitor_agent.logstash.language import character_sets as sets
from monitor_agent.logstash.language.character_sets import Ranges

_ATOMIC = sys.version_info >= (3, 11)
"""Whether Python reads `(?>...)` and `a*+`; before, a lookahead and a reference to it do the same."""
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_ANCHORS = {"A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)", "b": r"\b", "B": r"\B"}
_SETS: dict[str, Ranges] = {"d": sets.DIGITS, "w": sets.WORD, "s": sets.BLANKS, "h": sets.HEX_DIGITS}
_LINE_BREAK = r"(?:\r\n|[\n-\r\x85\u2028\u2029])"
_LINE_START = r"^(?!(?<=\n)\Z)"
"""In Ruby, no line starts behind a line break at the end of the text."""
_REFUSED = "KXGgMyY"

_QUANTIFIER = re.compile(r"[*+?]|\{(?:\d+(?:,\d*)?|,\d+)\}")
_POSIX = re.compile(r"\[:(\^?)(\w+):\]")
_PROPERTY = re.compile(r"\{(\^?)([^}]+)\}")
_NAMED = re.compile(r"\(\?<(?=[^\W\d])(\w+)>|\(\?'(\w+)'")
_OPTIONS = re.compile(r"\(\?([imx]*)(?:-([imx]*))?([:)])")
_REFERENCE = re.compile(r"k(?:<(-?\w+)>|'(-?\w+)')")
_CODES = re.compile(r"u\{([0-9A-Fa-f\s]+)\}|u([0-9A-Fa-f]{4})|((?:x[0-9A-Fa-f]{1,2}\\)*x[0-9A-Fa-f]{1,2})|([0-7]{1,3})")
_NUMBER = re.compile(r"[1-9]\d*")
_CONTROL = re.compile(r"(?:c|C-)([@-_a-z?])")
_PLAIN = re.compile(r"[A-Za-z0-9](?![*?{])")


@dataclass(frozen=True)
class RubyPattern:
    """A pattern of Python that finds the same, and the names of its groups in Ruby's order."""

    compiled: re.Pattern[str]
    groups: tuple[str, ...]


@lru_cache(maxsize=1000)
def translate(text: str) -> RubyPattern:
    r"""Return the pattern.

    As in Ruby, `^` and `$` match at every line, and `\d`, `\s`, `\w`, `\h` match ASCII only.

    >>> translate(r"(?<year>\d+)-\k<year>").compiled.search("a 12-12 b")[0]
    '12-12'

    Raises
    ------
    ValueError
        If it is malformed, or if it uses syntax that is not rewritten here.
    """
    translation = _Translation(text)
    try:
        return RubyPattern(re.compile(translation.run(), re.MULTILINE), tuple(translation.groups))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None


@dataclass
class _Group:
    """A group that is open: where its text begins, how it ends, and what holds again behind it."""

    start: int
    free: bool
    ending: str = ")"
    opening: str = ""
    bars: list[int] = field(default_factory=list)


class _Translation:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._written: list[str] = []
        self._atom: int | None = None  # where the text begins that a quantifier repeats
        self._quantified = False
        self._free = False  # whether blanks and comments mean nothing: (?x)
        self._open: list[_Group] = []
        self._helpers = 0
        self._has_names = _NAMED.search(text) is not None
        self.groups: list[str] = []

    def run(self) -> str:
        text = self._text
        while self._place < len(text):
            letter = text[self._place]
            if self._free and letter in " \t\n\v\f\r":
                self._place += 1
            elif self._free and letter == "#":
                end = text.find("\n", self._place)
                self._place = len(text) if end < 0 else end + 1
            elif match := _QUANTIFIER.match(text, self._place):
                self._quantify(match)
            else:
                self._write_next(letter)
        self._close_options()
        if self._open:
            raise ValueError("a group is not closed")
        return "".join(self._written)

    def _write_next(self, letter: str) -> None:
        if letter == "\\":
            self._place += 1
            self._add(self._escape())
        elif letter == "[":
            self._place += 1
            negated = self._text.startswith("^", self._place)
            self._place += negated
            self._add(sets.written(self._members(), negated=negated))
        elif letter == "(":
            self._open_group()
        elif letter == ")":
            self._close_group()
        elif letter == "|":
            if self._open:
                self._open[-1].bars.append(len(self._written))
            self._place += 1
            self._add("|")
            self._atom = None
        elif letter == "^":
            self._place += 1
            self._add("^" if _PLAIN.match(self._text, self._place) else _LINE_START)
        else:
            self._place += 1
            self._add(letter if letter in ".$" else re.escape(letter))

    def _add(self, atom: str) -> None:
        self._atom = len(self._written)
        self._quantified = False
        self._written.append(atom)

    def _take_atom(self) -> str:
        """Return the text that was written last as one unit, and remove it."""
        start = self._atom
        if start is None:
            raise ValueError("nothing to repeat")
        atom = "".join(self._written[start:])
        del self._written[start:]
        return atom

    def _quantify(self, match: re.Match[str]) -> None:
        quantifier = match[0]
        self._place = match.end()
        again = self._quantified
        atom = self._take_atom()
        if again:
            atom = f"(?:{atom})"
        after = self._text[self._place : self._place + 1]
        if quantifier[0] == "{":
            # In Ruby, a{2}? means "twice or not at all"; what follows another interval counts as usual.
            lazy = after == "?" and "," in quantifier
            self._place += lazy
            self._add(f"{atom}{quantifier}{'?' if lazy else ''}")
        elif after == "+":
            self._place += 1
            self._add(f"{atom}{quantifier}+" if _ATOMIC else self._atomic(f"{atom}{quantifier}"))
        else:
            self._place += after == "?"
            self._add(f"{atom}{quantifier}{'?' if after == '?' else ''}")
        self._quantified = True

    def _atomic(self, inner: str) -> str:
        """Return a group that is not searched again with less."""
        if _ATOMIC:
            return f"(?>{inner})"
        self._helpers += 1
        return f"(?:(?=(?P<_atomic{self._helpers}>{inner}))(?P=_atomic{self._helpers}))"

    def _open_group(self) -> None:
        text, place = self._text, self._place
        if text.startswith("(?#", place):
            end = text.find(")", place)
            self._place = len(text) if end < 0 else end + 1
        elif not text.startswith("(?", place):
            self._begin(1, "(?:" if self._has_names else self._capture(f"_{len(self.groups) + 1}"))
        elif match := _NAMED.match(text, place):
            self._begin(len(match[0]), self._capture(match[1] or match[2]))
        elif match := _OPTIONS.match(text, place):
            self._open_options(match)
        else:
            head = next((head for head in ("(?<=", "(?<!", "(?=", "(?!", "(?>") if text.startswith(head, place)), None)
            if head is None:
                raise ValueError(f"{text[place : place + 3]} is not known here")
            self._begin(len(head), "" if head == "(?>" else head)
            self._open[-1].opening = head

    def _begin(self, length: int, written: str) -> None:
        self._open.append(_Group(len(self._written), self._free))
        self._written.append(written)
        self._place += length
        self._atom = None

    def _capture(self, name: str) -> str:
        if name in self.groups:
            raise ValueError(f"two groups have the name {name}")
        self.groups.append(name)
        return f"(?P<{name}>"

    def _open_options(self, match: re.Match[str]) -> None:
        """Open a group with other options; without a colon, they hold to the end of the group around it."""
        on, off = match[1].replace("m", "s"), (match[2] or "").replace("m", "s")
        options = on.replace("x", "") + (f"-{off.replace('x', '')}" if off.replace("x", "") else "")
        self._begin(len(match[0]), f"(?{options}:")
        self._open[-1].ending = ")" if match[3] == ":" else ""
        self._free = ("x" in on) or (self._free and "x" not in off)

    def _close_options(self) -> None:
        while self._open and not self._open[-1].ending:
            self._end_group()

    def _close_group(self) -> None:
        self._close_options()
        if not self._open:
            raise ValueError("unmatched )")
        self._end_group()
        self._place += 1

    def _end_group(self) -> None:
        group = self._open.pop()
        self._free = group.free
        if group.opening == "(?>":
            inner = "".join(self._written[group.start + 1 :])
            written = self._atomic(inner)
        elif group.opening in ("(?<=", "(?<!") and group.bars:
            written = self._look_behind(group)
        else:
            written = "".join(self._written[group.start :]) + ")"
        del self._written[group.start :]
        self._add(written)

    def _look_behind(self, group: _Group) -> str:
        """Return a look behind for each alternative, since Python wants one length in each."""
        ends = [*group.bars, len(self._written)]
        starts = [group.start + 1, *(bar + 1 for bar in group.bars)]
        behind = [
            f"{group.opening}{''.join(self._written[start:end])})" for start, end in zip(starts, ends, strict=True)
        ]
        return "".join(behind) if group.opening == "(?<!" else f"(?:{'|'.join(behind)})"

    def _escape(self) -> str:
        """Return what stands for the escape at the present place, behind its backslash."""
        text, place = self._text, self._place
        letter = text[place : place + 1]
        if not letter:
            raise ValueError("a backslash at the end")
        if match := _REFERENCE.match(text, place):
            self._place = match.end()
            return self._reference(match[1] or match[2])
        if (match := _NUMBER.match(text, place)) and (int(match[0]) < 10 or int(match[0]) <= len(self.groups)):
            self._place = match.end()
            if self._has_names:
                raise ValueError("a group with a name can only be referred to by its name")
            return self._reference(match[0])
        if letter in _ANCHORS or letter == "R":
            self._place += 1
            return _ANCHORS.get(letter, _LINE_BREAK)
        if letter in _REFUSED:
            raise ValueError(f"\\{letter} is not known here")
        members = self._set_escape()
        if members is not None:
            return sets.written(members)
        return "".join(map(re.escape, self._letters()))

    def _reference(self, name: str) -> str:
        if re.fullmatch(r"-?\d+", name):
            number = int(name)
            number = number - 1 if number > 0 else len(self.groups) + number
            if not 0 <= number < len(self.groups):
                raise ValueError(f"there is no group {name} before this")
            name = self.groups[number]
        return f"(?P={name})"

    def _set_escape(self) -> Ranges | None:
        r"""Return the set of an escape such as `\d` or `\p{Lu}`; None if it is another one."""
        letter = self._text[self._place]
        if letter.lower() in _SETS:
            self._place += 1
            members = _SETS[letter.lower()]
            return members if letter.islower() else sets.complement(members)
        if letter in "pP":
            match = _PROPERTY.match(self._text, self._place + 1)
            if match is None:
                raise ValueError(f"\\{letter} needs a name in braces")
            self._place = match.end()
            members = sets.property_set(match[2])
            return sets.complement(members) if (letter == "P") is not bool(match[1]) else members
        return None

    def _letters(self) -> str:
        """Return the letters that an escape stands for."""
        text, place = self._text, self._place
        if match := _CODES.match(text, place):
            self._place = match.end()
            if match[3]:
                try:
                    return bytes(int(code, 16) for code in match[3].replace("\\", "").split("x")[1:]).decode()
                except UnicodeDecodeError:
                    raise ValueError(f"\\{match[3]} is no UTF-8") from None
            codes = [int(match[4], 8)] if match[4] else [int(code, 16) for code in (match[1] or match[2]).split()]
            if max(codes) > sys.maxunicode:
                raise ValueError(f"\\{match[0]} is no character")
            return "".join(map(chr, codes))
        if match := _CONTROL.match(text, place):
            self._place = match.end()
            return "\x7f" if match[1] == "?" else chr(ord(match[1]) & 0x1F)
        self._place += 1
        return _CONTROLS.get(text[place], text[place])

    def _members(self) -> Ranges:
        """Return the set of a class; the present place moves from behind its opening bracket to behind its end."""
        text = self._text
        alternatives: list[Ranges] = []  # of the present side of &&
        sides: list[Ranges] = []
        first = True
        while True:
            if self._place >= len(text):
                raise ValueError("a class is not closed")
            if text[self._place] == "]" and not (first and "]" in text[self._place + 1 :]):
                self._place += 1
                break
            if text.startswith("&&", self._place):
                self._place += 2
                sides.append(sets.union(*alternatives))
                alternatives = []
            else:
                alternatives.append(self._member())
            first = False
        members = sets.union(*alternatives)
        for side in sides:
            members = sets.intersection(members, side)
        return members

    def _member(self) -> Ranges:
        text = self._text
        if match := _POSIX.match(text, self._place):
            self._place = match.end()
            members = sets.posix(match[2])
            return sets.complement(members) if match[1] else members
        if text[self._place] == "[":
            self._place += 1
            negated = text.startswith("^", self._place)
            self._place += negated
            inner = self._members()
            return sets.complement(inner) if negated else inner
        start = self._class_letters()
        if isinstance(start, tuple):
            return start
        if text.startswith("-", self._place) and text[self._place + 1 : self._place + 2] not in ("]", "["):
            before, self._place = self._place, self._place + 1
            end = self._class_letters() if self._place < len(text) else ()
            if isinstance(end, str):
                if ord(end[0]) < ord(start[-1]):
                    raise ValueError(f"the range {start[-1]}-{end[0]} is empty")
                return sets.union(((ord(start[-1]), ord(end[0])),), _set_of(start + end))
            self._place = before
        return _set_of(start)

    def _class_letters(self) -> str | Ranges:
        """Return the letter at the present place, or the set of an escape."""
        letter = self._text[self._place]
        self._place += 1
        if letter != "\\":
            return letter
        if self._place >= len(self._text):
            raise ValueError("a backslash at the end")
        if self._text[self._place] == "b":
            self._place += 1
            return "\b"
        members = self._set_escape()
        return self._letters() if members is None else members


def _set_of(letters: str) -> Ranges:
    return sets.union(*(((ord(letter), ord(letter)),) for letter in letters))
