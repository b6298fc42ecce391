"""The account that a server runs as if this process is root and the server refuses to be root."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

NAMES = ("elasticsearch", "nobody")
UNNAMED = 65534


@dataclass(frozen=True)
class Account:
    """An account of the operating system that a process runs as."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Return the account for servers that refuse to run as root; None if this process is not root."""
    if os.geteuid() != 0:
        return None
    for name in NAMES:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    return Account(str(UNNAMED), UNNAMED, UNNAMED)


def give_passage(folder: Path, account: Account | None) -> None:
    """Let an account enter a folder of root, by its group, without listing what is in there; do nothing without one.

    Raises
    ------
    OSError
        If that is not allowed.
    """
    if account is not None:
        os.chown(folder, -1, account.gid)
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o010)


def reachable_by(account: Account | None, path: Path) -> bool:
    """Return whether `account` may enter every existing folder on the way to `path`, `path` included."""
    if account is None:
        return True
    for folder in (path, *path.parents):
        try:
            status = folder.stat()
        except OSError:
            continue
        owner = status.st_uid == account.uid
        group = status.st_gid == account.gid
        if not status.st_mode & (0o100 if owner else 0o010 if group else 0o001):
            return False
    return True
