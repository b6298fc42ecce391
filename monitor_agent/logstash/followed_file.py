"""One file that is read as it grows, by its open descriptor: a rename or a deletion does not interrupt the reading."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time

from monitor_agent.logstash.positions import HEAD_BYTES, FilePosition, Key, fingerprint

CHUNK_BYTES = 256 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
"""A longer line is cut here: the pipeline gets its beginning, the rest is skipped."""


class TruncatedError(Exception):
    """Raised when the file is not the one that was read before: shorter, or with another beginning."""


class FollowedFile:
    """Reads whole lines from an offset on.

    Attributes
    ----------
    path, key : where it was found, and its device and inode.
    offset : bytes handed out.
    acknowledged : bytes delivered.
    listed : whether the path still leads to it.
    superseded : whether the file was truncated: what was read before says nothing about it any more.
    ending : whether its last line counts though nothing ends it.
    grew : when it last grew, in seconds of the monotonic clock.
    """

    def __init__(self, path: str, key: Key, delimiter: bytes = b"\n") -> None:
        self.path = path
        self.key = key
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
        self._seen_size = -1
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
        """Open the file at its path; OSError where that cannot be, or another file is there."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != self.key:
            os.close(descriptor)
            raise FileNotFoundError(f"{self.path} was replaced")
        self._descriptor = descriptor
        self._seen_size = -1

    def close(self) -> None:
        """Let go of the descriptor; the offset stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def restarted(self) -> FollowedFile:
        """Return this file, truncated, to be read from its start; acknowledgements of what was read no longer count."""
        again = FollowedFile(self.path, self.key, self._delimiter)
        again.listed = self.listed
        again._descriptor, self._descriptor = self._descriptor, -1
        self.superseded = True
        return again

    def beginning(self) -> bytes:
        """Return the first bytes of the file."""
        return os.pread(self._descriptor, HEAD_BYTES, 0)

    def resume(self, offset: int) -> None:
        """Go on at `offset`, which is delivered."""
        self.offset = self.acknowledged = offset
        self._head = self.beginning()[:offset]

    def size(self) -> int:
        """Return the file's size in bytes."""
        return os.fstat(self._descriptor).st_size

    def has_writer(self) -> bool:
        """Return whether a process has the file open for writing; False where the system cannot tell."""
        if not hasattr(fcntl, "F_SETLEASE"):
            return False
        # A read lease is granted only while nobody writes. It is given back at once; should a writer come in between,
        # the kernel tells us by the signal named here, which is ignored by default, as the usual one is not.
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
        fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def take(self, most: int) -> list[bytes]:
        """Return up to `most` whole lines without their ends; TruncatedError where the file was replaced in place."""
        if not self.has_lines:
            self._fill()
        if self.ending and not self.has_lines:
            return self._take_rest()
        taken = self._lines[self._next : self._next + most]
        self._next += len(taken)
        self.offset += sum(map(len, taken)) + len(taken) * len(self._delimiter)
        if self._beyond and taken:
            self.offset += self._beyond
            self._beyond = 0
        return taken

    def entry(self, offset: int) -> FilePosition:
        """Return what to remember once everything before `offset` is delivered."""
        head = self._head[:offset]
        if len(head) < HEAD_BYTES or not self._fingerprint:
            self._fingerprint = fingerprint(head)
        # Where a link leads, since that is where the file is looked for when the link has turned away from it.
        return FilePosition(*self.key, offset, len(head), self._fingerprint, os.path.realpath(self.path), time.time())

    def _fill(self) -> None:
        size = self.size()
        if size < self.offset:
            raise TruncatedError(f"{size} bytes, {self.offset} were read")
        if size == self._seen_size:
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
            self._seen_size = size
            if len(chunk) >= LONGEST_LINE_BYTES:
                self._cut_line(chunk)

    def _take_rest(self) -> list[bytes]:
        rest = os.pread(self._descriptor, LONGEST_LINE_BYTES, self.offset)
        self.offset = max(self.offset, self.size())
        return [rest] if rest else []

    def _chunk(self) -> bytes:
        """Return what comes next: several lines, or as much of one as is ever kept."""
        chunk = os.pread(self._descriptor, CHUNK_BYTES, self.offset)
        if len(chunk) == CHUNK_BYTES and self._delimiter not in chunk:
            chunk = os.pread(self._descriptor, LONGEST_LINE_BYTES, self.offset)
        return chunk

    def _cut_line(self, beginning: bytes) -> None:
        """Look for the end of a line that is too long; once it is there, the line is its beginning."""
        after = self.offset + len(beginning)
        self._scanned = max(self._scanned, after)
        while block := os.pread(self._descriptor, LONGEST_LINE_BYTES, self._scanned):
            end = block.find(self._delimiter)
            if end >= 0:
                kept = _whole_characters(beginning)
                self._beyond = self._scanned + end - self.offset - len(kept)
                self._lines, self._next, self._seen_size = [kept], 0, -1
                return
            self._scanned += len(block)


def _whole_characters(text: bytes) -> bytes:
    """Return UTF-8 text without a last character that was cut."""
    for back in range(1, 5):
        first = text[-back]
        if first & 0xC0 != 0x80:
            length = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            return text if back >= length else text[:-back]
    return text
