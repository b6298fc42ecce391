"""One file that is read as it grows, by its open descriptor: a rename or a deletion does not interrupt the reading."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from pathlib import Path

from monitor_agent.logstash.positions import HEAD_BYTES, FileKey, FilePosition, fingerprint, has_key

CHUNK_BYTES = 256 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
"""A longer line is cut here: the pipeline gets its beginning, the rest is skipped."""


class TruncatedError(Exception):
    """Raised when the content was replaced: the file is shorter, or it has another beginning."""


class FollowedFile:
    """Reads whole lines from an offset on.

    Attributes
    ----------
    path, key : the path that matched a pattern, and the file's device and inode.
    real_path : the last path of the file itself, not of a link to it.
    offset : bytes handed out.
    acknowledged : bytes delivered.
    listed : whether a path that matches a pattern leads to the file.
    superseded : whether the content was replaced: acknowledgements of the old content do not count any more.
    ending : whether its last line counts although no delimiter ends it.
    grew : when it last grew, in seconds of the monotonic clock.
    """

    def __init__(self, path: str, key: FileKey, delimiter: bytes = b"\n") -> None:
        self.path = path
        self.key = key
        self.real_path = path
        self.offset = 0
        self.acknowledged = 0
        self.listed = True
        self.superseded = False
        self.ending = False
        self.grew = time.monotonic()
        self._delimiter = delimiter
        self._descriptor = -1
        self._head = b""
        self._fingerprint = ""
        self._lines: list[bytes] = []
        self._next = 0
        self._searched_size = -1
        self._scanned = 0
        self._beyond = 0

    @property
    def is_open(self) -> bool:
        """Return whether it holds a descriptor."""
        return self._descriptor >= 0

    @property
    def has_lines(self) -> bool:
        """Return whether lines are at hand without reading."""
        return self._next < len(self._lines)

    def open(self) -> None:
        """Open the file at its path.

        Raises
        ------
        OSError
            If it cannot be opened, or if the path leads to another file.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != self.key:
            os.close(descriptor)
            raise FileNotFoundError(f"{self.path} was replaced")
        self._descriptor = descriptor
        self._searched_size = -1
        self._locate()

    def close(self) -> None:
        """Close the descriptor; the offset stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def restarted(self) -> FollowedFile:
        """Return this file with its new content, to be read from the start; old acknowledgements do not count."""
        again = FollowedFile(self.path, self.key, self._delimiter)
        again.real_path = self.real_path
        again.listed = self.listed
        again._descriptor, self._descriptor = self._descriptor, -1
        again.resume(0)
        self.superseded = True
        return again

    def beginning(self) -> bytes:
        """Return the first bytes of the file."""
        return os.pread(self._descriptor, HEAD_BYTES, 0)

    def resume(self, offset: int) -> None:
        """Continue at `offset`; the bytes before it are delivered."""
        self.offset = self.acknowledged = offset
        self._head = self.beginning()

    def size(self) -> int:
        """Return the file's size in bytes."""
        return os.fstat(self._descriptor).st_size

    def has_writer(self) -> bool:
        """Return whether a process has the file open for writing; False if the system cannot answer that."""
        if not hasattr(fcntl, "F_SETLEASE"):
            return False
        # The kernel grants a read lease only while nobody writes. The lease is given back at once; if a writer opens
        # the file meanwhile, the kernel sends the signal named here, which is ignored by default, unlike the usual one.
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
        fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def take(self, limit: int) -> list[bytes]:
        """Return up to `limit` whole lines without their ends.

        Raises
        ------
        TruncatedError
            If the content was replaced.
        """
        if not self.has_lines:
            self._fill()
        if self.ending and not self.has_lines:
            return self._take_rest()
        lines = self._lines[self._next : self._next + limit]
        self._next += len(lines)
        self.offset += sum(map(len, lines)) + len(lines) * len(self._delimiter)
        if self._beyond and lines:
            self.offset += self._beyond
            self._beyond = 0
        return lines

    def position(self, offset: int) -> FilePosition:
        """Return the entry that records that everything before `offset` is delivered."""
        self._locate()
        head = self._head
        if len(head) < HEAD_BYTES or not self._fingerprint:
            self._fingerprint = fingerprint(head)
        return FilePosition(*self.key, offset, len(head), self._fingerprint, self.real_path, time.time())

    def _locate(self) -> None:
        """Update `real_path`: with it, the next run finds a file after a rename or a change of its link.

        Any thread may call this: a path counts only if it leads to this file, so a closed descriptor does no harm.
        """
        for path in (_descriptor_path(self._descriptor), os.path.realpath(self.path)):
            if has_key(path, self.key):
                self.real_path = path
                return

    def _fill(self) -> None:
        size = self.size()
        if size < self.offset:
            raise TruncatedError(f"it has {size} bytes, but {self.offset} were read")
        if size == self._searched_size:
            return
        if self._head and os.pread(self._descriptor, len(self._head), 0) != self._head:
            raise TruncatedError("its beginning has changed")
        self.grew = time.monotonic()
        if len(self._head) < HEAD_BYTES:
            self._head = self.beginning()
        chunk = self._chunk()
        end = chunk.rfind(self._delimiter)
        if end >= 0:
            self._lines, self._next = chunk[:end].split(self._delimiter), 0
        else:
            self._searched_size = size
            if len(chunk) >= LONGEST_LINE_BYTES:
                self._cut_line(chunk)

    def _take_rest(self) -> list[bytes]:
        rest = os.pread(self._descriptor, LONGEST_LINE_BYTES, self.offset)
        self.offset = max(self.offset, self.size())
        return [rest] if rest else []

    def _chunk(self) -> bytes:
        """Return the next bytes: several lines, or the longest beginning of a line that may be in memory."""
        chunk = os.pread(self._descriptor, CHUNK_BYTES, self.offset)
        if len(chunk) == CHUNK_BYTES and self._delimiter not in chunk:
            chunk = os.pread(self._descriptor, LONGEST_LINE_BYTES, self.offset)
        return chunk

    def _cut_line(self, beginning: bytes) -> None:
        """Search for the end of a line that is too long; once the end is there, the beginning counts as the line."""
        after = self.offset + len(beginning)
        self._scanned = max(self._scanned, after)
        while block := os.pread(self._descriptor, LONGEST_LINE_BYTES, self._scanned):
            end = block.find(self._delimiter)
            if end >= 0:
                line = _whole_characters(beginning)
                self._beyond = self._scanned + end - self.offset - len(line)
                self._lines, self._next, self._searched_size = [line], 0, -1
                return
            self._scanned += len(block)


def _descriptor_path(descriptor: int) -> str:
    """Return the present path of an open file; "" if the system has no /proc."""
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""


def _whole_characters(text: bytes) -> bytes:
    """Return UTF-8 text without a last character that was cut."""
    for back in range(1, 5):
        first = text[-back]
        if first & 0xC0 != 0x80:
            length = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            return text if back >= length else text[:-back]
    return text
