"""Files of several processes: replaced at once, read again when they change, locked, or holding a server's address.

What is written is private to its owner, from the first moment and whatever the umask is; a caller may say otherwise.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from monitor_agent.errors import DataError, SettingsError

PROBE_GRACE_SECONDS = 0.2
POLL_SECONDS = 0.02
RETRY_SECONDS = 5.0
"""Changed files that cannot be used are tried again after this time, even if they do not change again."""
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
GROUP_FILE = 0o640
GROUP_FOLDER = 0o750
_FOREIGN_RIGHTS = 0o077
_SPECIAL = stat.S_ISVTX | stat.S_ISGID | stat.S_ISUID
_SHALLOW = 3

T = TypeVar("T")
FileState = tuple[int, ...]


def readable_name(name: str) -> str:
    r"""Return the name of a file or a host as text that can be written: bytes that are not UTF-8 become `\xE9`.

    >>> readable_name("caf\udce9.ndjson")
    'caf\\xe9.ndjson'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def private_folder(path: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Make a folder that only its owner can enter; take the rights of others from one that an earlier release made.

    Not tightened are folders of other accounts, those with special bits (sticky, setgid), mount points, and folders
    such as `/tmp` or `/var/log`: others may need them. With the folder, the files in it that this account owns are
    tightened. Missing parents are made as the umask says.

    Parameters
    ----------
    mode : 0o700, or 0o750 for a folder whose group may read it.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode)
    except FileExistsError as error:
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from error
        _tighten(path, mode)
        return
    path.chmod(mode)  # a strict umask must not take what the group may do


def private_opener(path: str, flags: int) -> int:
    """Open a file that only its owner can read, for `open(..., opener=private_opener)`; take others' rights from it.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    descriptor = os.open(path, flags | os.O_CLOEXEC, PRIVATE_FILE)
    limit_rights(descriptor, PRIVATE_FILE)
    return descriptor


def limit_rights(descriptor: int, mode: int) -> None:
    """Give an open file exactly these rights if it is a file of this account and has others."""
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != mode:
        with contextlib.suppress(OSError):  # some file systems have no rights
            os.fchmod(descriptor, mode)


def _tighten(folder: Path, mode: int) -> None:
    """Take the rights that `mode` lacks from a folder and the files in it."""
    status = folder.stat()
    excess = status.st_mode & _FOREIGN_RIGHTS & ~mode
    place = folder.resolve()
    # A group that may only pass through sees nothing: Elasticsearch's account reaches its data so.
    if excess in (0, 0o010) or status.st_uid != os.geteuid() or status.st_mode & _SPECIAL:
        return
    if len(place.parts) <= _SHALLOW or place.is_mount():
        return
    with contextlib.suppress(OSError):
        folder.chmod(stat.S_IMODE(status.st_mode) & ~excess)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            entry_status = entry.stat(follow_symlinks=False)
            excess = entry_status.st_mode & _FOREIGN_RIGHTS & ~mode
            if excess and stat.S_ISREG(entry_status.st_mode) and entry_status.st_uid == os.geteuid():
                Path(entry.path).chmod(stat.S_IMODE(entry_status.st_mode) & ~excess)


def replace_file(
    path: Path, content: bytes | str, *, sync: bool = False, concurrent: bool = False, mode: int = PRIVATE_FILE
) -> None:
    """Replace a file at once: a reader, or a crash, sees the old content or the new one, never a half.

    The rename itself is not forced to disk: after a power cut the old content may be back.

    Parameters
    ----------
    content : what the file holds afterwards; text is written as UTF-8.
    sync : whether the content is forced to disk before the file gets its name.
    concurrent : whether several processes may replace the file at the same moment. Each then has a draft of its own,
        which stays in the folder if the process is killed.
    mode : permissions of the new file, less the process's umask.

    Raises
    ------
    OSError
        If the file cannot be written. The old file is untouched then, and no draft is left.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp" if concurrent else f"{path.name}.tmp")
    try:
        draft.unlink(missing_ok=True)
        # Exclusive, so that nothing is ever written through a link that another account left here.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


