"""The process that listens on a port of this machine, as far as Linux shows it to this user."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

LISTENING = "0A"
PROC = Path("/proc")


@dataclass(frozen=True)
class Listener:
    """A process that listens on a port.

    Attributes
    ----------
    pid : its process id.
    command : its name.
    arguments : its whole command line.
    """

    pid: int
    command: str
    arguments: str


def listener_on(port: int) -> Listener | None:
    """Return the process that listens on a TCP port; None if there is none that this user can see."""
    sockets = {f"socket:[{inode}]" for inode in listening_inodes(port)}
    if not sockets:
        return None
    for folder in PROC.iterdir():
        if folder.name.isdigit() and _has_socket(folder, sockets):
            with contextlib.suppress(OSError):
                arguments = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                command = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return Listener(int(folder.name), command, arguments)
    return None


def listening_inodes(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on a TCP port."""
    inodes = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(columns[9])
    return inodes


def _has_socket(folder: Path, sockets: set[str]) -> bool:
    try:
        return any(str(link.readlink()) in sockets for link in (folder / "fd").iterdir())
    except OSError:
        return False
