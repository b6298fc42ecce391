"""Dead letters of Elasticsearch and of this machine's data folder, each letter once, with the places where it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor_agent.es.dead_letter_store import DeadLetter
from monitor_agent.logstash.delivery.letter_files import (
    FOLDER_NAME,
    INDEXED,
    REPLAYED,
    key_of,
    read_letters,
    read_notes,
)
from monitor_agent.logstash.delivery.letter_replay import ReplayedLetter

INDEX, FOLDER = "index", "data folder"


@dataclass(frozen=True)
class PlacedLetter:
    """A dead letter and the places where it is.

    Attributes
    ----------
    copies : all copies; a line that was refused several times has several.
    """

    letter: DeadLetter
    places: tuple[str, ...]
    copies: frozenset[ReplayedLetter]

    def document(self) -> dict[str, Any]:
        """Return the letter as JSON for people and programs."""
        names = {"_index": self.letter.index, "_id": self.letter.id, "_places": list(self.places)}
        return {**names, **self.letter.document}


def placed_letters(data_dir: Path, indexed: Sequence[DeadLetter] | None) -> list[PlacedLetter]:
    """Return all letters that were not sent again yet, the oldest first.

    A letter of the data folder that was indexed, but is not in Elasticsearch any more, has expired or was sent again.

    Parameters
    ----------
    indexed : the letters in Elasticsearch; None = unknown, then those of the data folder are returned alone.
    """
    folder = data_dir / FOLDER_NAME
    replayed, noted = read_notes(folder, REPLAYED), read_notes(folder, INDEXED)
    letters: dict[str, DeadLetter] = {}
    copies: dict[str, set[ReplayedLetter]] = defaultdict(set)
    in_index = {letter.id for letter in indexed or ()}
    in_folder: set[str] = set()
    for letter in indexed or ():
        key = key_of(letter.id, letter.document)
        if key not in replayed:
            letters[letter.id] = letter
            copies[letter.id].add(ReplayedLetter(letter.index, *key))
    for local in read_letters(folder):
        key = key_of(local.id, local.document)
        expired = indexed is not None and key in noted and local.id not in in_index
        if key in replayed or expired:
            continue
        in_folder.add(local.id)
        letters.setdefault(local.id, DeadLetter(local.index, local.id, local.document))
        copies[local.id].add(ReplayedLetter(local.index, *key))
        if indexed is None and key in noted:
            in_index.add(local.id)
    placed = [
        PlacedLetter(letter, _places(identifier in in_index, identifier in in_folder), frozenset(copies[identifier]))
        for identifier, letter in letters.items()
    ]
    return sorted(placed, key=lambda entry: entry.letter.ingested)


def _places(in_index: bool, in_folder: bool) -> tuple[str, ...]:
    return (INDEX,) * in_index + (FOLDER,) * in_folder
