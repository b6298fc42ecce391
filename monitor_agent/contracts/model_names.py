"""The rule for names and versions of models: server, commands and agent keep to it."""

from __future__ import annotations

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
