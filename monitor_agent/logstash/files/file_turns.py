"""Which files are open: if there are more than a process may open, they are read in turns."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterator

import structlog

from monitor_agent.logstash.files.descriptors import EVENT_FILES, most_files
from monitor_agent.logstash.files.followed_file import FollowedFile

TURN_BYTES = 4 * 1024 * 1024
"""While other files wait, a file is closed after so many bytes, and waits for its next turn."""
NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})

_log = structlog.get_logger()


class FileTurns:
    """The open files in the order of reading, and the files that wait.

    Attributes
    ----------
    reading : the open files; the first one is read next.
    waiting : files with something to read, which are not open.
    """

    def __init__(self) -> None:
        self.reading: deque[FollowedFile] = deque()
        self.waiting: deque[FollowedFile] = deque()
        self._reported = False

    def enqueue(self, file: FollowedFile, *, first: bool = False) -> None:
        """Let a file wait, behind the others or before them."""
        if file.is_open or file.waiting:
            return
        file.waiting = True
        if first:
            self.waiting.appendleft(file)
        else:
            self.waiting.append(file)

    def admit(self, open_file: Callable[[FollowedFile], bool]) -> bool:
        """Open files that wait, as far as the limit allows; return whether there was one.

        Parameters
        ----------
        open_file : opens a file; False if it cannot be read. An OSError means that the process has no descriptor left.
        """
        victims = self._victims()
        admitted = False
        for _ in range(len(self.waiting)):
            if not EVENT_FILES.has_room(len(self.reading)) and not self._close_next(victims):
                break
            file = self.waiting.popleft()
            file.waiting = False
            try:
                is_open = open_file(file)
            except OSError:
                self.enqueue(file, first=True)
                if not self._close_next(victims):
                    break
                continue
            if is_open:
                self.reading.append(file)
                admitted = True
        return admitted

    def close(self, file: FollowedFile) -> None:
        """Close an open file."""
        file.close()
        self.reading.remove(file)

    def remove(self, file: FollowedFile) -> None:
        """Close a file, which is not read again."""
        file.close()
        if file in self.reading:
            self.reading.remove(file)
        if file.waiting:
            file.waiting = False
            self.waiting.remove(file)

    def replace(self, file: FollowedFile, other: FollowedFile) -> None:
        """Put another file in the place of an open file."""
        self.reading[self.reading.index(file)] = other

    def _close_next(self, victims: Iterator[FollowedFile]) -> bool:
        file = next(victims, None)
        if not self._reported:
            self._reported = True
            _log.warning(
                "there are more files than this process may open; they are read in turns",
                most_open_files=most_files(),
                remedy="raise the limit of open files (ulimit -n), or delete event files that are delivered",
            )
        if file is None:
            return False
        self.close(file)
        if not file.at_end:
            self.enqueue(file)
        return True

    def _victims(self) -> Iterator[FollowedFile]:
        """Yield open files that may be closed: first those at their end, then those that have had their turn."""
        files = [file for file in self.reading if file.has_name]
        idle = sorted((file for file in files if file.at_end), key=lambda file: (not file.listed, file.grew))
        yield from idle
        yield from (file for file in files if not file.at_end and file.turn_bytes >= TURN_BYTES)
