"""All files that match some patterns, read as they come, grow, are renamed, truncated and deleted."""

from __future__ import annotations

import fnmatch
import glob
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from monitor_agent.logstash.followed_file import FollowedFile, TruncatedError
from monitor_agent.logstash.positions import FileKey, FilePosition, Positions

MOST_BYTES = 2 * 1024 * 1024
"""Reading stops here, so that a batch of long lines does not fill the memory."""
GONE_SECONDS = 60.0
"""A file that was renamed away or deleted is read until it has not grown for this time."""
FORGET_SECONDS = 14 * 86_400.0
"""The position of a file that is gone is stored for this time."""

Checkpoint = dict[FollowedFile, int]
"""For each file of a batch: the offset up to which it is delivered as soon as the batch is."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class FileSelection:
    """Which files are read, and how.

    Attributes
    ----------
    patterns, excluded : glob patterns of paths; patterns of file names that are left out.
    from_beginning : whether files that are there at the first start are read from their beginning, or from their end.
    newest_last : order of files that wait: by their last change, else by path.
    poll_seconds, discover_seconds : time between two searches for new lines, and for new files.
    close_seconds : an idle file is closed after this time (and opened again when it grows).
    removable : whether a file (its path, seconds since it last grew) may be deleted as soon as all of it is delivered
        and nobody has it open for writing.
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
    """Lines read together: by path, in the order of reading."""

    pieces: list[tuple[str, list[bytes]]] = field(default_factory=list)
    checkpoint: Checkpoint = field(default_factory=dict)
    lines: int = 0
    bytes: int = 0


