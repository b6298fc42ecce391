"""The event log of a process: numbered lines, written before a request is answered, forced to disk regularly."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

from model_server.errors import EventLogError
from model_server.event_file import EventFile
from model_server.events import iso
from monitor_agent.contracts.ecs import MAX_LINE_BYTES
from monitor_agent.errors import SettingsError

_log = structlog.get_logger()


class LineTooLongError(Exception):
    """Raised when an event has more bytes than a line may have; `index` is its place in the list of events."""

    def __init__(self, index: int, size: int) -> None:
        super().__init__(f"its event has {size} bytes; at most {MAX_LINE_BYTES} are allowed")
        self.index = index


class EventLog:
    """Appends events to the file of this process; safe for threads; refuses to write after a fork.

    Parameters
    ----------
    rotate_bytes : size at which the file is renamed and a new one begins.
    sync_seconds : how often lines are forced to disk; 0 = never.
    clock : returns the time, UTC.
    group_read : whether the group of the folder and the files may read them; else only their owner.

    Attributes
    ----------
    node : the writer's name: host, process id, start (ms since 1970); stored in `service.node.name`.
    written, failures : lines written, and failed attempts to write, since the start.
    lost : events of answered requests that could not be written; their numbers are missing in `event.sequence`.

    Raises
    ------
    SettingsError
        If the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rotate_bytes: int,
        sync_seconds: float,
        clock: Callable[[], datetime],
        group_read: bool = False,
    ) -> None:
        self._clock = clock
        self._pid = os.getpid()
        host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname()) or "localhost"
        start = int(clock().timestamp() * 1000)
        self.node = f"{host}:{self._pid}:{start}"
        self.written = 0
        self.lost = 0
        self.failures = 0
        self._problem = ""
        self._lock = threading.Lock()
        try:
            self._file = EventFile(folder, f"events-{host}-{self._pid}-{start}", rotate_bytes, group_read=group_read)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SettingsError(f"events cannot be written to {folder} ({reason})", "set MODEL_LOG_DIR") from error
        self._sync_seconds = sync_seconds
        self._closing = threading.Event()
        self._syncing = threading.Thread(target=self._sync_regularly, name="event-log-sync", daemon=True)
        if sync_seconds:
            self._syncing.start()

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self._file.path

    def append(self, events: Sequence[dict[str, Any]]) -> None:
        """Number and write the events of one request, all or none of them; sets `event.created` and `event.sequence`.

        Raises
        ------
        LineTooLongError
            If an event is longer than a line may be.
        EventLogError
            If the events cannot be written; the next call may succeed.
        """
        if os.getpid() != self._pid:
            raise EventLogError("events can only be written by the process that opened the log")
        with self._lock:
            if self._closing.is_set():
                raise EventLogError("the event log is closed")
            lines = []
            created = iso(self._clock())
            for index, event in enumerate(events):
                event["event"] |= {"created": created, "sequence": self.written + self.lost + index + 1}
                line = orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
                if len(line) > MAX_LINE_BYTES:
                    raise LineTooLongError(index, len(line))
                lines.append(line)
            try:
                self._file.append(b"".join(lines))
            except OSError as error:
                self._fail(error)
                raise EventLogError(f"events cannot be written ({self._problem}); try again later") from error
            self.written += len(lines)
            self._recover()

    def lose(self, count: int) -> None:
        """Leave a gap of `count` in the numbers of the events: their request is answered without them."""
        with self._lock:
            self.lost += count

    def problem(self) -> str:
        """Return why events cannot be written, "" if they can; if the last attempt failed, this tries again."""
        with self._lock:
            if self._problem:
                try:
                    self._file.probe()
                except OSError as error:
                    self._problem = error.strerror or str(error)
                else:
                    self._recover()
            return self._problem

    def sync(self) -> None:
        """Force the lines so far to disk."""
        with self._lock:
            try:
                descriptors = self._file.unsynced()
            except OSError as error:
                self._fail(error)
                return
        for descriptor in descriptors:
            try:
                os.fsync(descriptor)
            except OSError as error:
                with self._lock:
                    self._fail(error)
            finally:
                os.close(descriptor)

    def close(self) -> None:
        """Force everything to disk and close the file; later events are refused."""
        self._closing.set()
        if self._syncing.is_alive():
            self._syncing.join()
        if self._sync_seconds:
            self.sync()
        with self._lock:
            self._file.close()

    def _sync_regularly(self) -> None:
        while not self._closing.wait(self._sync_seconds):
            self.sync()

    def _fail(self, error: OSError) -> None:
        self.failures += 1
        reason = error.strerror or str(error)
        if reason != self._problem:
            _log.error("events cannot be written", **{"file.path": str(self.path), "error.message": reason})
        self._problem = reason

    def _recover(self) -> None:
        if self._problem:
            _log.info("events can be written again", **{"file.path": str(self.path)})
        self._problem = ""
