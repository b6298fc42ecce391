"""The names of files that come from ids: in their folder, and the same on every file system (pure)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from monitor_agent.errors import DataError

LONGEST_NAME = 240
"""The most bytes of an id: a file system takes 255, and `.json` and the name of a draft follow."""

HINT = "give it another id, then run the command again"
_FOREIGN = re.compile("[\x00-\x1f\x7f-\x9f/\\\\\ud800-\udfff\u2028\u2029]")
_DRIVE = re.compile(r"[A-Za-z]:")


def file_name(text: str, kind: str) -> str:
    """Return `<text>.json`.

    Parameters
    ----------
    text : an id of Kibana, or the name of an alert; it may hold `:`, `%`, `*` and blanks inside.
    kind : what the text is, for the message: `id`.

    Raises
    ------
    DataError
        If the text is no name of a file: it leads to another folder, holds control characters, begins with a drive,
        ends with a dot or a blank (Windows drops them), or is too long.

    >>> file_name("metrics-*", "id")
    'metrics-*.json'
    """
    if is_name(text):
        return f"{text}.json"
    excerpt = ascii(text if len(text) <= 80 else text[:80] + "...")
    raise DataError(f"the {kind} {excerpt} is no file name", HINT)


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a file, and of a file in its own folder only."""
    return bool(
        text
        and text == text.strip()
        and not text.endswith(".")
        and not _FOREIGN.search(text)
        and not _DRIVE.match(text)
        and len(text.encode()) <= LONGEST_NAME
    )


def require_distinct(names: Iterable[str]) -> None:
    """Refuse names that some file systems take for one: they differ only in case, or in how accents are written.

    Raises
    ------
    DataError
        If two names are one file there.
    """
    names_by_key: dict[str, str] = {}
    for name in sorted(names):
        other = names_by_key.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise DataError(f"{ascii(other)[1:-1]} and {ascii(name)[1:-1]} are one file on some file systems", HINT)
