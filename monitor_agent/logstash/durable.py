"""Files that survive a crash: replaced whole, appended to, or held by one process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from monitor_agent.errors import PipelineError

LOCK_NAME = "lock"
LOCK_SECONDS = 0.2


def replace_file(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Put `content` in the place of the file at once: a reader, or a crash, sees the old or the new one, whole.

    The rename itself is not forced to disk: after a power cut the old content may be back, which is as good.
    PipelineError where it cannot be written; the old file is untouched then.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise cannot_write(path, error) from error


def append_file(path: Path, content: bytes) -> None:
    """Append `content` and force it to disk; on failure the file is cut back to what it was.

    PipelineError where it cannot be written.
    """
    try:
        # Without a buffer, which would be written again when the file is closed.
        with path.open("ab", buffering=0) as stream:
            before = stream.tell()
            try:
                written = 0
                while written < len(content):
                    written += stream.write(content[written:])
                os.fsync(stream.fileno())
            except OSError:
                os.ftruncate(stream.fileno(), before)
                raise
    except OSError as error:
        raise cannot_write(path, error) from error


def make_folder(path: Path) -> Path:
    """Return the folder, made where it is missing; PipelineError where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def cannot_write(path: Path, error: OSError) -> PipelineError:
    """Return the error that tells what could not be written and what to do."""
    return PipelineError(
        f"{path} cannot be written ({error.strerror})", "make room or mend the rights, then start again"
    )


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; PipelineError where another process holds it.

    The kernel lets go of it when the process ends, however it ends.
    """
    path = make_folder(folder) / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            message = f"{folder} is used by another pipeline runner (process {holder})"
            raise PipelineError(message, "stop it, or choose another PIPELINE_DATA_DIR") from error
        with contextlib.suppress(OSError):  # a full disk is told where it matters, not here
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Take the lock; OSError where another process keeps it for longer than `is_held` does."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOCK_SECONDS / 10)
        else:
            return


def is_locked(folder: Path) -> bool:
    """Return whether a process holds `folder`."""
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
