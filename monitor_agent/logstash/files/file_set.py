"""All files that match some patterns, read as they come, grow, are renamed, truncated and deleted."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from monitor_agent.errors import PipelineError
from monitor_agent.files import readable_name
from monitor_agent.logstash.files.descriptors import most_files
from monitor_agent.logstash.files.file_endings import FileEndings
from monitor_agent.logstash.files.file_patterns import FileMatch, FilePatterns
from monitor_agent.logstash.files.file_selection import FileSelection
from monitor_agent.logstash.files.file_turns import NO_DESCRIPTOR, FileTurns
from monitor_agent.logstash.files.followed_file import ANOTHER_FILE, FollowedFile, TruncatedError
from monitor_agent.logstash.files.gone_files import FolderIndex, has_folder, report_gone
from monitor_agent.logstash.files.line_batch import Checkpoint, LineBatch
from monitor_agent.logstash.files.positions import FileKey, Positions, has_key
from monitor_agent.logstash.files.stored_positions import StoredPositions

MOST_BYTES = 2 * 1024 * 1024
"""Reading stops here, so that a batch of long lines does not fill the memory."""
GONE_SECONDS = 5.0
"""A file that nobody writes any more is read until it has not grown for this time; then its last line counts."""
FORGET_SECONDS = 14 * 86_400.0
"""The position of a file whose folder is gone is stored for this time."""
_log = structlog.get_logger()


class FileSet:
    """Reads whole lines of the selected files. `acknowledge` may come from another thread.

    The position of a file is stored before its first line is read. So the next run finishes a file that it cannot
    find by the patterns any more, because it was renamed or because the link to it leads to another file.
    """

    def __init__(self, selection: FileSelection, positions: Positions) -> None:
        self._selection = selection
        self._patterns = FilePatterns(selection.patterns, selection.excluded)
        self._endings = FileEndings(selection)
        self._positions = StoredPositions(positions)
        self._files: dict[FileKey, FollowedFile] = {}
        self._turns = FileTurns()
        self._next_poll = 0.0
        self._next_discovery = 0.0
        self._caught_up = time.time()
        self._unopened: set[str] = set()

    def open(self) -> None:
        """Find the files, also those that the last run read and that no pattern matches any more."""
        self._positions.load()
        self._discover(first=True)
        self._recover()
        self._admit()

    def read(self, limit: int) -> LineBatch | None:
        """Return up to `limit` lines that are there now; None if there are none."""
        now = time.monotonic()
        if now >= self._next_discovery:
            self._discover()
        elif now < self._next_poll:
            return None
        batch = LineBatch()
        turns, idle = self._turns.reading, 0
        while idle < len(turns) and batch.lines < limit and batch.bytes < MOST_BYTES:
            file = turns[0]
            idle = 0 if self._take(file, limit - batch.lines, batch) else idle + 1
            if turns and turns[0] is file and not file.has_lines:
                turns.rotate(-1)
        if idle >= len(turns) and not (self._turns.waiting and self._admit()):
            self._next_poll = now + self._selection.poll_seconds
        return batch if batch.checkpoint else None

    def acknowledge(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Store, on disk, that everything up to these checkpoints is delivered."""
        self._positions.acknowledge(checkpoints)

    def bytes_behind(self) -> int:
        """Return the bytes of whole lines that are not delivered."""
        files = self._files.values()
        return sum(max(0, file.size() - file.delivered.offset - file.unfinished) for file in files)

    def backlog(self) -> dict[str, int | float]:
        """Return how many files there are now, their bytes, how many are read and delivered, and the delay.

        `unfinished_bytes` are those of last lines without an end: they wait for it, so they are not behind.
        """
        self._discover()
        files = self._files.values()
        behind = self.bytes_behind()
        now = time.time()
        if behind == 0:
            self._caught_up = now
        return {
            "files": len(files),
            "files_open": len(self._turns.reading),
            "files_unreadable": len(self._unopened),
            "bytes": sum(file.size() for file in files),
            "bytes_read": sum(file.offset for file in files),
            "bytes_acknowledged": sum(file.delivered.offset for file in files),
            "bytes_behind": behind,
            "unfinished_bytes": sum(file.unfinished for file in files),
            "seconds_behind": round(now - self._caught_up, 3),
        }

    def close(self) -> None:
        """Close all files; store their sizes, so that the next run can say how much of a file that is gone was left."""
        for file in self._files.values():
            if file.started and not file.superseded:
                self._positions.store_size(file, now=True)
            file.close()
        try:
            self._positions.save()
        except PipelineError as error:
            _log.error("the last positions cannot be stored", reason=str(error))

    def _take(self, file: FollowedFile, limit: int, batch: LineBatch) -> bool:
        try:
            lines = file.take(limit)
        except TruncatedError as error:
            self._restart(file, str(error))
            return True
        except OSError as error:
            _log.error("file cannot be read", path=file.name, reason=error.strerror)
            file.superseded = True  # it is opened again at the last acknowledged offset
            self._drop(file)
            return True
        if lines:
            batch.pieces.append((file.name, lines))
            batch.bytes += sum(map(len, lines)) + len(lines)
            batch.checkpoint[file] = file.mark()
            batch.lines += len(lines)
        return bool(lines)

    def _discover(self, *, first: bool = False) -> None:
        self._next_discovery = time.monotonic() + self._selection.discover_seconds
        matches = self._patterns.matches(newest_last=self._selection.newest_last)
        self._unopened.intersection_update(match.path for match in matches.values())
        self._endings.notice(matches)
        for key, match in matches.items():
            if key in self._files:
                self._update(self._files[key], match)
            else:
                file = FollowedFile(match.path, key, self._selection.delimiter)
                file.start = match.size if first and not self._selection.from_beginning else 0
                self._follow(file, match.size)
        for file in list(self._files.values()):
            if file.key not in matches:
                self._trace(file)
        if not first:
            for file in list(self._turns.reading):  # before others take their places
                self._retire(file)
            self._admit()
        self._positions.save()

    def _follow(self, file: FollowedFile, size: int, *, first: bool = False) -> None:
        file.notice(size)
        self._files[file.key] = file
        self._turns.enqueue(file, first=first)

    def _update(self, file: FollowedFile, match: FileMatch) -> None:
        """Take note of a file that a pattern matches."""
        file.listed = True
        if file.path != match.path:
            _log.info("file was renamed", path=readable_name(match.path), before=file.name)
            file.path = match.path
        if not file.is_open:
            file.notice(match.size)
            if (match.size, match.changed) != file.state or self._may_remove_closed(file):
                self._turns.enqueue(file)

    def _may_remove_closed(self, file: FollowedFile) -> bool:
        """Return whether a closed file should be opened to be deleted; only so many at once that none waits long."""
        if len(self._turns.waiting) >= most_files() // 2 or not file.is_delivered:
            return False
        return self._endings.may_remove(file, time.monotonic() - file.grew)

    def _trace(self, file: FollowedFile) -> None:
        """Find a file that no pattern matches any more: the next run reads it where it is now."""
        file.listed = False
        if file.is_open:
            self._positions.store(file)
            return
        position = file.position()
        path = FolderIndex().locate(position) if file.started else None
        status = _status(path)
        if path is None or status is None:
            if file.latest_size > file.delivered.offset:
                report_gone(position)
            self._forget(file)
            return
        file.path = path
        file.notice(status.st_size)
        if (status.st_size, status.st_mtime_ns) != file.state:
            self._turns.enqueue(file)
        elif time.monotonic() - file.grew > self._selection.close_seconds:
            self._finish(file)

    def _admit(self) -> bool:
        """Open files that wait; store their positions, before a line of them is read."""
        admitted = self._turns.admit(self._open)
        self._positions.save()
        return admitted

    def _open(self, file: FollowedFile) -> bool:
        """Open a file at its position; return False if it cannot be read.

        Raises
        ------
        OSError
            If this process has too many files open.
        """
        try:
            file.open()
            if not file.started:
                offset = self._start(file)
                if offset is None:
                    self._forget(file)
                    return False
                file.resume(offset)
        except FileNotFoundError:
            file.close()
            if not file.started:  # else the next search finds its new path
                self._drop(file)
            return False
        except OSError as error:
            file.close()
            if error.errno in NO_DESCRIPTOR:
                raise
            self._drop(file)
            if file.path not in self._unopened:
                self._unopened.add(file.path)
                _log.error("file cannot be opened; trying again", path=file.name, reason=error.strerror)
            return False
        self._unopened.discard(file.path)
        self._positions.store(file)
        return True

    def _start(self, file: FollowedFile) -> int | None:
        """Return the offset from which a file is read; None if it is a stranger's file, of which nothing is read."""
        position = self._positions.get(file.key)
        if position is None:
            return file.start if file.listed else None
        difference = file.difference(position)
        if not difference:
            return position.offset
        if not file.listed or difference == ANOTHER_FILE or position.path != file.real_path:
            report_gone(position)
            if file.listed:
                _log.info("a new file has the inode of an old one; reading it from its start", path=file.name)
            return 0 if file.listed else None
        _log.warning(
            "file was truncated; reading it from its start", path=file.name, read=position.offset, reason=difference
        )
        return 0

    def _recover(self) -> None:
        """Follow the files that no pattern matches any more, before all others; report those that are gone."""
        index = FolderIndex()
        for position in reversed(self._positions.all()):
            if position.key in self._files:
                continue
            path = index.locate(position)
            status = _status(path)
            if path is not None and status is not None:
                if not position.closed or status.st_size != position.size:
                    file = FollowedFile(path, position.key, self._selection.delimiter)
                    file.listed = False
                    self._follow(file, status.st_size, first=True)
                    continue
            elif not position.closed:
                report_gone(position)
                self._positions.close(position)
            if time.time() - position.updated > FORGET_SECONDS or (status is None and has_folder(position)):
                self._positions.forget(position.key)

    def _retire(self, file: FollowedFile) -> None:
        """Close a file that gets no more lines; if nobody writes it any more, its unfinished last line counts."""
        if file.delivered.offset < file.offset or not file.at_end:
            self._positions.store_size(file)
            return
        idle = time.monotonic() - file.grew
        if file.unfinished:
            file.ending = self._endings.is_final(file, idle, GONE_SECONDS)
        elif file.size() != file.offset:
            return
        elif not file.listed:
            if self._endings.is_final(file, idle, GONE_SECONDS):
                self._finish(file)
        elif self._endings.may_remove(file, idle):
            self._remove(file)
        elif idle > self._selection.close_seconds:
            self._turns.close(file)

    def _remove(self, file: FollowedFile) -> None:
        """Delete a file; it is read until nobody can have written to it."""
        file.closed = True
        self._positions.store(file)
        self._positions.save()
        try:
            Path(file.path).unlink()
        except OSError as error:
            _log.error("file cannot be removed", path=file.name, reason=error.strerror)
            file.closed = False
            self._endings.spare(file)
            return
        _log.info("file is delivered and removed", path=file.name)

    def _finish(self, file: FollowedFile) -> None:
        """Stop following a file that was read to its end; a deleted one is forgotten."""
        if file.is_open and file.is_deleted():
            self._forget(file)
        else:
            file.closed = True
            self._positions.store(file)
            self._drop(file)

    def _restart(self, file: FollowedFile, reason: str) -> None:
        """Read replaced content from its start; nothing of it if the file is outside the patterns."""
        file.superseded = True
        unread = max(0, file.latest_size - file.offset)
        if not (file.listed and has_key(file.path, file.key)):
            _log.warning(
                "a file outside the patterns was replaced; nothing more of it is read",
                path=file.name,
                reason=reason,
                unread_bytes=unread,
            )
            self._forget(file)
            return
        _log.warning(
            "file was truncated; reading it from its start", path=file.name, reason=reason, unread_bytes=unread
        )
        again = file.restarted()
        self._files[file.key] = again
        self._turns.replace(file, again)
        self._positions.store(again)
        self._positions.save()

    def _forget(self, file: FollowedFile) -> None:
        self._drop(file)
        self._positions.forget(file.key)

    def _drop(self, file: FollowedFile) -> None:
        self._turns.remove(file)
        del self._files[file.key]


def _status(path: str | None) -> os.stat_result | None:
    try:
        return None if path is None else Path(path).stat()
    except OSError:
        return None
