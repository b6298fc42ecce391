"""The journal of the requests that wait for their responses: a receiver that is killed takes them up again."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from monitor_agent.errors import LogWriteError, SettingsError
from monitor_agent.files import FileLock, private_opener, replace_file
from monitor_agent.receiving.cloud_events import CloudEvent

JoinKey = tuple[str, str]
"""What the request and the response of one call share: the service, and the id of the event."""
STEM = "requests"
_WHOLE_LINE = re.compile(rb"[^\n]*\n")


@dataclass(frozen=True)
class JournaledRequest:
    """A request that is remembered.

    Attributes
    ----------
    until : how long, in seconds since 1970.
    answered : whether its response has come.
    """

    key: JoinKey
    request: CloudEvent
    until: float
    answered: bool = False


class RequestJournal:
    """A file to which one process appends; the caller serializes the calls.

    It holds requests as they came, with all that is in them, so only its owner may read it. As the event files, it
    survives a kill of the process at once, and a power cut after the next sync.

    Parameters
    ----------
    sync_seconds : how often new requests are forced to disk; 0 = never.

    Attributes
    ----------
    size : of the file, bytes.

    Raises
    ------
    SettingsError
        If the file cannot be opened.
    """

    def __init__(self, folder: Path, sync_seconds: float) -> None:
        try:
            self._lock = _first_free(folder)
            self._path = self._lock.path.with_suffix(".journal")
            self._descriptor = private_opener(str(self._path), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as error:
            raise SettingsError(f"{folder} cannot be written ({error.strerror})", "set MODEL_LOG_DIR") from error
        self.size = os.fstat(self._descriptor).st_size
        self._sync_seconds = sync_seconds
        self._unsynced = False
        self._file_lock = threading.Lock()
        self._closing = threading.Event()
        self._syncing = threading.Thread(target=self._sync_regularly, name="request-journal-sync", daemon=True)
        if sync_seconds:
            self._syncing.start()

    def replay(self) -> list[JournaledRequest]:
        """Return the requests in the order in which they came; a line that is broken off is left out."""
        entries: dict[JoinKey, JournaledRequest] = {}
        content = self._path.read_bytes()
        for match in _WHOLE_LINE.finditer(content):
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                document = orjson.loads(match[0])
                key = str(document["key"][0]), str(document["key"][1])
                if "request" in document:
                    entries.setdefault(key, _entry_of(key, document))
                else:
                    entries[key] = replace(entries[key], answered=True)
        return list(entries.values())

    def add(self, entry: JournaledRequest) -> None:
        """Append a request.

        Raises
        ------
        LogWriteError
            If it cannot be written; then nothing of it is in the file.
        """
        self._append(_line_of(entry))

    def note_answered(self, key: JoinKey) -> None:
        """Append that the response of a request has come; if that cannot be written, nothing is lost."""
        with contextlib.suppress(LogWriteError):
            self._append(orjson.dumps({"key": key}) + b"\n")

    def rewrite(self, entries: Iterable[JournaledRequest]) -> None:
        """Let the file hold these requests only; if it cannot be replaced, it stays as it is."""
        with contextlib.suppress(OSError):
            replace_file(self._path, b"".join(map(_line_of, entries)), sync=self._sync_seconds > 0)
            descriptor = private_opener(str(self._path), os.O_RDWR | os.O_APPEND)
            with self._file_lock:
                os.close(self._descriptor)
                self._descriptor = descriptor
            self.size = os.fstat(descriptor).st_size

    def close(self) -> None:
        """Force everything to disk and close the file; what is in it stays for the next process."""
        self._closing.set()
        if self._syncing.is_alive():
            self._syncing.join()
        if self._sync_seconds:
            self._sync()
        os.close(self._descriptor)
        self._lock.release()

    def _sync_regularly(self) -> None:
        while not self._closing.wait(self._sync_seconds):
            self._sync()

    def _sync(self) -> None:
        """Force what is new to disk; if that fails, the next time tries it again."""
        with self._file_lock:
            if not self._unsynced:
                return
            # The file may be replaced in the meantime: the descriptor must stay open until the sync is over.
            descriptor, self._unsynced = os.dup(self._descriptor), False
        try:
            os.fsync(descriptor)
        except OSError:
            self._unsynced = True
        finally:
            os.close(descriptor)

    def _append(self, line: bytes) -> None:
        try:
            if os.write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise LogWriteError(f"{self._path} cannot be written ({error.strerror})", "free disk space") from error
        self.size += len(line)
        self._unsynced = True


def _first_free(folder: Path) -> FileLock:
    """Return the lock of the first journal that no other process has: a receiver beside it has one of its own."""
    for number in itertools.count():
        lock = FileLock(folder / f"{STEM}-{number}.lock")
        if lock.acquire():
            return lock
    raise AssertionError("unreachable")


def _line_of(entry: JournaledRequest) -> bytes:
    request = entry.request
    document = {
        "key": entry.key,
        "until": entry.until,
        "answered": entry.answered,
        "request": {
            "id": request.id,
            "source": request.source,
            "type": request.type,
            "time": request.time.isoformat(),
            "extensions": dict(request.extensions),
            "content": request.content.decode(),
        },
    }
    return orjson.dumps(document) + b"\n"


def _entry_of(key: JoinKey, document: dict[str, Any]) -> JournaledRequest:
    fields = document["request"]
    request = CloudEvent(
        id=fields["id"],
        source=fields["source"],
        type=fields["type"],
        time=datetime.fromisoformat(fields["time"]),
        extensions={str(name): str(text) for name, text in fields["extensions"].items()},
        content=fields["content"].encode(),
    )
    return JournaledRequest(key, request, float(document["until"]), bool(document["answered"]))
