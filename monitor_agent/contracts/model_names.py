"""The rules for names and versions of models: server, commands and agent keep to them."""

from __future__ import annotations

import re

MOST_CHARACTERS = 256
LENGTH_IN_MESSAGE = 40

ALL_VERSIONS = "all"
"""Stands for all versions of a model together, so it is no version."""


def shortened(text: str) -> str:
    """Return the text as a message writes it, however long it is."""
    return text if len(text) <= LENGTH_IN_MESSAGE else f"{text[:LENGTH_IN_MESSAGE]}..."


def problem_of_name(name: str) -> str:
    """Return why a model cannot have this name; empty if it can.

    >>> problem_of_name("click"), problem_of_name("")
    ('', 'is empty')
    """
    if not name:
        return "is empty"
    return f"has {len(name)} characters, more than {MOST_CHARACTERS}" if len(name) > MOST_CHARACTERS else ""


def problem_of_version(version: str) -> str:
    """Return why a model cannot have this version; empty if it can.

    >>> problem_of_version("7"), problem_of_version("all")
    ('', 'stands for all versions together')
    """
    return "stands for all versions together" if version == ALL_VERSIONS else problem_of_name(version)


def version_order(version: str) -> tuple[list[tuple[int, int, str]], str]:
    """Return a sort key that orders the numbers in versions by their value; it exists for every text.

    A number comes before other text at the same place. Versions that differ only in leading zeros are ordered as texts.

    >>> sorted(["10", "9", "v2.10", "v2.9", "1.10", "1.9", "5\u00b2", "5"], key=version_order)
    ['1.9', '1.10', '5', '5\u00b2', '9', '10', 'v2.9', 'v2.10']
    """
    pieces = re.findall(r"([0-9]+)|([^0-9]+)", version)
    # int() refuses numbers of thousands of digits; a longer number is larger, and equal lengths compare as texts.
    numbers = ((number.lstrip("0"), text) for number, text in pieces)
    return [(1, 0, text) if text else (0, len(number), number) for number, text in numbers], version
