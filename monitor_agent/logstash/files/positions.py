"""The delivered position of each file: one entry per file, identified by device, inode and its first bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from monitor_agent.files import readable_name
from monitor_agent.logstash.files.durable import write_file

HEAD_BYTES = 256
"""The length of the beginning that distinguishes a file from a later one with the same inode."""

FileKey = tuple[int, int]
"""Device and inode."""

_log = structlog.get_logger()


def fingerprint(head: bytes) -> str:
    """Return the hash of some bytes of a file.

    >>> fingerprint(b'{"a": 1}')
    '6903fb303cd60ccb0a2b9c2592fa773b'
    """
    return hashlib.blake2b(head, digest_size=16).hexdigest()


@dataclass
class FilePosition:
    """The position in one file. Entries of earlier versions end at `updated`.

    Attributes
    ----------
    offset : bytes that are delivered.
    head, fingerprint : length of the beginning that was hashed, and the hash.
    path : the last path of the file itself, not of a link to it.
    updated : time of this entry, in seconds since 1970.
    tail, tail_fingerprint : length of the hashed bytes before `offset`, and the hash.
    size : bytes of the file when it was last read; None = unknown.
    born : when the file was made, in nanoseconds since 1970; None = unknown.
    closed : whether nothing is to be reported if the file is gone: its end was reached, or it is reported already.
    """

    device: int
    inode: int
    offset: int
    head: int
    fingerprint: str
    path: str
    updated: float
    tail: int = 0
    tail_fingerprint: str = ""
    size: int | None = None
    born: int | None = None
    closed: bool = False

    @property
    def key(self) -> FileKey:
        """Return device and inode."""
        return self.device, self.inode

    def describes(self, beginning: bytes) -> bool:
        """Return whether a file with this beginning may be the file of the entry."""
        return len(beginning) >= self.head and fingerprint(beginning[: self.head]) == self.fingerprint

    def row(self) -> dict[str, Any]:
        """Return the entry as the file of positions contains it; a name that is not UTF-8 is there as bytes, too."""
        row = dict(vars(self))
        row["seen"] = row.pop("updated")
        row["path"] = readable_name(self.path)
        if row["path"] != self.path:
            row["path_bytes"] = os.fsencode(self.path).hex()
        return row


class Positions:
    """The entries and their file; a path of None keeps them in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._positions: dict[FileKey, FilePosition] = {}

    def load(self) -> None:
        """Read the file; if it is malformed, set it aside, so that everything is read again from the start."""
        if self._path is None or not self._path.exists():
            return
        content = self._path.read_bytes()
        try:
            positions = [_position(row) for row in orjson.loads(content)["files"]]
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
            aside = self._path.with_name(self._path.name + ".broken")
            self._path.replace(aside)
            _log.error("positions are not readable; reading from the start", path=str(aside))
            return
        self._positions = {position.key: position for position in positions}

    def save(self) -> None:
        """Write the file.

        Raises
        ------
        PipelineError
            If it cannot be written.
        """
        if self._path is not None:
            rows = [position.row() for position in self._positions.values()]
            write_file(self._path, orjson.dumps({"files": rows}, option=orjson.OPT_APPEND_NEWLINE))

    def get(self, key: FileKey) -> FilePosition | None:
        """Return the entry of a file."""
        return self._positions.get(key)

    def put(self, position: FilePosition) -> None:
        """Add or replace the entry of a file."""
        self._positions[position.key] = position

    def all(self) -> list[FilePosition]:
        """Return all entries, the one that was updated last at the end."""
        return sorted(self._positions.values(), key=lambda position: position.updated)

    def forget(self, key: FileKey) -> None:
        """Drop the entry of a file."""
        self._positions.pop(key, None)


def has_key(path: str, key: FileKey) -> bool:
    """Return whether the path leads to the file with this device and inode."""
    try:
        status = Path(path).stat()
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == key


_FIELDS = frozenset(field.name for field in dataclasses.fields(FilePosition))


def _position(row: dict[str, Any]) -> FilePosition:
    """Return the entry of a row; fields of later versions are left out."""
    values = {name: value for name, value in row.items() if name in _FIELDS}
    if "path_bytes" in row:
        values["path"] = os.fsdecode(bytes.fromhex(row["path_bytes"]))
    return FilePosition(updated=row["seen"], **values)
