"""The event log of a process: numbered lines, written before a request is answered, forced to disk regularly."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from monitor_agent.contracts.ecs import MAX_LINE_BYTES
from monitor_agent.errors import LineTooLongError, LogWriteError, SettingsError
from monitor_agent.prediction_log.event_file import EventFile
from monitor_agent.prediction_log.json_text import iso, members_of
from monitor_agent.prediction_log.reports import Report, to_python_logging

ROTATE_BYTES = 256 * 1024 * 1024
SYNC_SECONDS = 0.2
_MOST_BYTES_OF_A_CHARACTER = 4
_MOST_ADDED = len(',"created":"2026-11-23T10:00:00.123456Z","sequence":1000000000000000')
_NUMBERED = ("created", "sequence")


def utc_now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(timezone.utc)


EventLine = tuple[str, str]
"""JSON text of an event, without the two fields that the log adds at the end of the object `event`: the text before
them, without a comma, and the text after them, with the end of the line."""

_Request = tuple[Sequence[EventLine], bool]
"""The lines of one request, and whether they may be lost."""


def line_of(event: Mapping[str, Any]) -> EventLine:
    """Return the line of an event; the names before `event` come first, as in the event itself."""
    names = list(event)
    place = names.index("event")
    numbered = {name: value for name, value in event["event"].items() if name not in _NUMBERED}
    before = members_of({name: event[name] for name in names[:place]})
    after = members_of({name: event[name] for name in names[place + 1 :]})
    head = f'{{{before}{"," if before else ""}"event":{{{members_of(numbered)}'
    return head, f"}}{',' if after else ''}{after}}}\n"


class EventLog:
    """Appends events to the file of this process; safe for threads; refuses to write after a fork.

    Parameters
    ----------
    rotate_bytes : size at which the file is renamed and a new one begins.
    sync_seconds : how often lines are forced to disk; 0 = never.
    clock : returns the time, UTC.
    group_read : whether the group of the folder and the files may read them; else only their owner.
    report : takes the lines of the service's own log.
    numbered : whether the lines have numbers. A program that gets events twice writes them twice: the repeats never
        arrive, and their numbers would count as lost lines.

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
        rotate_bytes: int = ROTATE_BYTES,
        sync_seconds: float = SYNC_SECONDS,
        clock: Callable[[], datetime] = utc_now,
        group_read: bool = False,
        report: Report = to_python_logging,
        numbered: bool = True,
    ) -> None:
        self.clock = clock
        self._numbered = numbered
        self._report = report
        self._pid = os.getpid()
        self.written = 0
        self.lost = 0
        self.failures = 0
        self._problem = ""
        self._lock = threading.Lock()
        self._gathering = threading.local()
        host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname()) or "localhost"
        start = int(clock().timestamp() * 1000)
        try:
            while True:
                try:
                    stem = f"events-{host}-{self._pid}-{start}"
                    self._file = EventFile(folder, stem, rotate_bytes, report=report, group_read=group_read)
                    break
                except FileExistsError:  # a second log of this process, or of a container with the same names
                    start += 1
        except OSError as error:
            reason = error.strerror or str(error)
            raise SettingsError(f"events cannot be written to {folder} ({reason})", "name another folder") from error
        self.node = f"{host}:{self._pid}:{start}"
        self._sync_seconds = sync_seconds
        self._closing = threading.Event()
        self._syncing = threading.Thread(target=self._sync_regularly, name="event-log-sync", daemon=True)
        if sync_seconds:
            self._syncing.start()

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self._file.path

    def append(self, lines: Sequence[EventLine], *, may_lose: bool = False) -> None:
        """Number and write the events of one request, all or none of them; adds `event.created` and `event.sequence`.

        Parameters
        ----------
        may_lose : if the events cannot be written, count them as lost, and leave a gap in the numbers.

        Raises
        ------
        LineTooLongError
            If an event is longer than a line may be.
        LogWriteError
            If the events cannot be written and may not be lost; the next call may succeed.
        """
        if os.getpid() != self._pid:
            raise LogWriteError(
                "events can only be written by the process that opened the log", "open a log in each process"
            )
        _check_sizes(lines)
        gathered: list[_Request] | None = getattr(self._gathering, "requests", None)
        if gathered is not None:
            gathered.append((lines, may_lose))
        else:
            self._write([(lines, may_lose)])

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what this thread appends in the block with one write at its end; answer the requests after that.

        Raises
        ------
        LogWriteError
            If the events cannot be written, and those of a request may not be lost; then none of them is written.
        """
        gathered: list[_Request] = []
        self._gathering.requests = gathered
        try:
            yield
        finally:
            self._gathering.requests = None
            if gathered:
                self._write(gathered)

    def _write(self, requests: Sequence[_Request]) -> None:
        with self._lock:
            if self._closing.is_set():
                raise LogWriteError("the event log is closed")
            created = f',"created":"{iso(self.clock())}"'
            first = self.written + self.lost + 1
            lines = [line for of_request, _ in requests for line in of_request]
            if self._numbered:
                created = f'{created},"sequence":'
                texts = [f"{head}{created}{number}{tail}" for number, (head, tail) in enumerate(lines, first)]
            else:
                texts = [f"{head}{created}{tail}" for head, tail in lines]
            try:
                self._file.append("".join(texts).encode())
            except OSError as error:
                self._fail(error)
                if not all(may_lose for _, may_lose in requests):
                    raise LogWriteError(f"events cannot be written ({self._problem})", "try again later") from error
                self.lost += len(lines)
                return
            self.written += len(lines)
            self._recover()

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
        """Force everything to disk and close the file; later events are refused. A second call does nothing.

        In a child of the process that opened the log, this does nothing: the file is the parent's.
        """
        if os.getpid() != self._pid or self._closing.is_set():
            return
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
            fields = {"file.path": str(self.path), "error.message": reason}
            self._report(logging.ERROR, "events cannot be written", fields)
        self._problem = reason

    def _recover(self) -> None:
        if self._problem:
            self._report(logging.INFO, "events can be written again", {"file.path": str(self.path)})
        self._problem = ""


def _check_sizes(lines: Sequence[EventLine]) -> None:
    """Refuse a line that is too long; only texts that may be are measured."""
    longest = max([len(head) + len(tail) for head, tail in lines], default=0)
    if (longest + _MOST_ADDED) * _MOST_BYTES_OF_A_CHARACTER <= MAX_LINE_BYTES:
        return
    for index, (head, tail) in enumerate(lines):
        size = len(head.encode()) + len(tail.encode()) + _MOST_ADDED
        if size > MAX_LINE_BYTES:
            raise LineTooLongError(index, size, MAX_LINE_BYTES)
