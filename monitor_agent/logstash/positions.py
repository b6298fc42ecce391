"""How far each file has been delivered: one entry per file, told apart by device, inode and its first bytes."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
import structlog

from monitor_agent.logstash.durable import replace_file

HEAD_BYTES = 256
"""So much of a file's beginning tells it from another one that got the same inode later."""

Key = tuple[int, int]
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
    """One file.

    Attributes
    ----------
    offset : bytes that are delivered.
    head, fingerprint : length of the beginning that was hashed, and the hash.
    path : where it was last seen.
    seen : when, in seconds since 1970.
    """

    device: int
    inode: int
    offset: int
    head: int
    fingerprint: str
    path: str
    seen: float

    @property
    def key(self) -> Key:
        """Return what the entry is found by."""
        return self.device, self.inode

    def describes(self, beginning: bytes) -> bool:
        """Return whether a file that begins so is the one that was read."""
        return len(beginning) >= self.head and fingerprint(beginning[: self.head]) == self.fingerprint


class Positions:
    """The entries and their file; a path of None keeps them in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[Key, FilePosition] = {}

    def load(self) -> None:
        """Read the file; one that cannot be understood is set aside, and everything is read again from the start."""
        if self._path is None or not self._path.exists():
            return
        content = self._path.read_bytes()
        try:
            entries = [FilePosition(**row) for row in orjson.loads(content)["files"]]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            aside = self._path.with_name(self._path.name + ".broken")
            self._path.replace(aside)
            _log.error("positions are not readable; reading from the start", path=str(aside))
            return
        self._entries = {entry.key: entry for entry in entries}

    def save(self) -> None:
        """Write the file; PipelineError where it cannot be written."""
        if self._path is not None:
            rows = [asdict(entry) for entry in self._entries.values()]
            replace_file(self._path, orjson.dumps({"files": rows}, option=orjson.OPT_APPEND_NEWLINE))

    def get(self, key: Key) -> FilePosition | None:
        """Return the entry of a file."""
        return self._entries.get(key)

    def put(self, entry: FilePosition) -> None:
        """Add or replace the entry of a file."""
        self._entries[entry.key] = entry

    def entries(self) -> list[FilePosition]:
        """Return all entries."""
        return list(self._entries.values())

    def forget(self, key: Key) -> None:
        """Drop the entry of a file."""
        self._entries.pop(key, None)
