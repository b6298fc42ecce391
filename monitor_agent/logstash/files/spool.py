"""Requests on disk until the pipeline has delivered them: files of JSON lines, which the file reader reads."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from monitor_agent.logstash.files.durable import make_folder
from monitor_agent.logstash.files.file_patterns import literal_pattern

ROTATE_BYTES = 16 * 1024 * 1024


class Spool:
    """The writing end; several threads may append at once, and share one sync to disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._descriptor = -1
        self._size = 0
        self._written = 0
        self._synced = 0
        self.path = ""

    @property
    def pattern(self) -> str:
        """Return the pattern that matches all its files."""
        return f"{literal_pattern(str(self._folder.absolute()))}/*.ndjson"

    def open(self) -> None:
        """Begin a new file.

        Raises
        ------
        PipelineError
            If the folder cannot be made.
        OSError
            If the file cannot be made.
        """
        make_folder(self._folder)
        self._begin()

    def append(self, line: bytes) -> None:
        """Write a line and return when it is on disk.

        Parameters
        ----------
        line : without its newline.

        Raises
        ------
        OSError
            If it cannot be written; nothing of it stays in the file then.
        """
        with self._lock:
            if self._size > ROTATE_BYTES:
                self._end()
                self._begin()
            self._write(line + b"\n")
            self._written += 1
            ticket = self._written
        with self._sync_lock:
            if self._synced >= ticket:
                return  # another thread has forced this line to disk with its own
            with self._lock:
                reached, descriptor = self._written, os.dup(self._descriptor)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._synced = reached

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._end()

    def _write(self, line: bytes) -> None:
        try:
            done = 0
            while done < len(line):
                done += os.write(self._descriptor, line[done:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)

    def _begin(self) -> None:
        path = self._folder / f"{time.time_ns()}.ndjson"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = 0
        self.path = str(path)

    def _end(self) -> None:
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