class FileSet:
    """Reads whole lines of the selected files. `acknowledge` may come from another thread.

    The position of a file is stored before its first line is read. So the next run finishes a file that it cannot
    find by the patterns any more, because it was renamed or because the link to it leads to another file.
    """

    def __init__(self, selection: FileSelection, positions: Positions) -> None:
        self._selection = selection
        self._positions = positions
        self._files: dict[FileKey, FollowedFile] = {}
        self._turns: deque[FollowedFile] = deque()
        self._lock = threading.Lock()
        self._unsaved = False
        self._next_poll = 0.0
        self._next_discovery = 0.0
        self._caught_up = time.time()
        self._unopened: set[str] = set()

    def open(self) -> None:
        """Find the files, also those that the last run read and that no pattern matches any more."""
        self._positions.load()
        self._discover(first=True)
        self._recover()

    def read(self, limit: int) -> LineBatch | None:
        """Return up to `limit` lines that are there now; None if there are none."""
        now = time.monotonic()
        if now >= self._next_discovery:
            self._discover()
        elif now < self._next_poll:
            return None
        batch = LineBatch()
        idle = 0
        while idle < len(self._turns) and batch.lines < limit and batch.bytes < MOST_BYTES:
            file = self._turns[0]
            idle = 0 if self._take(file, limit - batch.lines, batch) else idle + 1
            if not file.has_lines:
                self._turns.rotate(-1)
        if idle >= len(self._turns):
            self._next_poll = now + self._selection.poll_seconds
        return batch if batch.checkpoint else None

    def acknowledge(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Store, on disk, that everything up to these checkpoints is delivered."""
        with self._lock:
            changed: set[FollowedFile] = set()
            for checkpoint in checkpoints:
                for file, offset in checkpoint.items():
                    if not file.superseded:
                        file.acknowledged = offset
                        changed.add(file)
            for file in changed:
                self._positions.put(file.position(file.acknowledged))
            self._save()

    def bytes_behind(self) -> int:
        """Return the bytes of the open files that are not delivered."""
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

    def _take(self, file: FollowedFile, limit: int, batch: LineBatch) -> bool:
        if not file.is_open:
            return False
        try:
            lines = file.take(limit)
        except TruncatedError as error:
            _log.warning("file was truncated; reading it from its start", path=file.path, reason=str(error))
            self._restart(file)
            return True
        except OSError as error:
            _log.error("file cannot be read", path=file.path, reason=error.strerror)
            file.superseded = True  # it is opened again at the last acknowledged offset
            self._drop(file)
            return True
        if lines:
            self._add_to(batch, file, lines)
        return bool(lines)

    @staticmethod
    def _add_to(batch: LineBatch, file: FollowedFile, lines: list[bytes]) -> None:
        batch.pieces.append((file.path, lines))
        batch.bytes += file.offset - batch.checkpoint.get(file, file.offset - sum(map(len, lines)))
        batch.checkpoint[file] = file.offset
        batch.lines += len(lines)

    def _discover(self, *, first: bool = False) -> None:
        self._next_discovery = time.monotonic() + self._selection.discover_seconds
        matches = self._matches()
        for key, file in self._files.items():
            file.listed = key in matches
        for key, (path, size) in matches.items():
            if key in self._files:
                self._update(self._files[key], path, size)
            else:
                self._follow(path, key, at_end=first and not self._selection.from_beginning)
        for file in list(self._files.values()):
            self._retire(file)
        with self._lock:
            if self._unsaved:
                self._save()

    def _matches(self) -> dict[FileKey, tuple[str, int]]:
        """Return path and size of every file that matches, by device and inode: a link and its target are one."""
        candidates: list[tuple[float, str, FileKey, int]] = []
        for path in self._paths():
            try:
                status = Path(path).stat()
            except OSError:
                continue  # deleted meanwhile, or a link to nothing
            if stat.S_ISREG(status.st_mode):
                order = status.st_mtime if self._selection.newest_last else 0.0
                candidates.append((order, path, (status.st_dev, status.st_ino), status.st_size))
        matches: dict[FileKey, tuple[str, int]] = {}
        for _, path, key, size in sorted(candidates):
            matches.setdefault(key, (path, size))
        return matches

    def _paths(self) -> Iterator[str]:
        for pattern in self._selection.patterns:
            for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - patterns are absolute
                if not any(fnmatch.fnmatch(Path(path).name, name) for name in self._selection.excluded):
                    yield path

    def _follow(self, path: str, key: FileKey, *, at_end: bool = False) -> None:
        """Follow a file that a pattern matches."""
        file = FollowedFile(path, key, self._selection.delimiter)
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
        self._store(file)

    def _store(self, file: FollowedFile) -> None:
        """Store the position of a file before its first line is read."""
        position, beginning = file.position(file.acknowledged), file.beginning()
        with self._lock:
            stored = self._positions.get(file.key)
            unchanged = stored is not None and (stored.offset, stored.path) == (position.offset, position.path)
            if stored is None or not unchanged or not stored.describes(beginning):
                self._positions.put(position)
                self._unsaved = True

    def _start(self, file: FollowedFile, at_end: bool) -> int:
        """Return the offset from which a file that was just found is read."""
        with self._lock:
            position = self._positions.get(file.key)
        if position is None:
            return file.size() if at_end else 0
        if not position.describes(file.beginning()):
            _log.info("a new file has the inode of an old one; reading it from its start", path=file.path)
            return 0
        if file.size() < position.offset:
            _log.warning("file was truncated; reading it from its start", path=file.path, read=position.offset)
            return 0
        return position.offset

    def _recover(self) -> None:
        """Follow the files that no pattern matches any more, before all others; forget those that are long gone."""
        for position in reversed(self._positions.all()):
            if position.key in self._files or self._follow_unlisted(position):
                continue
            if time.time() - position.updated > FORGET_SECONDS:
                self._positions.forget(position.key)

    def _follow_unlisted(self, position: FilePosition) -> bool:
        """Follow a file that no pattern matches any more; return False if it is not there or is another file.

        Nothing is read of another file with the same inode: it is none of the selected files.
        """
        path = position.locate()
        if path is None:
            return False
        file = FollowedFile(path, position.key, self._selection.delimiter)
        file.listed = False
        try:
            file.open()
            if position.describes(file.beginning()) and file.size() >= position.offset:
                file.resume(position.offset)
                self._files[file.key] = file
                self._turns.appendleft(file)
                return True
        except OSError as error:
            _log.error("file cannot be opened", path=path, reason=error.strerror or str(error))
        file.close()
        return False

    def _update(self, file: FollowedFile, path: str, size: int) -> None:
        if file.path != path:
            _log.info("file was renamed", path=path, before=file.path)
            file.path = path
        if not file.is_open and size != file.offset:
            self._drop(file)
            self._follow(path, file.key)

    def _retire(self, file: FollowedFile) -> None:
        """Close a file that gets no more lines; if the file is gone, its unfinished last line counts."""
        if not file.is_open:
            if not file.listed:  # it was idle and is gone: its last lines may have come shortly before that
                self._drop(file)
                self._follow_unlisted(file.position(file.acknowledged))
            return
        if file.has_lines:
            return
        idle = time.monotonic() - file.grew
        delivered = file.acknowledged == file.size()
        if not file.listed and idle > GONE_SECONDS:
            if file.ending and file.acknowledged == file.offset:
                self._drop(file)
            file.ending = True
        elif file.listed and delivered and self._may_remove(file, idle):
            self._remove(file)
        elif file.listed and delivered and idle > self._selection.close_seconds:
            file.close()

    def _may_remove(self, file: FollowedFile, idle: float) -> bool:
        removable = self._selection.removable
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

    def _restart(self, file: FollowedFile) -> None:
        again = file.restarted()
        self._files[file.key] = again
        self._turns[self._turns.index(file)] = again
        self._store(again)
        with self._lock:
            self._save()

    def _drop(self, file: FollowedFile) -> None:
        file.close()
        del self._files[file.key]
        self._turns.remove(file)

    def _save(self) -> None:
        self._positions.save()
        self._unsaved = False
