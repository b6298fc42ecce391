"""Texts of users, such as names of models, as a terminal, a message or a page can show them (pure).

Some characters do something else than to be read: a line break begins a line that looks like one of the product's own,
an escape character changes the terminal, and others change the direction of writing. Each is replaced by its number, so
that different texts stay different.
"""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
BYTES = "".join(map(chr, range(0xDC80, 0xDD00)))
"""Bytes of a file's name that are not UTF-8: standard output and standard error write each as its number."""


def printable(text: str, spared: str = "") -> str:
    """Return a text with its number in the place of each character that cannot be printed.

    Parameters
    ----------
    spared : characters that stay as they are.

    >>> printable("one\\ntwo"), printable("a\\u202eb"), printable("a\\x1b\\n", spared="\\n")
    ('one[U+000A]two', 'a[U+202E]b', 'a[U+001B]\\n')
    """
    return _UNPRINTABLE.sub(lambda match: match[0] if match[0] in spared else f"[U+{ord(match[0]):04X}]", text)


def in_width(text: str, most: int) -> str:
    """Return a text that is cut to so many characters if it has more.

    >>> in_width("version", 5), in_width("click", 5)
    ('vers…', 'click')
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"
