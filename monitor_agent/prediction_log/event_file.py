"""The file that one process appends its event lines to: whole or not at all, rotated by renaming, forced to disk."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

from monitor_agent.files import (
    GROUP_FILE,
    GROUP_FOLDER,
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    limit_rights,
    private_folder,
)
from monitor_agent.prediction_log.reports import Report

SUFFIX = ".ndjson"
PROBE_BYTES = 64 * 1024


class EventFile:
    """The event file of one process; not safe for threads: the caller locks.

    The file is `<stem>.ndjson`. When it has reached `rotate_bytes`, it is renamed to `<stem>.<number>.ndjson` and a new
    file begins. A reader of `*.ndjson` that knows files by their inode reads the renamed file to its end.

    Parameters
    ----------
    report : takes the lines of the service's own log.
    group_read : whether the group of the folder and the files may read them; else only their owner.

    Raises
    ------
    FileExistsError
        If another writer has a file of this stem.
    OSError
        If the folder or the file cannot be created.
    """

    def __init__(self, folder: Path, stem: str, rotate_bytes: int, *, report: Report, group_read: bool = False) -> None:
        self.path = folder / (stem + SUFFIX)
        self._place = os.fspath(self.path)
        self._stem = stem
        self._rotate_bytes = rotate_bytes
        self._report = report
        self._rotations = 0
        self._descriptor = -1
        self._identity = (0, 0)
        self._retired: list[int] = []
        self._dirty = False
        self._mode = GROUP_FILE if group_read else PRIVATE_FILE
        private_folder(folder, GROUP_FOLDER if group_read else PRIVATE_FOLDER)
        self._open(os.O_EXCL)

    def append(self, lines: bytes) -> None:
        """Write whole lines with one system call.

        Raises
        ------
        OSError
            If the lines do not fit; then none of them stays in the file.
        """
        size = self._make_ready(len(lines))
        self._dirty = True
        try:
            _write_all(self._descriptor, lines)
        except OSError:
            self._cut_back(size)
            raise

    def _make_ready(self, more: int) -> int:
        """Open, replace or rotate the file if that is due; return its size."""
        size = self._size()
        if size is None:  # the file was moved or removed: no reader would read new lines in it
            self._retire()
            self._open()
            return os.fstat(self._descriptor).st_size
        if size and size + more > self._rotate_bytes:
            return 0 if self._rotate() else size
        return size

    def _size(self) -> int | None:
        """Return the size of the file; None when it is not open, or no longer at its path."""
        if self._descriptor < 0:
            return None
        try:
            at_path = os.stat(self._place)  # noqa: PTH116  each request comes here, and a Path takes twice as long
        except FileNotFoundError:
            return None
        return at_path.st_size if (at_path.st_dev, at_path.st_ino) == self._identity else None

    def _rotate(self) -> bool:
        """Rename the file and begin a new one; False if renaming is refused: then the old file grows on."""
        target = self.path.with_name(f"{self._stem}.{self._rotations + 1:04d}{SUFFIX}")
        try:
            self.path.rename(target)
        except OSError as error:
            fields = {"file.path": self._place, "error.message": str(error)}
            self._report(logging.WARNING, "event file not rotated", fields)
            return False
        self._rotations += 1
        self._retire()
        self._open()
        self._report(logging.INFO, "event file rotated", {"file.path": str(target)})
        return True

    def _cut_back(self, size: int) -> None:
        """Remove the bytes of lines that did not fit; if even that fails, begin a new file."""
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            self._report(logging.ERROR, "event file ends with an incomplete line", {"error.message": str(error)})
            self._rotate()

    def _open(self, more_flags: int = 0) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | more_flags
        self._descriptor = os.open(self.path, flags, self._mode)
        opened = os.fstat(self._descriptor)
        self._identity = (opened.st_dev, opened.st_ino)
        limit_rights(self._descriptor, self._mode)  # the umask must not take what the group may do
        with contextlib.suppress(OSError):  # some file systems cannot do this
            _sync_folder(self.path.parent)

    def _retire(self) -> None:
        if self._descriptor >= 0:
            self._retired.append(self._descriptor)
            self._descriptor = -1

    def unsynced(self) -> list[int]:
        """Return descriptors of files with new lines since the last call; the caller syncs and closes them."""
        current = [os.dup(self._descriptor)] if self._dirty and self._descriptor >= 0 else []
        descriptors, self._retired, self._dirty = self._retired + current, [], False
        return descriptors

    def probe(self) -> None:
        """Try to write lines into a second file in the same folder.

        Raises
        ------
        OSError
            If lines cannot be written now.
        """
        path = self.path.with_name(f".{self._stem}.probe")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        try:
            # A hole as large as the event file takes no disk space, but meets the same limit of a file's size.
            size = self._size() or 0
            os.ftruncate(descriptor, size)
            os.lseek(descriptor, size, os.SEEK_SET)
            _write_all(descriptor, b" " * PROBE_BYTES)
        finally:
            os.close(descriptor)
            path.unlink()

    def close(self) -> None:
        """Close the open files; remove the event file if it is empty."""
        if self._size() == 0:
            self.path.unlink()
        self._retire()
        for descriptor in self._retired:
            os.close(descriptor)
        self._retired = []


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`: call again as long as only a part was written; a full disk or a limit raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
