"""Bytes that are no UTF-8 as text: in the form of Ruby's `inspect`, as Logstash keeps them."""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\f": "\\f",
    "\v": "\\v",
    "\b": "\\b",
    "\a": "\\a",
    "\x1b": "\\e",
}
_ESCAPABLE = re.compile(r'#(?=[{$@])|["\\]|[^ -~]')
_NOT_PRINTABLE = ("Cc", "Cn", "Cs", "Zl", "Zp")


def utf8_text(data: bytes) -> str:
    """Return UTF-8 as text; other bytes as Ruby's `inspect` writes them, without the quotation marks around.

    >>> print(utf8_text(b'{"caf\\xe9"} #{x} #y'))
    {\\"caf\\xE9\\"} \\#{x} #y
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _ESCAPABLE.sub(_escaped, data.decode("utf-8", "surrogateescape"))


def _escaped(match: re.Match[str]) -> str:
    letter = match[0]
    code = ord(letter)
    if letter == "#":
        return "\\#"
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that belongs to no character
        return f"\\x{code - 0xDC00:02X}"
    if letter == "\x85" or unicodedata.category(letter) not in _NOT_PRINTABLE:
        return letter
    return f"\\u{code:04X}" if code < 0x10000 else f"\\u{{{code:X}}}"
