"""The files of dead letters on disk: letters are only appended, and so are the notes on what became of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson

from monitor_agent.logstash.delivery.bulk import BulkItem, json_line
from monitor_agent.logstash.delivery.dead_letters import SpooledDeadLetter
from monitor_agent.logstash.events.timestamps import Timestamp
from monitor_agent.logstash.files.durable import append_file, make_folder

FOLDER_NAME = "dead_letters"
INDEXED, REPLAYED = "indexed.notes", "replayed.notes"
"""The files of notes: the runner writes the first one, the command `deadletters` the second one."""

LetterKey = tuple[str, str]
"""The id of a letter, and the time at which it was made: the same on disk and in Elasticsearch."""


class DeadLetterFiles:
    """One file a day in a folder; a letter is on disk when `store` returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def open(self) -> None:
        """Make the folder."""
        make_folder(self._folder)

    def store(self, letters: Sequence[SpooledDeadLetter]) -> None:
        """Append letters to the file of today.

        Raises
        ------
        PipelineError
            If it cannot be written.
        """
        content = b"".join(json_line(asdict(letter)) for letter in letters)
        with self._lock:
            append_file(self._folder / f"{Timestamp.now()[:10]}.ndjson", content)

    def note_indexed(self, items: Iterable[BulkItem]) -> None:
        """Note that letters are in Elasticsearch, which decides from now on whether they still exist.

        Raises
        ------
        PipelineError
            If it cannot be written.
        """
        with self._lock:
            _note(self._folder / INDEXED, [key_of(item.id, orjson.loads(item.source)) for item in items])


def read_letters(folder: Path) -> list[SpooledDeadLetter]:
    """Return all letters in a folder, in the order of writing; a last line that a crash cut is left out."""
    letters: list[SpooledDeadLetter] = []
    for path in sorted(folder.glob("*.ndjson")):
        for line in path.read_bytes().split(b"\n"):
            try:
                letters.append(SpooledDeadLetter(**orjson.loads(line)))
            except (orjson.JSONDecodeError, TypeError):
                continue
    return letters


def read_notes(folder: Path, name: str) -> set[LetterKey]:
    """Return the keys of the letters in a file of notes."""
    try:
        lines = (folder / name).read_bytes().split(b"\n")
    except FileNotFoundError:
        return set()
    keys: set[LetterKey] = set()
    for line in lines:
        try:
            identifier, ingested = orjson.loads(line)
        except (orjson.JSONDecodeError, TypeError, ValueError):
            continue
        keys.add((identifier, ingested))
    return keys


def note_replayed(folder: Path, keys: Sequence[LetterKey]) -> None:
    """Note that letters were sent again, if there is a folder of letters on this machine.

    Raises
    ------
    PipelineError
        If it cannot be written.
    """
    if keys and folder.is_dir():
        _note(folder / REPLAYED, keys)


def key_of(identifier: str, document: dict[str, object]) -> LetterKey:
    """Return the key of a letter."""
    event = document.get("event")
    return identifier, str(event.get("ingested", "")) if isinstance(event, dict) else ""


def _note(path: Path, keys: Sequence[LetterKey]) -> None:
    # A note begins with a newline, so that a note that a crash has cut does not spoil it.
    append_file(path, b"".join(b"\n" + orjson.dumps(key) for key in keys) + b"\n")
