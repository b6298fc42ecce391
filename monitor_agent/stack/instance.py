"""The process that runs on a data folder: a lock that ends with its holder, and a record of the server there.

The lock is the kernel's: it is free as soon as its holder is gone, however it ended. So a record without a lock was
left by a crash, and a process id read under a lock is really the holder's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from monitor_agent.errors import StackError
from monitor_agent.files import PRIVATE_FOLDER, FileLock, is_locked, private_folder, replace_file

LOCK_FILE = "lock"
RECORD_FILE = "instance.json"
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Instance:
    """The server that runs on a data folder.

    Attributes
    ----------
    pid : the process that started it and stops it.
    url : address of Elasticsearch; empty while it starts.
    version : version of Elasticsearch.
    """

    pid: int
    url: str = ""
    version: str = ""


class DataFolderLock:
    """The exclusive use of a data folder by one process."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._lock = FileLock(data_dir / LOCK_FILE)
        self._acquired = False

    def acquire(self) -> None:
        """Lock the folder for this process.

        Raises
        ------
        StackError
            If another process has it; the message names that process.
        """
        self.data_dir.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if not self._lock.acquire():
            raise StackError(
                f"{self.data_dir} is in use by process {self._lock.holder()}",
                f"stop it with `monitor-agent stack down --data {self.data_dir}`, or choose another folder",
            )
        self._acquired = True
        private_folder(self.data_dir)  # not before: the server of another process may need its rights
        self.record(Instance(os.getpid()))

    def record(self, instance: Instance) -> None:
        """Write the record of the server for other processes to read."""
        replace_file(self.data_dir / RECORD_FILE, json.dumps(asdict(instance)))

    def release(self) -> None:
        """Free the folder; do nothing if this process does not have it."""
        if self._acquired:
            (self.data_dir / RECORD_FILE).unlink(missing_ok=True)
            self._lock.release()
            self._acquired = False


def running_instance(data_dir: Path) -> Instance | None:
    """Return the server that runs on `data_dir`; None if nothing runs there, also after a crash."""
    return read_record(data_dir) if is_locked(data_dir / LOCK_FILE) else None


def read_record(data_dir: Path) -> Instance | None:
    """Return the record in `data_dir`, also one that a crash has left; None if there is none."""
    try:
        return Instance(**json.loads((data_dir / RECORD_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def stop_instance(data_dir: Path, timeout: float) -> bool:
    """Stop the server on `data_dir` and return True once it is gone; return False if nothing runs there.

    Raises
    ------
    StackError
        If it has not ended after `timeout` seconds, or belongs to another user.
    """
    instance = running_instance(data_dir)
    if instance is None:
        return False
    try:
        os.kill(instance.pid, signal.SIGTERM)
    except PermissionError as error:
        raise StackError(f"process {instance.pid} belongs to another user", "stop it as that user") from error
    except ProcessLookupError:
        return True
    deadline = time.monotonic() + timeout
    while running_instance(data_dir) is not None:
        if time.monotonic() > deadline:
            raise StackError(f"process {instance.pid} has not ended after {timeout:.0f} s", f"see {data_dir}/log")
        time.sleep(POLL_SECONDS)
    with contextlib.suppress(OSError):
        (data_dir / RECORD_FILE).unlink(missing_ok=True)
    return True
