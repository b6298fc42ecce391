"""Facts about an open file that its bytes do not show: when it was made, and whether a process writes it."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import struct

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_BIRTH_OFFSET = 80
"""The place of `stx_btime` in `struct statx`."""


def birth_time(descriptor: int) -> int | None:
    """Return when the file was made, in nanoseconds since 1970; None if the system or the file system does not say.

    A deleted file and a later file with its inode differ in this time, whatever they contain.
    """
    try:
        statx = ctypes.CDLL(None).statx
    except (AttributeError, OSError):
        return None
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer) != 0:
        return None
    (mask,) = struct.unpack_from("=I", buffer, 0)
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, _BIRTH_OFFSET)
    return int(seconds * 1_000_000_000 + nanoseconds) if mask & _STATX_BTIME else None


def has_writer(descriptor: int) -> bool | None:
    """Return whether a process has the file open for writing; None if the system does not say.

    Linux says it to the owner of the file and to a process with CAP_LEASE, for local file systems.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    # The kernel grants a read lease only while nobody writes. The lease is given back at once; if a writer opens
    # the file meanwhile, the kernel sends the signal named here, which is ignored by default, unlike the usual one.
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def has_writer_at(path: str) -> bool | None:
    """Return whether a process has the file at a path open for writing; true if that cannot be asked now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        return has_writer(descriptor)
    finally:
        os.close(descriptor)