@contextlib.contextmanager
def written_out(path: Path) -> Iterator[None]:
    """Write a file that the user has named by `--out`, in the block.

    Raises
    ------
    DataError
        If the block raises OSError.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror})", "name another --out") from error


class ReloadedFiles(Generic[T]):
    """What a process has read from some files; it is read again when they change. Safe for threads.

    Changed files that cannot be used change nothing: what was read before stays.

    Parameters
    ----------
    read : reads the files; it raises SettingsError if they cannot be used.
    report : called with the reason if changed files cannot be used, once for each reason.
    look_seconds : the least time between two looks at the files.

    Raises
    ------
    SettingsError
        If the files cannot be used now.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        report: Callable[[SettingsError], object],
        look_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths = tuple(paths)
        self._read = read
        self._report = report
        self._look_seconds = look_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._state = self._states()  # before they are read: a change in the meantime is seen at the next look
        self._refused: tuple[FileState, ...] | None = None
        self._reported = ""
        self._retry_at = 0.0
        self._next_look = monotonic() + look_seconds
        self.value = read()

    def refresh(self) -> bool:
        """Read the files again if they have changed; return whether `value` is new."""
        now = self._monotonic()
        if now < self._next_look or not self._lock.acquire(blocking=False):
            return False
        try:
            self._next_look = now + self._look_seconds
            return self._refresh(now)
        finally:
            self._lock.release()

    def _refresh(self, now: float) -> bool:
        state = self._states()
        if state == self._state:
            self._refused, self._reported = None, ""
            return False
        if state == self._refused and now < self._retry_at:
            return False
        try:
            self.value = self._read()
        except SettingsError as error:
            self._refused, self._retry_at = state, now + RETRY_SECONDS
            if str(error) != self._reported:
                self._reported = str(error)
                self._report(error)
            return False
        self._state, self._refused, self._reported = state, None, ""
        return True

    def _states(self) -> tuple[FileState, ...]:
        return tuple(_file_state(path) for path in self._paths)


def _file_state(path: Path) -> FileState:
    """Return what changes when a file, or the file behind a link, is written, replaced or made readable."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class FileLock:
    """A lock that one process has at a time: the kernel frees it when that process ends, however it ends.

    The file holds the process id of the process that has the lock, and stays when the lock is released.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, *, wait: bool = False) -> bool:
        """Return whether this process has the lock now.

        Parameters
        ----------
        wait : whether to wait until the lock is free, however long that takes.

        Raises
        ------
        OSError
            If the lock's file cannot be opened.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            locked = _lock(descriptor, wait=wait)
        except BaseException:
            os.close(descriptor)
            raise
        if not locked:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # a full disk is reported by those that write more than a number
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return True

    def release(self) -> None:
        """Free the lock; do nothing if this process does not have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        """Return the process id that the lock's file holds; empty if it holds none."""
        try:
            return self.path.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            return ""


def is_locked(path: Path) -> bool:
    """Return whether a process has the lock of this file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def address_file(path: Path | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that writes a server's address into a file, for other processes to read with `read_address`.

    The file is removed when the block is left, so it is there only while the server answers.

    Parameters
    ----------
    path : the file; None = nothing is written.

    Raises
    ------
    SettingsError
        If the file cannot be written.
    """

    def publish(address: str) -> None:
        if path is None:
            return
        try:
            replace_file(path, address + "\n", concurrent=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SettingsError(f"{path} cannot be written ({reason})", "name another --address-file") from error

    try:
        yield publish
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def read_address(path: Path) -> str:
    """Return the address that a server has written into its address file.

    Raises
    ------
    OSError
        If the file cannot be read, such as before the server is ready.
    """
    return path.read_text(encoding="utf-8").strip()


def _lock(descriptor: int, *, wait: bool) -> bool:
    if wait:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    # `is_locked` has the file for an instant in another process: that is no reason to give up.
    deadline = time.monotonic() + PROBE_GRACE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True
