"""Files that survive a crash, with the errors of the runner: written whole, appended to, and a folder's lock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from monitor_agent import files
from monitor_agent.errors import PipelineError

LOCK_NAME = "lock"


def write_file(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Replace the file at once: a reader, or a crash, sees the old content or the new one, never a half.

    Parameters
    ----------
    sync : whether the content is forced to disk.

    Raises
    ------
    PipelineError
        If the file cannot be written; the old file is untouched then.
    """
    try:
        files.replace_file(path, content, sync=sync)
    except OSError as error:
        raise cannot_write(path, error) from error


def append_file(path: Path, content: bytes, *, private: bool = True) -> None:
    """Append `content` and force it to disk.

    Parameters
    ----------
    private : whether only this account may read the file; else the umask decides.

    Raises
    ------
    PipelineError
        If the file cannot be written; it is cut back to its old length then.
    """
    try:
        # Without a buffer: Python would write a buffer again when it closes the file.
        with open(path, "ab", buffering=0, opener=files.private_opener if private else None) as stream:
            before = stream.tell()
            try:
                written = 0
                while written < len(content):
                    written += stream.write(content[written:])
                os.fsync(stream.fileno())
                if before == 0:
                    sync_folder(path.parent)
            except OSError:
                os.ftruncate(stream.fileno(), before)
                raise
    except OSError as error:
        raise cannot_write(path, error) from error


def sync_folder(folder: Path) -> None:
    """Force the names of new files to disk.

    Raises
    ------
    OSError
        If that fails.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path, *, private: bool = True) -> Path:
    """Return the folder, made if it is missing.

    Parameters
    ----------
    private : whether only this account may enter the folder; else the umask decides.

    Raises
    ------
    PipelineError
        If it cannot be made.
    """
    try:
        if private:
            for folder in (*reversed([parent for parent in path.parents if not parent.exists()]), path):
                files.private_folder(folder)
        else:
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def cannot_write(path: Path, error: OSError) -> PipelineError:
    """Return the error that names the file and the remedy."""
    return PipelineError(
        f"{path} cannot be written ({error.strerror})", "free disk space or correct the permissions, then start again"
    )


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Lock `folder` for this process; the kernel frees the lock when the process ends, however it ends.

    Raises
    ------
    PipelineError
        If another process has the lock, or the folder cannot be written.
    """
    lock = files.FileLock(folder / LOCK_NAME)
    try:
        files.private_folder(folder)  # its parents are as the umask says
        locked = lock.acquire()
    except OSError as error:
        raise cannot_write(lock.path, error) from error
    if not locked:
        message = f"{folder} is used by another pipeline runner (process {lock.holder() or 'unknown'})"
        raise PipelineError(message, "stop it, or choose another PIPELINE_DATA_DIR")
    try:
        yield
    finally:
        lock.release()


def is_locked(folder: Path) -> bool:
    """Return whether a process has the lock of `folder`."""
    return files.is_locked(folder / LOCK_NAME)
