"""The delivered position of each file: one entry per file, identified by device, inode and its first bytes."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from monitor_agent.logstash.durable import write_file

HEAD_BYTES = 256
"""The length of the beginning that distinguishes a file from a later one with the same inode."""

FileKey = tuple[int, int]
"""Device and inode."""

_log = structlog.get_logger()


def fingerprint(head: bytes) -> str:
    """Return the hash of a file's first bytes.

    >>> fingerprint(b'{"a": 1}')
    '6903fb303cd60ccb0a2b9c2592fa773b'
    """
    return hashlib.blake2b(head, digest_size=16).hexdigest()


@dataclass
class FilePosition:
    """The position in one file.

    Attributes
    ----------
    offset : bytes that are delivered.
    head, fingerprint : length of the beginning that was hashed, and the hash.
    path : the last path of the file itself, not of a link to it.
    updated : time of this entry, in seconds since 1970.
    """

    device: int
    inode: int
    offset: int
    head: int
    fingerprint: str
    path: str
    updated: float

    @property
    def key(self) -> FileKey:
        """Return device and inode."""
        return self.device, self.inode

    def describes(self, beginning: bytes) -> bool:
        """Return whether a file with this beginning is the file of the entry."""
        return len(beginning) >= self.head and fingerprint(beginning[: self.head]) == self.fingerprint

    def locate(self) -> str | None:
        """Return the path of the file, which may be renamed in its folder; None if it is not there.

        An empty file has no fingerprint: it is found under its old name only.
        """
        if has_key(self.path, self.key):
            return self.path
        return _path_of_inode(Path(self.path).parent, self.key) if self.head else None

    def row(self) -> dict[str, Any]:
        """Return the entry as the file of positions contains it."""
        return {
            "device": self.device,
            "inode": self.inode,
            "offset": self.offset,
            "head": self.head,
            "fingerprint": self.fingerprint,
            "path": self.path,
            "seen": self.updated,
        }


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
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
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


def _position(row: dict[str, Any]) -> FilePosition:
    return FilePosition(updated=row.pop("seen"), **row)


def _path_of_inode(folder: Path, key: FileKey) -> str | None:
    """Return the path of the file in `folder` with this device and inode."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.inode() == key[1] and entry.is_file(follow_symlinks=False) and entry.stat().st_dev == key[0]:
                    return entry.path
    except OSError:
        return None
    return None
