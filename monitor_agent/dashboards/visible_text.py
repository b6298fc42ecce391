"""Texts of users, such as labels, as pages, charts and reports can show them (pure).

Some characters cannot be drawn, or do something else than to be drawn: control characters end an SVG image, line
separators end a text in an expression, and characters that change the direction of writing change the texts around.
Each is replaced by its number, so that different texts stay different.
"""

from __future__ import annotations

import re

from monitor_agent.contracts.printable import printable

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TITLE, _IMAGE = "title", "image"
_OF_EVERY_OBJECT = re.compile(
    "__proto__|__(define|lookup)[GS]etter__|constructor|hasOwnProperty|isPrototypeOf|propertyIsEnumerable|"
    "toLocaleString|toString|valueOf"
)
"""Keys that every object of JavaScript has: as a category or a series, such a text would break the chart."""


def visible(text: str) -> str:
    """Return a text with its number in the place of each character that cannot be drawn.

    A text that means something in JavaScript gets a space at its end.

    >>> visible("one\\ntwo"), visible("a\\u202eb"), visible("plain")
    ('one[U+000A]two', 'a[U+202E]b', 'plain')
    """
    if _OF_EVERY_OBJECT.fullmatch(text):
        return f"{text}\N{NO-BREAK SPACE}"
    return printable(text)


def tooltip_title(text: str) -> str:
    """Return a title of a tooltip: Vega-Lite puts it into an expression, and escapes quotation marks only.

    The viewer's tooltips treat the titles `title` and `image` in their own way; a space at the end prevents that.

    >>> tooltip_title('a\\\\b'), tooltip_title("image")
    ('a\\\\\\\\b', 'image\\xa0')
    """
    escaped = visible(text).replace("\\", "\\\\")
    return escaped + "\N{NO-BREAK SPACE}" if escaped in (_TITLE, _IMAGE) else escaped


def short_name(name: str, most: int) -> str:
    """Return the name of a model and its version with fewer characters: the model is cut off, and its version stays.

    >>> short_name("recommendation/12", 12), short_name("search/2", 12), short_name("a-name-without-version", 12)
    ('recommen…/12', 'search/2', 'a-name-with…')
    """
    model, slash, version = name.rpartition("/")
    room = most - len(slash + version) - 1
    if len(name) <= most:
        return name
    return f"{model[:room]}…{slash}{version}" if model and room > 0 else f"{name[: most - 1]}…"


def xml_text(text: str) -> str:
    """Return the text of an XML document without the characters that XML forbids."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
