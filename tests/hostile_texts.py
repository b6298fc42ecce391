"""Texts that clients may send as labels, and that break programs which put texts into code or pages unprepared."""

from __future__ import annotations

HOSTILE_TEXTS = (
    "back\\slash",
    "ends with \\",
    'quotation "mark"',
    'both \\"',
    "apostrophe's",
    "line\nbreak",
    "carriage\rreturn",
    "separator\u2028of lines",
    "nul\x00byte",
    "escape\x1b[31m",
    "next\x85line",
    "{brace} ${datum.x}",
    "<b onmouseover=alert(1)>bold</b>",
    "]]> & --> <!--",
    "title",
    "image",
    "__proto__",
    "constructor",
    "\u202eoverride",
    "שלום עולם",
    "日本語のラベル",
    "long " * 50,
)
