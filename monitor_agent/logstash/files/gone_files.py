"""Files that the last run followed and that are not in their folder any more: where they are, and what was not read."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from monitor_agent.files import readable_name
from monitor_agent.logstash.files.positions import FileKey, FilePosition, has_key

COMPRESSED = (".gz", ".bz2", ".zst", ".xz", ".lz4", ".Z", ".zip")

_log = structlog.get_logger()


class FolderIndex:
    """Finds files by their inode; it reads each folder once."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[FileKey, str]] = {}

    def locate(self, position: FilePosition) -> str | None:
        """Return the path of an entry's file, which may be renamed in its folder; None if it is not there.

        An empty file has no fingerprint: it is found under its old name only.
        """
        if has_key(position.path, position.key):
            return position.path
        return self._paths(Path(position.path).parent).get(position.key) if position.head else None

    def _paths(self, folder: Path) -> dict[FileKey, str]:
        if folder not in self._folders:
            self._folders[folder] = _paths_by_key(folder)
        return self._folders[folder]


def has_folder(position: FilePosition) -> bool:
    """Return whether the folder of an entry is there, on the same file system as before."""
    try:
        return Path(position.path).parent.stat().st_dev == position.device
    except OSError:
        return False


def report_gone(position: FilePosition) -> None:
    """Log a warning about a file that was followed and cannot be read to its end."""
    if position.closed:
        return
    unread = None if position.size is None else max(0, position.size - position.offset)
    copies = [readable_name(path) for path in compressed_copies(position.path)]
    if copies:
        remedy = f"decompress {', '.join(copies)} into the folder under a new name that the pattern matches"
    else:
        remedy = "if lines of it are missing, copy it into the folder under a new name that the pattern matches"
    _log.warning(
        "a followed file is gone; lines after its delivered bytes are not read",
        path=readable_name(position.path),
        delivered_bytes=position.offset,
        unread_bytes="unknown" if unread is None else unread,
        remedy=remedy,
    )


def compressed_copies(path: str) -> list[str]:
    """Return the compressed files beside `path` whose names begin with its name."""
    original = Path(path)
    try:
        return sorted(str(file) for file in original.parent.iterdir() if _is_copy(file.name, original.name))
    except OSError:
        return []


def _is_copy(other: str, name: str) -> bool:
    return other.startswith((f"{name}.", f"{name}-")) and other.endswith(COMPRESSED)


def _paths_by_key(folder: Path) -> dict[FileKey, str]:
    """Return the path of each file in `folder` by its device and inode."""
    paths: dict[FileKey, str] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    paths[entry.stat(follow_symlinks=False).st_dev, entry.inode()] = entry.path
    except OSError:
        pass
    return paths
