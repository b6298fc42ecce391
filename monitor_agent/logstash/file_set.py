"""All files that match some patterns, read as they come, grow, are renamed, truncated and deleted."""

from __future__ import annotations

import fnmatch
import glob
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from monitor_agent.logstash.followed_file import FollowedFile, TruncatedError
from monitor_agent.logstash.positions import Key, Positions

MOST_BYTES = 2 * 1024 * 1024
"""Reading stops here, so that a batch of long lines does not fill the memory."""
GONE_SECONDS = 60.0
"""A file that was renamed away or deleted is read until it has not grown for so long."""
FORGET_SECONDS = 14 * 86_400.0
"""The position of a file that has gone is kept for so long."""

Checkpoint = dict[FollowedFile, int]
"""For each file read from: the offset up to which it is delivered once the batch is."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class FileSelection:
    """Which files, and how they are read.

    Attributes
    ----------
    patterns, excluded : glob patterns of paths; patterns of file names that are left out.
    from_beginning : whether files that are there at the first start are read from their beginning, or from their end.
    newest_last : order of files that wait: by their last change, else by path.
    poll_seconds, discover_seconds : time between two looks at known files, and for new ones.
    close_seconds : an idle file is closed after this time (and opened again when it grows).
    removable : whether a file (its path, seconds since it last grew) may be deleted once all of it is delivered and
        nobody has it open for writing.
    """

    patterns: Sequence[str]
    excluded: Sequence[str] = ()
    from_beginning: bool = True
    newest_last: bool = True
    delimiter: bytes = b"\n"
    poll_seconds: float = 0.05
    discover_seconds: float = 1.0
    close_seconds: float = 3600.0
    removable: Callable[[str, float], bool] | None = None


@dataclass
class LineBatch:
    """Lines read together: by path, in the order read."""

    pieces: list[tuple[str, list[bytes]]] = field(default_factory=list)
    checkpoint: Checkpoint = field(default_factory=dict)
    lines: int = 0
    bytes: int = 0


class FileSet:
    """Reads whole lines of the wanted files. `acknowledge` may come from another thread."""

    def __init__(self, wanted: FileSelection, positions: Positions) -> None:
        self._wanted = wanted
        self._positions = positions
        self._files: dict[Key, FollowedFile] = {}
        self._turns: deque[FollowedFile] = deque()
        self._lock = threading.Lock()
        self._next_poll = 0.0
        self._next_discovery = 0.0
        self._caught_up = time.time()
        self._unopened: set[str] = set()

    def open(self) -> None:
        """Find the files; those that were renamed since the last run are found by their inode."""
        self._positions.load()
        self._discover(first=True)
        self._recover_renamed()

    def read(self, most: int) -> LineBatch | None:
        """Return up to `most` lines that are there now; None where there are none."""
        now = time.monotonic()
        if now >= self._next_discovery:
            self._discover()
        elif now < self._next_poll:
            return None
        reading = LineBatch()
        idle = 0
        while idle < len(self._turns) and reading.lines < most and reading.bytes < MOST_BYTES:
            file = self._turns[0]
            idle = 0 if self._take(file, most - reading.lines, reading) else idle + 1
            if not file.has_lines:
                self._turns.rotate(-1)
        if idle >= len(self._turns):
            self._next_poll = now + self._wanted.poll_seconds
        return reading if reading.checkpoint else None

    def acknowledge(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Remember, on disk, that everything up to these checkpoints is delivered."""
        with self._lock:
            changed: set[FollowedFile] = set()
            for checkpoint in checkpoints:
                for file, offset in checkpoint.items():
                    if not file.superseded:
                        file.acknowledged = offset
                        changed.add(file)
            for file in changed:
                self._positions.put(file.entry(file.acknowledged))
            self._positions.save()

    def bytes_behind(self) -> int:
        """Return the bytes of the known files that are not delivered."""
        return sum(file.size() - file.acknowledged for file in self._turns if file.is_open)

    def backlog(self) -> dict[str, int | float]:
        """Return how many files there are now, their bytes, how many are read and delivered, and the delay."""
        self._discover()
        files = [file for file in self._turns if file.is_open]
        size = sum(file.size() for file in files)
        acknowledged = sum(file.acknowledged for file in files)
        now = time.time()
        if acknowledged >= size:
            self._caught_up = now
        return {
            "files": len(self._files),
            "bytes": size,
            "bytes_read": sum(file.offset for file in files),
            "bytes_acknowledged": acknowledged,
            "bytes_behind": max(0, size - acknowledged),
            "seconds_behind": round(now - self._caught_up, 3),
        }

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()

    def _take(self, file: FollowedFile, most: int, reading: LineBatch) -> bool:
        if not file.is_open:
            return False
        try:
            lines = file.take(most)
        except TruncatedError as error:
            _log.warning("file was truncated; reading it from its start", path=file.path, reason=str(error))
            self._replace(file, file.restarted())
            return True
        except OSError as error:
            _log.error("file cannot be read", path=file.path, reason=error.strerror)
            self._drop(file)
            return True
        if lines:
            self._add_to(reading, file, lines)
        return bool(lines)

    @staticmethod
    def _add_to(reading: LineBatch, file: FollowedFile, lines: list[bytes]) -> None:
        reading.pieces.append((file.path, lines))
        reading.bytes += file.offset - reading.checkpoint.get(file, file.offset - sum(map(len, lines)))
        reading.checkpoint[file] = file.offset
        reading.lines += len(lines)

    def _discover(self, *, first: bool = False) -> None:
        self._next_discovery = time.monotonic() + self._wanted.discover_seconds
        found = self._matches()
        for key, file in self._files.items():
            file.listed = key in found
        for key, (path, size) in found.items():
            if key in self._files:
                self._look_again(self._files[key], path, size)
            else:
                self._follow(path, key, at_end=first and not self._wanted.from_beginning)
        for file in list(self._files.values()):
            self._retire(file)

    def _matches(self) -> dict[Key, tuple[str, int]]:
        """Return path and size of every file that matches, by device and inode: a link and its target are one."""
        found: list[tuple[float, str, Key, int]] = []
        for path in self._paths():
            try:
                status = Path(path).stat()
            except OSError:
                continue  # deleted meanwhile, or a link to nothing
            if stat.S_ISREG(status.st_mode):
                order = status.st_mtime if self._wanted.newest_last else 0.0
                found.append((order, path, (status.st_dev, status.st_ino), status.st_size))
        matches: dict[Key, tuple[str, int]] = {}
        for _, path, key, size in sorted(found):
            matches.setdefault(key, (path, size))
        return matches

    def _paths(self) -> Iterator[str]:
        for pattern in self._wanted.patterns:
            for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - patterns are absolute
                if not any(fnmatch.fnmatch(Path(path).name, name) for name in self._wanted.excluded):
                    yield path

    def _follow(self, path: str, key: Key, *, at_end: bool = False, listed: bool = True) -> None:
        file = FollowedFile(path, key, self._wanted.delimiter)
        file.listed = listed
        try:
            file.open()
            file.resume(self._start(file, at_end))
        except OSError as error:
            file.close()
            if path not in self._unopened:
                self._unopened.add(path)
                _log.error("file cannot be opened; trying again", path=path, reason=error.strerror or str(error))
            return
        self._unopened.discard(path)
        self._files[key] = file
        self._turns.append(file)

    def _start(self, file: FollowedFile, at_end: bool) -> int:
        """Return the offset from which a file that was just found is read."""
        with self._lock:
            entry = self._positions.get(file.key)
        if entry is None:
            return file.size() if at_end else 0
        if not entry.describes(file.beginning()):
            _log.info("a new file has the inode of an old one; reading it from its start", path=file.path)
            return 0
        if file.size() < entry.offset:
            _log.warning("file was truncated; reading it from its start", path=file.path, read=entry.offset)
            return 0
        return entry.offset

    def _recover_renamed(self) -> None:
        """Follow files that were renamed out of the patterns while nobody looked, and forget those long gone."""
        for entry in self._positions.entries():
            if entry.key in self._files:
                continue
            path = _path_of_inode(Path(entry.path).parent, entry.key)
            if path is not None:
                self._follow(path, entry.key, listed=False)
            elif time.time() - entry.seen > FORGET_SECONDS:
                self._positions.forget(entry.key)

    def _look_again(self, file: FollowedFile, path: str, size: int) -> None:
        if file.path != path:
            _log.info("file was renamed", path=path, before=file.path)
            file.path = path
        if not file.is_open and size != file.offset:
            self._drop(file)
            self._follow(path, file.key)

    def _retire(self, file: FollowedFile) -> None:
        """Close a file that nothing more is expected of; its unfinished last line counts if it is gone."""
        if not file.is_open or file.has_lines:
            return
        idle = time.monotonic() - file.grew
        delivered = file.acknowledged == file.size()
        if not file.listed and idle > GONE_SECONDS:
            if file.ending and file.acknowledged == file.offset:
                self._drop(file)
            file.ending = True
        elif file.listed and delivered and self._may_remove(file, idle):
            self._remove(file)
        elif file.listed and delivered and idle > self._wanted.close_seconds:
            file.close()

    def _may_remove(self, file: FollowedFile, idle: float) -> bool:
        removable = self._wanted.removable
        return removable is not None and removable(file.path, idle) and not file.has_writer()

    def _remove(self, file: FollowedFile) -> None:
        try:
            Path(file.path).unlink()
        except OSError as error:
            _log.error("file cannot be removed", path=file.path, reason=error.strerror)
            return
        _log.info("file is delivered and removed", path=file.path)
        self._drop(file)
        with self._lock:
            self._positions.forget(file.key)

    def _replace(self, file: FollowedFile, again: FollowedFile) -> None:
        self._files[file.key] = again
        self._turns[self._turns.index(file)] = again

    def _drop(self, file: FollowedFile) -> None:
        file.close()
        del self._files[file.key]
        self._turns.remove(file)


def _path_of_inode(folder: Path, key: Key) -> str | None:
    """Return the path of the file in `folder` with this device and inode."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.inode() == key[1] and entry.stat().st_dev == key[0] and entry.is_file():
                    return entry.path
    except OSError:
        return None
    return None
