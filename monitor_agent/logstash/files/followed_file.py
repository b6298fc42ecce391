"""One file that is read as it grows, by its open descriptor: a rename or a deletion does not interrupt the reading."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from monitor_agent.files import readable_name
from monitor_agent.logstash.files import file_identity
from monitor_agent.logstash.files.descriptors import EVENT_FILES
from monitor_agent.logstash.files.positions import HEAD_BYTES, FileKey, FilePosition, fingerprint, has_key

CHUNK_BYTES = 256 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
"""A longer line is cut here: the pipeline gets its beginning, the rest is skipped."""


TAIL_BYTES = 256
"""So many bytes before the position distinguish the content from one that was written over it."""
ANOTHER_FILE = "another file has its inode"


class TruncatedError(Exception):
    """Raised when the content was replaced: the file is shorter, or it has other bytes before the position."""


class Mark(NamedTuple):
    """A place in a file: an offset, and the last bytes before it."""

    offset: int
    tail: bytes


class FollowedFile:
    """Reads whole lines from an offset on.

    Attributes
    ----------
    path, key : the path that matched a pattern, and the file's device and inode.
    real_path : the last path of the file itself, not of a link to it.
    offset : bytes handed out.
    delivered : the place up to which everything is delivered.
    listed : whether a path that matches a pattern leads to the file.
    superseded : whether the content was replaced: acknowledgements of the old content do not count any more.
    ending : whether its last line counts although no delimiter ends it.
    start : the offset to begin at if there is no entry of the file.
    started : whether `resume` was called.
    closed : whether its end was reached for good.
    waiting : whether it waits until it may be opened.
    latest_size : its size when it was last looked at.
    state : size and last change when its last bytes were read; None = it must be read.
    grew : when it last grew, in seconds of the monotonic clock.
    """

    def __init__(self, path: str, key: FileKey, delimiter: bytes = b"\n") -> None:
        self.path = path
        self.key = key
        self.real_path = path
        self.offset = 0
        self.delivered = Mark(0, b"")
        self.listed = True
        self.superseded = False
        self.ending = False
        self.start = 0
        self.started = False
        self.closed = False
        self.waiting = False
        self.latest_size = 0
        self.state: tuple[int, int] | None = None
        self.grew = time.monotonic()
        self._born: int | None = None
        self._delimiter = delimiter
        self._descriptor = -1
        self._head = b""
        self._tail = b""
        self._fingerprint = (-1, "")
        self._lines: list[bytes] = []
        self._next = 0
        self._scanned = 0
        self._beyond = 0
        self._turn_start = 0
        self._verified: tuple[int, int] | None = None
        self._is_another = False

    @property
    def name(self) -> str:
        """Return its path as text that can be written."""
        return self.path if self.path.isascii() else readable_name(self.path)

    @property
    def is_open(self) -> bool:
        """Return whether it holds a descriptor."""
        return self._descriptor >= 0

    @property
    def has_lines(self) -> bool:
        """Return whether lines are at hand without reading."""
        return self._next < len(self._lines)

    @property
    def at_end(self) -> bool:
        """Return whether there was no other whole line when it was last read."""
        return self.state is not None and not self.has_lines

    @property
    def unfinished(self) -> int:
        """Return the bytes of a last line that has no delimiter yet."""
        if self.state is None or self.has_lines or self.size() != self.state[0]:
            return 0
        return max(0, self.state[0] - self.offset)

    @property
    def is_delivered(self) -> bool:
        """Return whether it was delivered to its end when it was last looked at."""
        return self.at_end and self.delivered.offset == self.offset == self.latest_size

    @property
    def turn_bytes(self) -> int:
        """Return how much was read since it was opened."""
        return self.offset - self._turn_start

    @property
    def has_name(self) -> bool:
        """Return whether it could be opened again."""
        return self.listed or has_key(self.real_path, self.key)

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
            raise FileNotFoundError(f"{self.name} was replaced")
        born = file_identity.birth_time(descriptor)
        self._is_another = self.started and differ(born, self._born)
        self._born = born
        self._descriptor = descriptor
        EVENT_FILES.add(1)
        self._turn_start = self.offset
        self._verified = self.state = None
        self._locate()

    def close(self) -> None:
        """Close the descriptor; the offset stays, and lines that were not handed out are read again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            EVENT_FILES.add(-1)
            self._descriptor = -1
            if self.has_lines:
                self.state = None
            self._lines, self._next, self._beyond = [], 0, 0

    def restarted(self) -> FollowedFile:
        """Return this file with its new content, to be read from the start; old acknowledgements do not count."""
        again = FollowedFile(self.path, self.key, self._delimiter)
        again.real_path = self.real_path
        again.listed = self.listed
        again._born = self._born
        again._descriptor, self._descriptor = self._descriptor, -1
        again.resume(0)
        self.superseded = True
        return again

    def beginning(self) -> bytes:
        """Return the first bytes of the file."""
        return os.pread(self._descriptor, HEAD_BYTES, 0)

    def difference(self, position: FilePosition) -> str:
        """Return why the file is not as an entry describes it; "" if it is."""
        if differ(position.born, self._born):
            return ANOTHER_FILE
        if not position.describes(self.beginning()):
            return "its beginning has changed"
        if self.size() < position.offset:
            return f"it has {self.size()} bytes, but {position.offset} were delivered"
        tail = os.pread(self._descriptor, position.tail, position.offset - position.tail)
        if position.tail and fingerprint(tail) != position.tail_fingerprint:
            return "the bytes before the delivered position have changed"
        return ""

    def resume(self, offset: int) -> None:
        """Continue at `offset`; the bytes before it are delivered."""
        self.started = True
        self.offset = self._turn_start = offset
        self._head = self.beginning()
        self._tail = self._bytes_before(offset)
        self.delivered = Mark(offset, self._tail)
        self.latest_size = self.size()

    def mark(self) -> Mark:
        """Return the place up to which lines are handed out."""
        return Mark(self.offset, self._tail)

    def size(self) -> int:
        """Return the file's size in bytes; that of the last look if it is not open."""
        if self.is_open:
            with contextlib.suppress(OSError):
                return os.fstat(self._descriptor).st_size
        return self.latest_size

    def is_deleted(self) -> bool:
        """Return whether no folder contains the open file any more."""
        with contextlib.suppress(OSError):
            return os.fstat(self._descriptor).st_nlink == 0
        return False

    def has_writer(self) -> bool | None:
        """Return whether a process has the file open for writing; None if the system does not say."""
        if self.is_open:
            return file_identity.has_writer(self._descriptor)
        return file_identity.has_writer_at(self.path)

    def notice(self, size: int) -> None:
        """Take note of a size."""
        if size != self.latest_size:
            self.latest_size = size
            self.grew = time.monotonic()

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
        if lines:
            self._next += len(lines)
            self.offset += sum(map(len, lines)) + len(lines) * len(self._delimiter)
            if self._beyond:
                self.offset += self._beyond
                self._beyond = 0
                self._tail = self._bytes_before(self.offset)
            else:
                self._tail = self._tail_after(lines)
        return lines

    def position(self) -> FilePosition:
        """Return the entry that records what is delivered."""
        self._locate()
        head, mark = self._head, self.delivered
        if self._fingerprint[0] != len(head):
            self._fingerprint = len(head), fingerprint(head)
        return FilePosition(
            *self.key,
            mark.offset,
            *self._fingerprint,
            self.real_path,
            time.time(),
            tail=len(mark.tail),
            tail_fingerprint=fingerprint(mark.tail),
            size=max(self.latest_size, mark.offset),
            born=self._born,
            closed=self.closed,
        )

    def _locate(self) -> None:
        """Update `real_path`: with it, the next run finds a file after a rename or a change of its link.

        Any thread may call this: a path counts only if it leads to this file, so a closed descriptor does no harm.
        """
        for path in (_descriptor_path(self._descriptor), os.path.realpath(self.path)):
            if has_key(path, self.key):
                self.real_path = path
                return

    def _fill(self) -> None:
        status = os.fstat(self._descriptor)
        size, state = status.st_size, (status.st_size, status.st_mtime_ns)
        if state == self.state:
            return
        if state != self._verified:
            self._verify(size)
            self._verified = state
        self.notice(size)
        if len(self._head) < HEAD_BYTES:
            self._head = self.beginning()
        chunk = self._chunk()
        end = chunk.rfind(self._delimiter)
        if end >= 0:
            self._lines, self._next, self.state = chunk[:end].split(self._delimiter), 0, None
        else:
            self.state = state
            if len(chunk) >= LONGEST_LINE_BYTES:
                self._cut_line(chunk)

    def _verify(self, size: int) -> None:
        if self._is_another:
            raise TruncatedError(ANOTHER_FILE)
        if size < self.offset:
            raise TruncatedError(f"it has {size} bytes, but {self.offset} were read")
        if self._head and os.pread(self._descriptor, len(self._head), 0) != self._head:
            raise TruncatedError("its beginning has changed")
        if self.offset > len(self._head) and self._bytes_before(self.offset) != self._tail:
            raise TruncatedError("the bytes before the position have changed")

    def _bytes_before(self, offset: int) -> bytes:
        start = max(0, offset - TAIL_BYTES)
        return os.pread(self._descriptor, offset - start, start)

    def _tail_after(self, lines: list[bytes]) -> bytes:
        """Return the last bytes before the offset, after these lines were handed out."""
        tail = b""
        for line in reversed(lines):
            tail = line[-TAIL_BYTES:] + self._delimiter + tail
            if len(tail) >= TAIL_BYTES:
                break
        else:
            tail = self._tail + tail
        return tail[-TAIL_BYTES:]

    def _take_rest(self) -> list[bytes]:
        """Return the bytes behind the last delimiter as a line."""
        self.ending = False
        rest = os.pread(self._descriptor, LONGEST_LINE_BYTES, self.offset)
        if not rest or self._delimiter in rest:  # an end has come meanwhile
            self.state = None
            return []
        size = self.offset + len(rest) if len(rest) < LONGEST_LINE_BYTES else self.size()
        self.offset = size
        self._tail = self._bytes_before(size)
        return [rest]

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
                line = whole_characters(beginning)
                self._beyond = self._scanned + end - self.offset - len(line)
                self._lines, self._next, self.state = [line], 0, None
                return
            self._scanned += len(block)


def differ(born: int | None, other: int | None) -> bool:
    """Return whether two files were certainly made at different times."""
    return born is not None and other is not None and born != other


def _descriptor_path(descriptor: int) -> str:
    """Return the present path of an open file; "" if the system has no /proc."""
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return ""


def whole_characters(text: bytes) -> bytes:
    """Return UTF-8 text without a last character that was cut."""
    for back in range(1, 5):
        first = text[-back]
        if first & 0xC0 != 0x80:
            length = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            return text if back >= length else text[:-back]
    return text
